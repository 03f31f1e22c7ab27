"""Which tiles show the same picture, and which of them are held out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from PIL import Image


def joined(count: int, links: Iterable[tuple[int, Hashable]]) -> list[int]:
    """Group number of each of ``count`` items, where items that share any link value are one group (union-find)."""
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]  # halves the path, so that long chains stay cheap
            item = parent[item]
        return item

    first: dict[Hashable, int] = {}
    for item, value in links:
        parent[root(item)] = root(first.setdefault(value, item))
    return [root(item) for item in range(count)]


def difference_hash(image: Image.Image) -> int:
    """64 bits: is each of 8 × 8 cells brighter than its right neighbour? Survives recompression and resizing."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    bits = (grey[:, :-1] > grey[:, 1:]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def held_out(labels: Sequence[str], groups: Sequence[int], *, share: float = 0.2, seed: int = 0) -> list[bool]:
    """True for about ``share`` of each label's items. Whole groups fall on one side; the same arguments give the same split.

    A group whose items carry several labels counts for the most frequent one.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for item, group in enumerate(groups):
        members[group].append(item)
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for items in members.values():
        by_label[Counter(labels[item] for item in items).most_common(1)[0][0]].append(items)
    chosen = [False] * len(labels)
    for number, label in enumerate(sorted(by_label)):
        room = round(share * sum(map(len, by_label[label])))
        candidates = by_label[label]
        for index in np.random.default_rng([seed, number]).permutation(len(candidates)):
            items = candidates[index]
            if len(items) <= room:
                room -= len(items)
                for item in items:
                    chosen[item] = True
    return chosen
