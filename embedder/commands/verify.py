"""verify: is this checkpoint whole, is it the right one, and does it compute what the reference computes?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from embedder import errors
from embedder.commands.shared import FAILED, OK, Subparsers, add_encoder_arguments, answer, command_parser, people

if TYPE_CHECKING:
    from rich.console import Console

    from embedder.encoder import TowerEncoder

PASSED, NOT_CHECKED, WRONG = "passed", "not checked", "failed"
COLOURS = {PASSED: "green", NOT_CHECKED: "yellow", WRONG: "red"}
# Which check an error belongs to; one that is not listed fails the check that was under way.
CHECK_OF_ERROR: dict[type[errors.EmbedderError], str] = {
    errors.WeightsNotFound: "file",
    errors.WeightsTruncated: "file",
    errors.WeightsNotPlain: "file",
    errors.WeightsHashMismatch: "sha256",
    errors.WeightsMismatch: "names and shapes",
    errors.WeightsDegenerate: "values",
    errors.TokenizerError: "tokenizer",
}


@dataclass(frozen=True)
class Check:
    """One line of the answer. ``largest_error``: absolute, for an entry of expected vectors."""

    name: str
    state: str
    detail: str
    largest_error: float | None = None


class Stop(Exception):
    """What comes after the failed check cannot be checked."""


@dataclass
class Checklist:
    """Checks in order, each told as soon as it ends."""

    console: Console
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return all(check.state != WRONG for check in self.checks)

    def add(self, name: str, detail: str, *, state: str = PASSED, largest_error: float | None = None) -> None:
        self.checks.append(Check(name, state, detail, largest_error))
        colour = COLOURS[state]
        self.console.print(f"[{colour}]{state:13}[/{colour}]{name:20}", end="")
        self.console.print(detail, markup=False, soft_wrap=True)

    @contextmanager
    def under_way(self, name: str) -> Iterator[None]:
        """What is refused inside becomes a failed check and ends the list."""
        try:
            yield
        except errors.EmbedderError as exc:
            self.add(CHECK_OF_ERROR.get(type(exc), name), str(exc), state=WRONG)
            raise Stop from exc


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "verify",
        summary="check a checkpoint, tensor by tensor",
        about="Loads a checkpoint without running code in it, checks every tensor by name, shape and value, and runs a self\n"
        "test. With --golden it also compares with expected vectors of the reference implementation, in float32.",
    )
    add_encoder_arguments(parser, choices=("conch", "mini", "clip"))
    parser.add_argument("--golden", type=Path, metavar="FILE.npz", help="expected vectors")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the images that belong to --golden")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """FAILED where one check failed, else OK."""
    if (arguments.golden is None) != (arguments.images is None):
        arguments.parser.error("--golden and --images belong together")
    checklist = Checklist(people())
    with suppress(Stop):
        _check_all(arguments, checklist)
    if arguments.json:
        answer({"ok": checklist.passed, "checks": [asdict(check) for check in checklist.checks]})
    return OK if checklist.passed else FAILED


def _check_all(arguments: argparse.Namespace, checklist: Checklist) -> None:
    from embedder.commands.checkpoint import Checkpoint, self_test

    with checklist.under_way("file"):
        checkpoint = Checkpoint.find(arguments)
        checklist.add("file", f"{checkpoint.file} ({checkpoint.file.stat().st_size:,} bytes)")
    with checklist.under_way("sha256"):
        checklist.add("sha256", checkpoint.check_hash(arguments.sha256))
    with checklist.under_way("file"):
        tensors, values = checkpoint.count()
    with checklist.under_way("encoder"):
        encoder = checkpoint.load(arguments.device, "float32" if arguments.golden else arguments.dtype)
    checklist.add("names and shapes", f"{tensors} tensors, none missing, unexpected or of another shape")
    checklist.add("values", f"{values:,} values, all finite, no matrix zero-filled")
    if checkpoint.reads_words:
        checklist.add("tokenizer", f"sha256 {encoder.spec.tokenizer_sha256}")
    else:
        checklist.add("tokenizer", "none is configured: give --tokenizer to check it", state=NOT_CHECKED)
    with checklist.under_way("self test"):
        checklist.add("self test", self_test(encoder, words=checkpoint.reads_words))
    if arguments.golden is not None:
        with checklist.under_way("golden"):
            _compare(checklist, encoder, arguments.golden, arguments.images)


def _compare(checklist: Checklist, encoder: TowerEncoder, file: Path, folder: Path) -> None:
    from embedder.golden import ENTRIES, TOLERANCE, Computed, largest_error, read_entries, read_images

    entries = read_entries(file)
    made = Computed(encoder, entries, read_images(folder, entries))
    for name in [name for name in ENTRIES if name in entries]:
        error = largest_error(name, made, entries[name])
        near = error <= TOLERANCE  # False for NaN
        detail = f"largest error {error:.2e} ({'at most' if near else 'more than'} {TOLERANCE:g})"
        checklist.add(name, detail, state=PASSED if near else WRONG, largest_error=error)
