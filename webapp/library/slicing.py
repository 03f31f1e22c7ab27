"""Rows in handfuls: databases and engines take only so many ids at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 500


def slices(rows: Iterable[T], size: int = AT_ONCE) -> Iterator[list[T]]:
    ordered = list(rows)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
