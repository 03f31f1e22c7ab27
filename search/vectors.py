"""The gate every vector passes before an engine sees it: checked here, never repaired.

Both engines accept NaN and rank it above every finite score (qdrant issue 9201), so nothing may come past this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search.errors import BadVector
from search.types import Array

UNIT_TOLERANCE = 1e-3  # of the length: float16 storage moves it by less than 1e-4
SMALLEST_SUM = 1e-3  # a weighted sum shorter than this points nowhere


def checked_rows(rows: Array, *, dim: int) -> Array:
    """float32 [n, dim], finite unit rows, unchanged. Raises BadVector naming the first row at fault."""
    _require_float32(rows, (len(rows), dim))
    lengths = np.linalg.norm(rows, axis=1)
    wrong = ~(np.abs(lengths - 1.0) <= UNIT_TOLERANCE)  # written so that NaN and infinity are wrong too
    if wrong.any():
        first = int(np.argmax(wrong))
        raise BadVector(f"the index takes finite unit vectors: vector {first} of {len(rows)} has length {lengths[first]}")
    return rows


def checked(vector: Array, *, dim: int) -> Array:
    """float32 [dim], finite, unit length, unchanged. Raises BadVector."""
    _require_float32(vector, (dim,))
    checked_rows(vector[None], dim=dim)
    return vector


def checked_stack(vectors: Sequence[Array], *, dim: int) -> Array:
    """n vectors -> float32 [n, dim], finite unit rows. Raises BadVector."""
    for vector in vectors:
        _require_float32(vector, (dim,))
    return checked_rows(np.stack(vectors), dim=dim) if vectors else np.empty((0, dim), np.float32)


def direction_of(weighted_sum: Array) -> Array:
    """The unit vector along a sum of unit vectors: a new query, not a repaired one. Raises BadVector where they cancel out."""
    length = float(np.linalg.norm(weighted_sum))
    if not length > SMALLEST_SUM:
        raise BadVector("the parts of this query cancel each other out: nothing is left to search for")
    unit: Array = (weighted_sum / length).astype(np.float32)
    return unit


def _require_float32(given: object, shape: tuple[int, ...]) -> None:
    """Callers come from untyped code too: a list or a float64 array would be stored as something else, silently."""
    if not isinstance(given, np.ndarray):
        raise BadVector(f"the index takes numpy vectors, not {type(given).__name__}")
    if given.dtype != np.float32 or given.shape != shape:
        raise BadVector(f"the index takes float32 vectors of length {shape[-1]}, not {given.dtype} of shape {given.shape}")
