"""Maximal marginal relevance: the next hit is good and unlike those already chosen.

Source: Carbonell and Goldstein 1998, doi:10.1145/290941.291025. The engines have their own for plain vector queries; this one
serves every query form, grouped or not, with the same result on both.
"""

from __future__ import annotations

import numpy as np

from search.types import Array

CANDIDATES_PER_HIT = 4
MOST_CANDIDATES = 256


def candidates_for(limit: int) -> int:
    """How many hits to choose ``limit`` diverse ones from."""
    return max(limit, min(CANDIDATES_PER_HIT * limit, MOST_CANDIDATES))


def diverse_order(scores: Array, vectors: Array, *, limit: int, diversity: float) -> list[int]:
    """Ranked candidates -> positions of ``limit`` of them, in the order they are chosen.

    ``scores`` float32 [n], ``vectors`` float32 [n, dim] unit rows; ``diversity`` 0 keeps the ranking, 1 ignores it.
    """
    if not 0.0 <= diversity <= 1.0:
        raise ValueError(f"diversity is between 0 and 1, not {diversity}")
    relevance = (1.0 - diversity) * scores
    nearest_chosen = np.zeros(len(scores), np.float32)  # cosine to the most similar hit chosen so far
    open_ones = np.ones(len(scores), bool)
    chosen: list[int] = []
    for _ in range(min(limit, len(scores))):
        value = np.where(open_ones, relevance - diversity * nearest_chosen, -np.inf)
        best = int(np.argmax(value))
        chosen.append(best)
        open_ones[best] = False
        nearest_chosen = np.maximum(nearest_chosen, vectors @ vectors[best]) if len(chosen) > 1 else vectors @ vectors[best]
    return chosen
