"""Draws a sample archive: synthetic fields of recognisably different tissues and stains, each with its words.

The same seed gives the same pixels. Nothing here comes from a patient, so the pictures may be shipped, shown and tested with.
They are schematic: recognisable, never a substitute for tissue. `python -m embedder.samples FOLDER` writes the archive with a
captions.csv beside it.
"""

from __future__ import annotations

import argparse
import csv
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from embedder.field import Array, Field
from embedder.processes import drawing_pool
from embedder.stains import slide_colours, transmit
from embedder.tissues import TISSUES, Tissue

__all__ = ["TISSUES", "Sample", "Tissue", "draw_sample", "sample_archive", "write_archive"]

COLUMNS = ("file", "caption", "label", "organ", "stain", "finding", "case", "slide", "mpp")
FIELDS_PER_CASE = 3  # photographed from one slide: near neighbours that belong together


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One drawn field. ``image`` is RGB and square; ``mpp`` its micrometres per pixel; ``case`` and ``slide`` are invented."""

    name: str
    image: Image.Image
    caption: str
    tissue: str
    label: str
    organ: str
    stain: str
    finding: str
    case: str
    slide: str
    mpp: float

    @property
    def row(self) -> dict[str, str]:
        """One line of captions.csv, keyed by COLUMNS."""
        told = {name: str(getattr(self, name)) for name in COLUMNS if name not in ("file", "mpp")}
        return {"file": self.name, **told, "mpp": f"{self.mpp:.3f}"}


def draw_sample(tissue: str, *, seed: int, side_px: int = 512, slide: int | None = None) -> Sample:
    """One field of ``tissue``; the same arguments give the same pixels and words. Raises KeyError for an unknown tissue.

    ``slide`` sets laboratory and lamp apart from the field, so that fields of one slide share their colours.
    """
    kind = TISSUES[tissue]
    number = zlib.crc32(tissue.encode())
    rng = np.random.default_rng([number, seed])
    laboratory = np.random.default_rng([number, seed if slide is None else slide, 1])
    field = Field(rng, side_px=side_px, width_um=float(rng.uniform(*kind.width_um)))
    words = kind.paint(field)
    colours = slide_colours(laboratory, tuple(sorted(field.density)))
    light = transmit(field.density, colours, _lamp(field, laboratory))
    case = f"S{laboratory.integers(24, 27)}-{laboratory.integers(1000, 99999):05d}"
    return Sample(
        name=f"{tissue}-{seed:05d}.jpg",
        image=Image.fromarray(_photographed(light, np.random.default_rng([number, seed, 2]))),
        caption=str(rng.choice(kind.captions)).format(**words),
        tissue=tissue,
        label=kind.label,
        organ=kind.organ,
        stain=kind.stain,
        finding=kind.finding,
        case=case,
        slide=f"{case}-1A",
        mpp=field.width_um / side_px,
    )


def _lamp(field: Field, laboratory: np.random.Generator) -> Array:
    """Light [side, side, 3] in 0..1 before the slide: nearly white, a little darker towards one side and the corners."""
    white = laboratory.uniform(0.93, 0.985) * laboratory.uniform(0.985, 1.0, 3)
    u, v = field.u / field.width_um, field.v / field.width_um
    fall = 1 - laboratory.uniform(0, 0.07) * (u * u + v * v) - laboratory.uniform(-0.02, 0.02) * u
    lamp: Array = (fall[..., None] * white).astype(np.float32)
    return lamp


def _photographed(light: Array, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The camera's grain, and 8 bits."""
    grain = rng.normal(0.0, rng.uniform(0.004, 0.014), light.shape).astype(np.float32)
    pixels: npt.NDArray[np.uint8] = np.round(np.clip(light + grain, 0, 1) * 255).astype(np.uint8)
    return pixels


def sample_archive(*, images: int = 240, seed: int = 0, side_px: int = 512) -> Iterator[Sample]:
    """``images`` samples, every tissue in turn, FIELDS_PER_CASE of each slide. Drawn one by one: memory stays flat."""
    for tissue, number, slide in islice(_archive_plan(seed), images):
        yield draw_sample(tissue, seed=number, side_px=side_px, slide=slide)


def _archive_plan(seed: int) -> Iterator[tuple[str, int, int]]:
    """Endless (tissue, seed, slide)."""
    first = 100_000 * (seed + 1)  # apart from the seeds that the mini encoder was trained on
    turn = 0
    while True:
        for tissue in TISSUES:
            yield tissue, first + turn, first + turn // FIELDS_PER_CASE
        turn += 1


def write_archive(folder: Path, *, images: int = 240, seed: int = 0, side_px: int = 512, processes: int = 2) -> Iterator[Path]:
    """Writes JPEG files and then captions.csv into ``folder``; yields each path when it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = list(islice(_archive_plan(seed), images))
    rows = []
    with drawing_pool(processes) as pool:
        for row in pool.map(partial(_write_sample, folder=folder, side_px=side_px), plan, chunksize=4):
            rows.append(row)
            yield folder / row["file"]
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)


def _write_sample(planned: tuple[str, int, int], *, folder: Path, side_px: int) -> dict[str, str]:
    tissue, seed, slide = planned
    sample = draw_sample(tissue, seed=seed, side_px=side_px, slide=slide)
    sample.image.save(folder / sample.name, quality=92)
    return sample.row


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m embedder.samples", description="Draw a synthetic sample archive.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side-px", type=int, default=512)
    options = parser.parse_args(arguments)
    from rich.progress import track

    writing = write_archive(options.folder, images=options.images, seed=options.seed, side_px=options.side_px)
    for _path in track(writing, total=options.images, description="drawing"):
        pass
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
