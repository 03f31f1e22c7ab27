"""Is this hit better than chance, for this query, among what this caller may see?

A cosine means nothing by itself: a text scores lower with every image than another image does, and "tissue" scores high with
all of them. So each query is compared with a fixed random sample of the vectors in the caller's scope, and of no others: a
score's band tells nothing about hidden collections.

The sample's lower half is taken as background (what fits the query lies in the upper one) and gives its centre and spread; a
hit's band follows from how many spreads it lies above the centre. Both are measured on Fisher's z = artanh(cosine), not on the
cosine: near 1 cosines crowd, so that under a wide background even the best hit would stay a few spreads away. Measured by
benchmarks/calibration.py. Ids are UUIDs made at random or by hashing, so the first
points in the order of their ids are a random sample, and the same one at every call.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import numpy as np

from search.contract import VectorIndex
from search.types import Array, Scope
from search.vectors import checked

Kind = Literal["text", "image"]
Band = Literal["strong", "likely", "weak", "background", "unknown"]

SAMPLE = 2_000  # vectors; fewer in scope: bands are marked as unreliable
SMALLEST_SAMPLE = 200  # below it no band is given at all
KEPT_SAMPLES = 64  # scopes; 4 MB each
SAMPLE_AGE_S = 600.0  # an index grows: a sample is drawn again after this time
CENTRE_TO_LOWER = 15.87  # the percentile one standard deviation below the centre of a normal distribution
HIGHEST = 1 - 1e-6  # a copy of the query itself has no finite z


def fisher(cosines: Array | float) -> Array:
    """artanh, of what rounding may have put beyond 1 too."""
    z: Array = np.arctanh(np.clip(cosines, -HIGHEST, HIGHEST))
    return z


@dataclass(frozen=True)
class Bands:
    """Spreads above the background's centre from which a hit is weak, likely or strong."""

    weak: float
    likely: float
    strong: float


# Image queries spread wider: neighbours share scanner, stain and slide besides what they show.
BANDS: dict[Kind, Bands] = {"text": Bands(2.0, 3.0, 4.0), "image": Bands(2.5, 3.5, 5.0)}


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a score means for one query in one scope. ``centre`` and ``spread`` of the background are in Fisher's z.

    ``sample_size``: vectors compared with; ``reliable``: at least 2,000 of them. ``background_line``: the score from which a hit
    stands out; None where the archive is too small to say.
    """

    kind: Kind
    sample_size: int
    reliable: bool
    centre: float | None
    spread: float | None
    background_line: float | None
    _sorted: Array

    def percentile(self, score: float) -> float | None:
        """Share of the sample that scores lower, in per cent; never 100, since only ``sample_size`` vectors were looked at."""
        if self.centre is None:
            return None
        below = int(np.searchsorted(self._sorted, score, side="left"))
        return 100.0 * min(below, self.sample_size - 1) / self.sample_size

    def band(self, score: float) -> Band:
        if self.centre is None or self.spread is None:
            return "unknown"
        bands, height = BANDS[self.kind], (float(fisher(score)) - self.centre) / self.spread
        if height < bands.weak:
            return "background"
        if height < bands.likely:
            return "weak"
        return "likely" if height < bands.strong else "strong"


class Calibrator:
    """Calibrations over one index. Samples are kept per index version and scope; safe to call from several threads."""

    def __init__(self, index: VectorIndex, *, sample: int = SAMPLE, clock: Callable[[], float] = monotonic) -> None:
        self._index = index
        self._sample_size = sample
        self._clock = clock
        self._lock = threading.Lock()
        self._samples: OrderedDict[tuple[str, Scope], tuple[float, Array]] = OrderedDict()

    def calibrate(self, vector: Array, *, scope: Scope, kind: Kind) -> Calibration:
        """For a query vector float32 [dim], unit. Raises BadVector and what the index raises."""
        checked(vector, dim=int(np.size(vector)))
        sample = self._sample(scope)
        return calibration_of(sample @ vector if len(sample) else np.empty(0, np.float32), kind=kind)

    def _sample(self, scope: Scope) -> Array:
        if scope.is_empty:
            return np.empty((0, 0), np.float32)
        key = (self._index.version_name(), scope)
        with self._lock:
            kept = self._samples.get(key)
        if kept is not None and self._clock() - kept[0] < SAMPLE_AGE_S:
            return kept[1]
        sample = self._drawn(scope)
        with self._lock:
            self._samples[key] = (self._clock(), sample)
            self._samples.move_to_end(key)
            while len(self._samples) > KEPT_SAMPLES:
                self._samples.popitem(last=False)
        return sample

    def _drawn(self, scope: Scope) -> Array:
        points = self._index.scroll(scope=scope, size=self._sample_size, vectors=True).points
        return np.stack([point.vector for point in points]) if points else np.empty((0, 0), np.float32)


def calibration_of(scores: Array, *, kind: Kind) -> Calibration:
    """From a query's cosines with the sample, float32 [n]."""
    ordered = np.sort(scores)
    if len(ordered) < SMALLEST_SAMPLE:
        return Calibration(kind, len(ordered), False, None, None, None, ordered)
    lower, centre = (float(z) for z in np.percentile(fisher(ordered), [CENTRE_TO_LOWER, 50.0]))
    spread = max(centre - lower, 1e-6)  # an archive of copies of one image has none
    line = float(np.tanh(centre + BANDS[kind].weak * spread))
    return Calibration(kind, len(ordered), len(ordered) >= SAMPLE, centre, spread, line, ordered)
