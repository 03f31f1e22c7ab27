"""Samples of any depth -> 8 bits, without saturating and with channels scaled together so that colours stay natural.

- 8-bit unsigned samples stay as they are; 1-bit becomes 0 and 255.
- 9 to 16-bit unsigned samples are divided by the largest value of their depth. The depth is the smallest of 8, 10, 12, 14
  and 16 bits that holds the picture's largest sample: 12-bit cameras write 16-bit files, which would come out nearly black.
- Floats inside 0…1 are multiplied by 255, floats inside 0…255 are kept.
- Everything else (signed, 32-bit, other floats) is stretched from its own smallest to its own largest finite sample.
- Samples that are not numbers become white, the colour of glass; a picture of one value that cannot be placed becomes mid-grey.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DEPTHS = (8, 10, 12, 14, 16)
WHITE, MID_GREY = 255, 128


def to_8_bit(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """An array of any real dtype and shape -> uint8 of the same shape."""
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(255)
    if samples.dtype == np.uint16:
        return _divided(samples, _full_scale(int(samples.max(initial=0))))
    return _placed(samples.astype(np.float64))


def _full_scale(largest: int) -> int:
    return next((1 << bits) - 1 for bits in DEPTHS if largest < 1 << bits)


def _divided(samples: NDArray[np.uint16], full_scale: int) -> NDArray[np.uint8]:
    if full_scale == WHITE:
        return samples.astype(np.uint8)
    return np.round(samples * np.float32(255 / full_scale)).astype(np.uint8)


def _placed(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    finite = np.isfinite(values)
    if not finite.any():
        return np.full(values.shape, WHITE, np.uint8)
    low, high = float(values[finite].min()), float(values[finite].max())
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
