"""The archive that benchmarks/search.py asks: clustered unit vectors, their payloads, scopes, questions and exact answers.

500 tissues and stains (clusters) of uneven size; inside one, vectors differ mostly along a few directions, as embeddings do
(white noise in 512 dimensions has no neighbours to find). Half of the points of a cluster are scattered over all 100 app
collections, half lie in five of them, because a lab's collection is about something. Half of the questions are images that are
not in the archive, half lie between two clusters, where texts fall.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search import Payload, Point, Scope

DIM = 512
CLUSTERS = 500
COLLECTIONS = 100
SHARES = (1, 10, 50, 100)  # per cent of the points that a scope keeps
TOP = 10
SPREAD = 0.65  # length of the noise around a centre of length 1: two of a cluster have a cosine near 0.7
DECAY = 0.6  # the noise's standard deviation falls with this power of the dimension
BLOCK = 20_000
SCRAMBLE = 0x9E3779B97F4A7C15  # odd: id order says nothing about the order of insertion

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Archive:
    """A folder that make() filled. Nothing is read before it is asked for."""

    folder: Path

    @cached_property
    def vectors(self) -> Floats:
        """float32 [n, 512], mapped."""
        rows: Floats = np.load(self.folder / "vectors.npy", mmap_mode="r")
        return rows

    @cached_property
    def collections(self) -> NDArray[np.int16]:
        """Number of each point's app collection."""
        numbers: NDArray[np.int16] = np.load(self.folder / "collections.npy")
        return numbers

    @cached_property
    def queries(self) -> Floats:
        rows: Floats = np.load(self.folder / "queries.npy")
        return rows

    def truth(self, share: int) -> Ints:
        """int64 [queries, 10]: numbers of the points that are exactly nearest within the scope."""
        numbers: Ints = np.load(self.folder / f"truth-{share}.npy")
        return numbers

    @cached_property
    def scopes(self) -> dict[int, list[int]]:
        """Share in per cent -> numbers of the app collections that together keep about so much."""
        stored = json.loads((self.folder / "scopes.json").read_text())
        return {int(share): numbers for share, numbers in stored.items()}

    def mask(self, share: int) -> NDArray[np.bool_]:
        return np.isin(self.collections, self.scopes[share])

    def points(self, start: int, stop: int) -> list[Point]:
        rows = np.array(self.vectors[start:stop])
        return [
            Point(point_id(number), rows[number - start], payload_of(number, int(self.collections[number])))
            for number in range(start, stop)
        ]


def scope_of(collections: list[int]) -> Scope:
    return Scope.of(collection_id(number) for number in collections)


def point_id(number: int) -> str:
    return str(uuid.UUID(int=((number + 1) * SCRAMBLE & (1 << 64) - 1) << 64 | number))


def number_of(point: str) -> int:
    return int(point.replace("-", "")[16:], 16)


def collection_id(number: int) -> str:
    return str(uuid.UUID(int=1 + number))


def payload_of(number: int, collection: int) -> Payload:
    """Every filter field filled: four regions an image, ten images a case."""
    image, case = number // 4, number // 40
    return Payload(
        collection=collection_id(collection),
        image=str(uuid.UUID(int=((image + 7) * SCRAMBLE & (1 << 64) - 1) << 64)),
        case=f"C{case}",
        slide=f"S{case}-{image % 3}",
        stain=("HE", "PAS", "IHC Ki-67", "trichrome", "silver")[image % 5],
        organ=f"organ {case % 30}",
        tags=(f"tag {image % 50}", f"tag {50 + case % 20}"),
        width_px=448 + image % 2000,
        height_px=448 + image % 1500,
        mpp_nm=(250, 500, 1000)[case % 3],
        taken_at=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=case % 40_000),
        added_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=image),
        has_caption=image % 3 == 0,
    )


# --- making it -----------------------------------------------------------------------------------------------------------


def make(folder: Path, *, points: int, queries: int, seed: int = 0) -> None:
    """Writes vectors, collections, scopes, questions and exact answers into the folder."""
    rng = np.random.default_rng(seed)
    space = _Space(rng)
    rows = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(points, DIM))
    collections = np.empty(points, np.int16)
    for start in range(0, points, BLOCK):
        clusters = rng.choice(CLUSTERS, size=min(BLOCK, points - start), p=space.weights)
        rows[start : start + BLOCK] = space.members(clusters)
        collections[start : start + BLOCK] = space.collections_of(clusters)
    rows.flush()
    np.save(folder / "collections.npy", collections)
    np.save(folder / "queries.npy", space.questions(queries))
    (folder / "scopes.json").write_text(json.dumps(_scopes(collections, rng)))
    for share, truth in exact_answers(Archive(folder)):
        np.save(folder / f"truth-{share}.npy", truth)


class _Space:
    """Cluster centres and how points lie around them."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._centres = _unit(rng.standard_normal((CLUSTERS, DIM), np.float32) + 1.0)  # a shared direction: a cone
        basis = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
        spectrum = (1.0 + np.arange(DIM)) ** -DECAY
        self._noise = (basis * (SPREAD * spectrum / np.linalg.norm(spectrum))[:, None]).astype(np.float32)
        sizes = rng.lognormal(0.0, 1.0, CLUSTERS)
        self.weights = sizes / sizes.sum()
        self._own = rng.integers(0, COLLECTIONS, (CLUSTERS, 5))

    def members(self, clusters: Ints) -> Floats:
        return self._around(self._centres[clusters])

    def _around(self, middles: Floats) -> Floats:
        return _unit(middles + self._rng.standard_normal(middles.shape, np.float32) @ self._noise)

    def collections_of(self, clusters: Ints) -> NDArray[np.int16]:
        own = self._own[clusters, self._rng.integers(0, 5, len(clusters))]
        anywhere = self._rng.integers(0, COLLECTIONS, len(clusters))
        return np.where(self._rng.random(len(clusters)) < 0.5, own, anywhere).astype(np.int16)

    def questions(self, n: int) -> Floats:
        images = self.members(self._rng.choice(CLUSTERS, size=n - n // 2, p=self.weights))
        pairs = self._rng.choice(CLUSTERS, size=(n // 2, 2), p=self.weights)
        between = self._around(_unit(self._centres[pairs].sum(axis=1)))
        mixed = np.concatenate([images, between])
        return mixed[self._rng.permutation(n)]


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _scopes(collections: NDArray[np.int16], rng: np.random.Generator) -> dict[int, list[int]]:
    order = rng.permutation(COLLECTIONS)
    kept = np.cumsum(np.bincount(collections, minlength=COLLECTIONS)[order]) / len(collections)
    return {share: [int(one) for one in order[: 1 + int(np.argmin(np.abs(kept - share / 100)))]] for share in SHARES}


def exact_answers(archive: Archive) -> Iterator[tuple[int, Ints]]:
    """Per share: the ten nearest by float32 products over all points in scope."""
    masks = {share: archive.mask(share) for share in SHARES}
    best = {
        share: (np.empty((len(archive.queries), 0), np.float32), np.empty((len(archive.queries), 0), np.int64))
        for share in SHARES
    }
    for start in range(0, len(archive.vectors), BLOCK):
        scores = archive.queries @ archive.vectors[start : start + BLOCK].T
        for share, mask in masks.items():
            inside = np.flatnonzero(mask[start : start + BLOCK])
            best[share] = _merged(*best[share], scores[:, inside], inside + start)
    for share in SHARES:
        yield share, best[share][1]


def _merged(scores: Floats, numbers: Ints, more: Floats, names: Ints) -> tuple[Floats, Ints]:
    everything = np.concatenate([scores, more], axis=1)
    named = np.concatenate([numbers, np.broadcast_to(names, more.shape)], axis=1)
    order = np.argsort(-everything, axis=1)[:, :TOP]
    return np.take_along_axis(everything, order, 1), np.take_along_axis(named, order, 1)


if __name__ == "__main__":
    make(Path(sys.argv[1]), points=int(sys.argv[2]), queries=int(sys.argv[3]))
