"""Samples of any depth -> 8 bits, without saturating and with channels scaled together so that colours stay natural.

- 8-bit unsigned samples stay as they are; 1-bit becomes 0 and 255.
- 9 to 16-bit unsigned samples are divided by the largest value of their depth. The depth is the smallest of 8, 10, 12, 14
  and 16 bits that holds the picture's largest sample: 12-bit cameras write 16-bit files, which would come out nearly black.
- Floats inside 0…1 are multiplied by 255, floats inside 0…255 are kept.
- Everything else (signed, 32-bit, other floats) is stretched from its own smallest to its own largest finite sample.
- Samples that are not numbers become white, the colour of glass; a picture of one value that cannot be placed becomes mid-grey.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEPTHS = (8, 10, 12, 14, 16)
WHITE, MID_GREY = 255, 128
SLAB_SAMPLES = 1 << 22


def to_8_bit(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """An array of any real dtype and shape -> uint8 of the same shape."""
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(255)
    if samples.dtype == np.uint16:
        return divided(samples, _full_scale(int(samples.max(initial=0))))
    return _placed(samples)


def divided(samples: NDArray[Any], full_scale: int) -> NDArray[np.uint8]:
    """Unsigned samples with 0…full_scale spread over 0…255; larger ones, against their header, are white."""
    if full_scale == WHITE:
        return samples.astype(np.uint8)
    return _by_slabs(samples, lambda slab: np.minimum(np.round(slab * np.float32(255 / full_scale)), WHITE).astype(np.uint8))


def _by_slabs(samples: NDArray[Any], convert: Callable[[NDArray[Any]], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """A picture of 100 million 16-bit pixels would need gigabytes if it became floats all at once."""
    result = np.empty(samples.shape, np.uint8)
    for slab in _slabs(samples):
        result[slab] = convert(samples[slab])
    return result


def _slabs(samples: NDArray[Any]) -> Iterator[slice]:
    rows = max(1, SLAB_SAMPLES * len(samples) // max(1, samples.size))
    return (slice(start, start + rows) for start in range(0, len(samples), rows))


def _full_scale(largest: int) -> int:
    return next((1 << bits) - 1 for bits in DEPTHS if largest < 1 << bits)


def _placed(samples: NDArray[Any]) -> NDArray[np.uint8]:
    bounds = [_finite_bounds(samples[slab]) for slab in _slabs(samples)]
    low, high = min((low for low, _high in bounds), default=np.inf), max((high for _low, high in bounds), default=-np.inf)
    if low > high:
        return np.full(samples.shape, WHITE, np.uint8)
    return _by_slabs(samples, lambda slab: _finite_onto_bytes(slab.astype(np.float64), low, high))


def _finite_bounds(samples: NDArray[Any]) -> tuple[float, float]:
    """(inf, -inf) where no sample is a number."""
    finite = samples[np.isfinite(samples)].astype(np.float64)
    return float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))


def _finite_onto_bytes(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    finite = np.isfinite(values)
    scaled = _onto_bytes(np.where(finite, values, low), low, high)
    scaled[~finite] = WHITE
    return np.round(np.clip(scaled, 0, 255)).astype(np.uint8)


def _onto_bytes(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    if low >= 0 and high <= 1:
        return values * 255
    if low >= 0 and high <= WHITE:
        return values.copy()
    if low == high:
        return np.full(values.shape, float(MID_GREY))
    return (values - low) * (255 / (high - low))
