"""A bar of parts, as a page draws it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEAST = 0.8  # per cent of the bar: a part that is there can be seen


@dataclass(frozen=True)
class Segment:
    """Of the bar, in per cent of its width."""

    state: str
    x: float
    width: float


def segments(parts: Mapping[str, int], *, of: int) -> list[Segment]:
    """State -> how many ``of`` all, in this order; what is nought has no segment. Raises no error for an empty whole."""
    shown = {state: max(LEAST, 100 * n / of) for state, n in parts.items() if n and of}
    shrink = min(1.0, 100 / sum(shown.values())) if shown else 1.0
    drawn, x = [], 0.0
    for state, width in shown.items():
        drawn.append(Segment(state, round(x, 2), round(width * shrink, 2)))
        x += width * shrink
    return drawn
