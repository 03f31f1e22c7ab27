"""Pictures and words to train on: synthetic fields of embedder.samples, and real tiles of shared/data/demo where they are."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedder.preprocess import to_square
from embedder.processes import drawing_pool
from embedder.samples import TISSUES, draw_sample
from embedder.tokenizer import PromptTokenizer
from embedder.training.captions import phrases
from embedder.training.split import difference_hash, held_out, joined

Squares = NDArray[np.uint8]

LABEL_POWER = 0.7
REAL_SHARE, SYNTHETIC_SHARE = 0.7, 0.3  # of the pairs: drawn fields are learned in a few hundred steps, real tissue is not
STORED_SIDE = 1.25  # of the model's side: a crop of a real tile then loses less detail
FRESH_SEED = 10_000_000  # seeds from here on are never trained on
DUPLICATE = re.compile(r"duplicate of ([^\s;,)]+)")


@dataclass(frozen=True)
class Tile:
    """One row of the manifest. ``group`` is shared by all rows that show the same picture."""

    path: Path
    label: str
    caption: str
    group: int
    held_out: bool

    def open(self) -> Image.Image:
        with Image.open(self.path) as image:
            return image.convert("RGB")


@dataclass(frozen=True)
class Pool:
    """Pictures of one source with their labels and the texts each may be trained with: three sequences of equal length.

    ``share``: of the training pairs, relative to the other pools'.
    """

    squares: Squares  # uint8 [n, stored side, stored side, 3]
    labels: Sequence[str]
    texts: Sequence[tuple[str, ...]]
    share: float = 1.0


class Batch(NamedTuple):
    """``squares`` uint8 [n, side, side, 3], ``tokens`` int64 [n, context + 1], ``keys`` int64 [n]: equal for equal labels."""

    squares: Squares
    tokens: NDArray[np.int64]
    keys: NDArray[np.int64]


# --- real tiles --------------------------------------------------------------------------------------------------------


def read_demo(folder: Path, *, seed: int = 0) -> list[Tile]:
    """The usable rows of ``folder``/manifest.csv with their split; [] where there is no manifest.

    Rows of contradicting labels are left out, but only after grouping: what is the same picture as one of them stays known.
    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    groups = joined(len(rows), _links(rows, folder))
    kept = [index for index, row in enumerate(rows) if row["subset"] != "label_conflict"]
    test = held_out([rows[index]["label"] for index in kept], [groups[index] for index in kept], seed=seed)
    return [
        Tile(folder / rows[index]["file"], rows[index]["label"], rows[index]["caption"], groups[index], is_test)
        for index, is_test in zip(kept, test, strict=True)
    ]


def _links(rows: Sequence[Mapping[str, str]], folder: Path) -> list[tuple[int, tuple[str, str | int]]]:
    links: list[tuple[int, tuple[str, str | int]]] = []
    for index, row in enumerate(rows):
        links.append((index, ("name", Path(row["file"]).name)))
        links.append((index, ("sha256", row["sha256"])))
        links += [(index, ("name", Path(name).name)) for name in DUPLICATE.findall(row["note"])]
        with Image.open(folder / row["file"]) as image:
            links.append((index, ("picture", difference_hash(image))))
    return links


def real_pool(tiles: Sequence[Tile], side_px: int) -> Pool:
    """The tiles that are not held out."""
    mine = [tile for tile in tiles if not tile.held_out]
    stored = round(STORED_SIDE * side_px)
    squares = np.stack([to_square(tile.open(), stored) for tile in mine])
    texts = [phrases(tile.label, tile.caption) for tile in mine]
    return Pool(squares, [tile.label for tile in mine], texts, REAL_SHARE)


# --- synthetic fields --------------------------------------------------------------------------------------------------


def draw(tissue: str, *, seed: int, side_px: int) -> tuple[Squares, str]:
    """One synthetic field as uint8 [side, side, 3] and its caption."""
    sample = draw_sample(tissue, seed=seed, side_px=side_px)
    return np.asarray(sample.image), sample.caption


def draw_many(*, per_tissue: int, first_seed: int, side_px: int) -> dict[str, list[tuple[Squares, str]]]:
    """``per_tissue`` fields of every tissue, in parallel. The same arguments, the same pixels."""
    seeds = range(first_seed, first_seed + per_tissue)
    jobs = [(tissue, seed) for tissue in TISSUES for seed in seeds]
    with drawing_pool(2) as pool:
        drawn = list(pool.map(partial(_draw_job, side_px=side_px), jobs, chunksize=16))
    fields: dict[str, list[tuple[Squares, str]]] = {tissue: [] for tissue in TISSUES}
    for (tissue, _), field in zip(jobs, drawn, strict=True):
        fields[tissue].append(field)
    return fields


def _draw_job(job: tuple[str, int], *, side_px: int) -> tuple[Squares, str]:
    return draw(job[0], seed=job[1], side_px=side_px)


def synthetic_pool(*, per_tissue: int, side_px: int, cache: Path) -> Pool | None:
    """Training fields, drawn once and kept in ``cache``; None where none are asked for."""
    if per_tissue == 0:
        return None
    file = cache / f"synthetic-{_painters_digest(side_px)}-{per_tissue}.npz"
    if not file.is_file():
        fields = draw_many(per_tissue=per_tissue, first_seed=0, side_px=side_px)
        flat = [(tissue, *field) for tissue, drawn in fields.items() for field in drawn]
        partly = file.with_suffix(".part.npz")
        np.savez(
            partly,
            squares=np.stack([square for _, square, _ in flat]),
            tissues=np.array([tissue for tissue, _, _ in flat]),
            captions=np.array([caption for _, _, caption in flat]),
        )
        partly.replace(file)
    with np.load(file) as stored:
        squares, tissues, captions = stored["squares"], stored["tissues"].tolist(), stored["captions"].tolist()
    kinds = [TISSUES[tissue] for tissue in tissues]
    texts = [phrases(kind.label, text, kind.synonyms) for kind, text in zip(kinds, captions, strict=True)]
    return Pool(squares, [kind.label for kind in kinds], texts, SYNTHETIC_SHARE)


def _painters_digest(side_px: int) -> str:
    """Changes when a painter does: a cache of old pictures would otherwise train an encoder of fields nobody draws."""
    digest = hashlib.sha256(str(side_px).encode())
    for tissue in TISSUES:
        square, caption = draw(tissue, seed=0, side_px=side_px)
        digest.update(square.tobytes() + caption.encode())
    return digest.hexdigest()[:12]


# --- batches -----------------------------------------------------------------------------------------------------------


class Batches:
    """batches(step) -> Batch: a function of (seed, step) alone, so that a resumed run reads what the first would have read.

    Each pool gives its ``share`` of the pairs; within one, a label's share grows with the LABEL_POWER of its size, so that one
    class of 62 % does not fill the batches and one of four tiles does not fill them either.
    """

    def __init__(self, pools: Sequence[Pool], tokenizer: PromptTokenizer, *, side_px: int, size: int, seed: int) -> None:
        if not pools:
            raise ValueError("there is nothing to train on: neither demonstration tiles nor synthetic fields")
        self._pools, self._tokenizer = list(pools), tokenizer
        self._pool_shares = np.array([pool.share for pool in pools]) / sum(pool.share for pool in pools)
        self._side_px, self._size, self._seed = side_px, size, seed
        names = sorted({_key(label) for pool in pools for label in pool.labels})
        self._numbers = {name: number for number, name in enumerate(names)}
        self._shares = [label_shares(pool.labels) for pool in pools]

    def __call__(self, step: int) -> Batch:
        rng = np.random.default_rng([self._seed, step])
        squares, texts, keys = [], [], []
        for chosen in rng.choice(len(self._pools), size=self._size, p=self._pool_shares):
            pool = self._pools[chosen]
            item = int(rng.choice(len(pool.labels), p=self._shares[chosen]))
            squares.append(augmented(pool.squares[item], self._side_px, rng))
            texts.append(pool.texts[item][rng.integers(len(pool.texts[item]))])
            keys.append(self._numbers[_key(pool.labels[item])])
        return Batch(np.stack(squares), self._tokenizer(texts), np.array(keys, np.int64))


def _key(label: str) -> str:
    return label.casefold().strip()


def label_shares(labels: Sequence[str]) -> NDArray[np.float64]:
    """The chance of each item: labels weigh by the LABEL_POWER of their size, items of a label are equal."""
    sizes = Counter(labels)
    weights = np.array([sizes[label] ** (LABEL_POWER - 1) for label in labels])
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def augmented(square: Squares, side_px: int, rng: np.random.Generator) -> Squares:
    """uint8 [any, any, 3] -> uint8 [side, side, 3]: crop, turn, mirror, and as much colour change as two scanners make."""
    full = square.shape[0]
    length = full * float(np.sqrt(rng.uniform(0.45, 1.0)))
    left, top = rng.uniform(0, full - length, size=2)
    box = (left, top, left + length, top + length)
    cropped = Image.fromarray(square).resize((side_px, side_px), Image.Resampling.BILINEAR, box=box)
    turned = np.rot90(np.asarray(cropped), int(rng.integers(4)))
    mirrored = turned[:, ::-1] if rng.integers(2) else turned
    gain = rng.uniform(0.92, 1.08, size=(3, 1))
    offset = rng.uniform(-8, 8, size=(3, 1))
    curve = np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8)  # [3, 256]: a table costs less than floats
    return np.stack([curve[channel][mirrored[..., channel]] for channel in range(3)], axis=-1)
