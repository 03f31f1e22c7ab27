"""Several wishes -> one direction: a weighted sum of unit vectors, made a unit vector again, so that scores stay cosines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from webapp.explore.asking import BadQuery
from webapp.explore.encoding import Array

Part = tuple[float, Array]  # weight, vector

DISLIKED = 0.5  # disliked images push with half the weight that liked ones pull with
SHORTEST = 1e-3  # of a sum of unit vectors: what is shorter points nowhere in particular


def unit_sum(parts: Sequence[Part]) -> Array:
    """Parts with vectors float32 [dim] -> float32 [dim], unit. Raises BadQuery where they cancel each other out."""
    total = np.sum([np.float32(weight) * vector for weight, vector in parts], axis=0)
    length = float(np.linalg.norm(total))
    if length < SHORTEST:
        raise BadQuery("cancels_out", "These wishes cancel each other out: take one of them away, or change a weight.")
    direction: Array = (total / length).astype(np.float32)
    return direction


def judged_parts(liked: Sequence[Array], disliked: Sequence[Array]) -> list[Part]:
    """The mean of the liked vectors pulls, that of the disliked ones pushes with half the weight."""
    means = [(1.0, liked), (-DISLIKED, disliked)]
    return [(weight, np.mean(vectors, axis=0)) for weight, vectors in means if vectors]
