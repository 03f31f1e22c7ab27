"""From which cosine on two pictures are worth a look as copies of each other: `python -m benchmarks.near_duplicates FOLDER`.

Copies of every picture are made as people make them: saved again as JPEG, made smaller, cropped a little, made brighter. Told
is, for each cosine and each likeness of coarse.py, which share of the copies lies above both, and how many pairs of other
pictures do: of ``FOLDER``'s real fields (images below it; those of the same pixels count once), of the drawn sample archive, and
of fields that lie side by side or overlap by half on a slide given as ``--slide``.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from benchmarks.machine import machine, versions, write
from embedder import Encoder, load_encoder
from embedder.samples import sample_archive
from webapp.library import coarse

Array = NDArray[np.float32]
THRESHOLDS = (0.95, 0.97, 0.98, 0.99, 0.995, 0.9975)
LIKENESSES = (-1.0, 0.7, 0.8, 0.85, 0.9, 0.95)  # the first: the cosine alone
SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"}
DRAWN, SIDE_PX, BATCH = 248, 448, 64


def saved_as_jpeg(picture: Image.Image) -> Image.Image:
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=60)
    return Image.open(packed).convert("RGB")


def made_smaller(picture: Image.Image) -> Image.Image:
    return picture.resize((round(picture.width * 0.9), round(picture.height * 0.9)), Image.Resampling.LANCZOS)


def cropped(picture: Image.Image) -> Image.Image:
    """95 % of each side, from the upper left."""
    return picture.crop((0, 0, round(picture.width * 0.95), round(picture.height * 0.95)))


def made_brighter(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(1.05)


WAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 60": saved_as_jpeg,
    "resized to 90 %": made_smaller,
    "cropped to 95 %": cropped,
    "5 % brighter": made_brighter,
}


def real(folder: Path) -> Iterator[Image.Image]:
    """Pictures that can be read, each pixels once."""
    seen: set[bytes] = set()
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            picture = Image.open(path).convert("RGB")
            if (pixels := picture.tobytes()) not in seen:
                seen.add(pixels)
                yield picture


def fields(slide: Image.Image, *, step_px: int) -> list[tuple[int, int, Image.Image]]:
    """(column, row, field) of ``SIDE_PX`` each, ``step_px`` apart."""
    columns, rows = range(0, slide.width - SIDE_PX + 1, step_px), range(0, slide.height - SIDE_PX + 1, step_px)
    return [(x // step_px, y // step_px, slide.crop((x, y, x + SIDE_PX, y + SIDE_PX))) for y in rows for x in columns]


class Described:
    """Pictures as the product compares them: float32 [n, dim] unit vectors, and the coarse colours of coarse.py [n, cells]."""

    def __init__(self, encoder: Encoder, pictures: Sequence[Image.Image]) -> None:
        batches = [list(pictures[n : n + BATCH]) for n in range(0, len(pictures), BATCH)]
        self.vectors: Array = np.concatenate([encoder.encode_images(batch) for batch in batches])
        self.colours: Array = np.stack([coarse.colours_of(each) for each in pictures])

    def against(self, other: Described, pairs: Sequence[tuple[int, int]]) -> Pairs:
        cosines = [self.vectors[n] @ other.vectors[m] for n, m in pairs]
        likenesses = [coarse.likeness(self.colours[n], other.colours[m]) for n, m in pairs]
        return Pairs(np.array(cosines, np.float32), np.array(likenesses, np.float32))


class Pairs:
    """``cosines`` and ``likenesses`` of some pairs, float32 [n] each."""

    def __init__(self, cosines: Array, likenesses: Array) -> None:
        self.cosines, self.likenesses = cosines, likenesses

    def listed(self, cosine: float, likeness: float) -> int:
        return int(((self.cosines >= cosine) & (self.likenesses >= likeness)).sum())

    def __len__(self) -> int:
        return len(self.cosines)


def others(seen: Described) -> Pairs:
    """All pairs of different pictures that have any threshold's cosine."""
    cosines = np.triu(seen.vectors @ seen.vectors.T, k=1)
    near = [(int(n), int(m)) for n, m in zip(*np.nonzero(cosines >= THRESHOLDS[0]), strict=True)]
    return seen.against(seen, near)


def beside_each_other(encoder: Encoder, slide: Image.Image, *, step_px: int) -> Pairs:
    """Fields that are one step apart in a row or a column."""
    cut = fields(slide, step_px=step_px)
    seen = Described(encoder, [field for *_, field in cut])
    at = {(column, row): n for n, (column, row, _) in enumerate(cut)}
    return seen.against(seen, [(n, at[there]) for (x, y), n in at.items() for there in ((x + 1, y), (x, y + 1)) if there in at])


def measured(encoder: Encoder, pictures: list[Image.Image]) -> dict[str, Any]:
    originals, every = Described(encoder, pictures), [(n, n) for n in range(len(pictures))]
    copies = {name: originals.against(Described(encoder, [way(each) for each in pictures]), every) for name, way in WAYS.items()}
    apart = others(originals)
    return {"pictures": len(pictures), "by": [_row(copies, apart, *limits) for limits in product(THRESHOLDS, LIKENESSES)]}


def _row(copies: dict[str, Pairs], apart: Pairs, cosine: float, likeness: float) -> dict[str, Any]:
    """``precision``: of what would be listed if every picture had one copy, made in any of the ways alike."""
    found = {name: pairs.listed(cosine, likeness) for name, pairs in copies.items()}
    right, wrong = sum(found.values()) / len(found), apart.listed(cosine, likeness)
    recall = {name: round(n / len(copies[name]), 4) for name, n in found.items()}
    told = {"cosine": cosine, "likeness": likeness, "recall": recall, "other pairs": wrong}
    return told | {"precision": round(right / max(1e-9, right + wrong), 4)}


def shares(pairs: Pairs) -> list[dict[str, float]]:
    return [
        {"cosine": cosine, "likeness": likeness, "share": round(pairs.listed(cosine, likeness) / len(pairs), 4)}
        for cosine, likeness in product(THRESHOLDS, LIKENESSES)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slide", type=Path, nargs="*", default=[])
    parser.add_argument("--encoder", default="mini")
    parser.add_argument("--every", type=int, default=1, help="only each n-th real picture")
    asked = parser.parse_args()
    encoder = load_encoder(asked.encoder)
    report: dict[str, Any] = {"encoder": asked.encoder, "real": measured(encoder, list(real(asked.folder))[:: asked.every])}
    report["drawn"] = measured(encoder, [sample.image for sample in sample_archive(images=DRAWN)])
    for name, step_px in (("side by side", SIDE_PX), ("overlapping by half", SIDE_PX // 2)):
        for slide in (Image.open(path).convert("RGB") for path in asked.slide):
            found = beside_each_other(encoder, slide, step_px=step_px)
            report[f"fields {name}"] = {"pairs": len(found), "share": shares(found)}
    write("near_duplicates", {"machine": machine(), "versions": versions("torch", "numpy", "pillow")} | report)


if __name__ == "__main__":
    main()
