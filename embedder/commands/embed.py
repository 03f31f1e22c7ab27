"""embed: files and folders of images -> an .npz of vectors and a line a file. A bad file costs only itself."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from embedder.commands.shared import (
    FAILED,
    OK,
    Subparsers,
    add_encoder_arguments,
    answer,
    command_parser,
    load,
    people,
    positive,
    progress,
    say,
)
from embedder.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

    from embedder.commands.vectors import VectorFile
    from embedder.encoders import Array, Encoder

Reader = Callable[[Path], "Image.Image"]
DECODE_THREADS = 2
SPACES = {"search": ("search",), "probe": ("probe",), "both": ("search", "probe")}


@dataclass
class Summary:
    """``kept``: rows of an earlier run that was interrupted. ``reasons``: how many files failed why."""

    kept: int = 0
    embedded: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return sum(self.reasons.values())


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "embed",
        summary="turn images into vectors in a file",
        about="Embeds image files, and those in folders at any depth (hidden ones apart), and writes FILE.npz with one float32\n"
        "array a space and FILE.jsonl with a line a file: its row, or the reason why it has none. Memory stays the same for\n"
        "any number of files. An interrupted run goes on where it ended when the same command is given again.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image or folder")
    parser.add_argument("--to", type=_npz, required=True, metavar="FILE.npz", help="where the vectors go")
    add_encoder_arguments(parser)
    parser.add_argument("--space", choices=tuple(SPACES), default="search", help="default: search (unit rows)")
    parser.add_argument("--batch", type=positive, default=8, metavar="N", help="images decoded at a time (default: 8)")
    parser.add_argument("--allow-failures", action="store_true", help="exit 0 although some files failed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """FAILED where a file failed and --allow-failures was not given, or where nothing was found."""
    from embedder.commands.vectors import VectorFile
    from embedder.sandbox import Sandbox

    files = sorted(set(found(arguments.paths)))
    encoder = load(arguments)
    with (
        Sandbox(workers=DECODE_THREADS) as sandbox,
        VectorFile(arguments.to, about=_about(arguments, encoder), dims=_dims(arguments.space, encoder)) as vectors,
    ):
        job = Job(encoder, vectors, sandbox.open_rgb, space=arguments.space, batch=arguments.batch)
        summary = job.run(files)
        vectors.finish()
    _tell(summary, vectors.rows, arguments)
    failed = summary.failed > 0 or not files
    return FAILED if failed and not arguments.allow_failures else OK


def found(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as given, and all below folders, hidden ones apart."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from (Path(folder, name) for name in names if not name.startswith("."))


@dataclass(frozen=True)
class Item:
    """``stamp``: size and time of change, so that a new version of a file is read again."""

    path: Path
    stamp: str


class Job:
    """Every file's row, or the reason why it has none, into a VectorFile."""

    def __init__(self, encoder: Encoder, vectors: VectorFile, reader: Reader, *, space: str, batch: int) -> None:
        self._encoder, self._vectors, self._reader = encoder, vectors, reader
        self._space, self._batch = space, batch
        self._console = people()

    def run(self, files: Sequence[Path]) -> Summary:
        """Raises EmbedderError where the encoder itself fails: that is no file's fault."""
        items = [Item(path, _stamp(path)) for path in files]
        waiting = [item for item in items if not self._vectors.is_done(str(item.path), item.stamp)]
        summary = Summary(kept=len(items) - len(waiting))
        with ThreadPoolExecutor(DECODE_THREADS) as pool, progress(self._console, unit="files") as bar:
            task = bar.add_task("embedding", total=len(items), completed=summary.kept)
            for batch in _batches(waiting, self._batch):
                self._embed(batch, list(pool.map(self._read, batch)), summary)
                bar.update(task, advance=len(batch))
        return summary

    def _read(self, item: Item) -> Image.Image | ImageError:
        try:
            return self._reader(item.path)
        except ImageError as exc:
            return exc
        except OSError as exc:
            return ImageError(f"The file cannot be read ({exc.strerror}).")

    def _embed(self, batch: Sequence[Item], read: Sequence[Image.Image | ImageError], summary: Summary) -> None:
        good: list[tuple[Item, Image.Image]] = []
        for item, image in zip(batch, read, strict=True):
            if isinstance(image, ImageError):
                self._fail(item, image, summary)
            else:
                good.append((item, image))
        if good:
            vectors = self._encode([image for _, image in good])
            self._vectors.add([(str(item.path), item.stamp) for item, _ in good], vectors)
            summary.embedded += len(good)

    def _fail(self, item: Item, exc: ImageError, summary: Summary) -> None:
        summary.reasons[exc.reason] += 1
        self._vectors.fail(str(item.path), item.stamp, exc.reason, str(exc))
        self._console.print(f"{exc.reason}  {item.path}  {exc}", markup=False, soft_wrap=True)

    def _encode(self, images: Sequence[Image.Image]) -> dict[str, Array]:
        if self._space == "both":
            return self._encoder.encode_images(images, space="both")._asdict()
        return {self._space: self._encoder.encode_images(images, space="search" if self._space == "search" else "probe")}


def _about(arguments: argparse.Namespace, encoder: Encoder) -> dict[str, object]:
    """What must be alike for an interrupted run to go on."""
    spec = asdict(encoder.spec) | {"fingerprint": encoder.spec.fingerprint}
    return {"encoder": spec, "inputs": sorted(str(path) for path in arguments.paths)}


def _dims(space: str, encoder: Encoder) -> dict[str, int]:
    lengths = {"search": encoder.spec.dim, "probe": encoder.spec.probe_dim}
    return {name: lengths[name] for name in SPACES[space]}


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""  # reading it will tell why
    return f"{status.st_size}-{status.st_mtime_ns}"


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[first : first + size] for first in range(0, len(items), size))


def _tell(summary: Summary, rows: int, arguments: argparse.Namespace) -> None:
    table: dict[str, object] = {
        "ok": not summary.failed and rows > 0,
        "to": str(arguments.to),
        "rows": rows,
        "kept": summary.kept,
        "embedded": summary.embedded,
        "reasons": dict(summary.reasons),
        "failed": summary.failed,
    }
    if arguments.json:
        answer(table)
    kept = f", {summary.kept:,} kept from before" if summary.kept else ""
    say(f"{summary.embedded:,} embedded{kept}, {summary.failed:,} failed: {arguments.to}")


def _npz(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".npz":
        raise argparse.ArgumentTypeError("the name must end in .npz")
    return path
