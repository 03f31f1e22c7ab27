"""RGB image -> the pixels a vision tower sees.

The reference pipeline resizes the short side to the model's side (bicubic, antialiased), then crops the centre square. That order
makes a long thin image cost gigabytes, although most of what it computes is cropped away. Here an ordinary image takes the
same way, and one whose resized picture would be large computes only the rows and columns of the square, to the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PREPROCESSING = "bicubic-short-side-centre-crop-v1"  # part of the fingerprint: change it when a pixel would change
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)

MAX_RESIZED_BYTES = 32 * 2**20  # both passes of Pillow's resize at 4 bytes a pixel; more goes the windowed way

_PRECISION_BITS = 32 - 8 - 2  # Pillow keeps filter weights as integers of this many fractional bits
_BICUBIC_A = -0.5
_BICUBIC_SUPPORT = 2.0


def to_square(image: Image.Image, side_px: int) -> NDArray[np.uint8]:
    """Upright RGB or grey image of any size -> uint8 [side_px, side_px, 3], the reference's pixels exactly.

    Raises ValueError for other modes: those must be decoded by open_rgb first, where their meaning is known.
    """
    if image.mode not in ("RGB", "L"):
        raise ValueError(f"expected an RGB or grey image, got mode {image.mode}: open it with embedder.open_rgb")
    width, height = resized_size(image.size, side_px)
    if 4 * width * (height + image.height) <= MAX_RESIZED_BYTES:
        square = _resize_then_crop(image, (width, height), side_px)
    else:
        square = _resize_window(image, (width, height), side_px)
    return square if square.ndim == 3 else np.repeat(square[:, :, None], 3, axis=2)


def visible_box(size: tuple[int, int], side_px: int) -> tuple[float, float, float, float]:
    """The part of an image of ``size`` that the model sees, as left, top, right, bottom in the image's own pixels."""
    resized = resized_size(size, side_px)
    edges = []
    for full, scaled in zip(size, resized, strict=True):
        first = crop_offset(scaled, side_px)
        edges.append((first * full / scaled, (first + side_px) * full / scaled))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


def to_batch(squares: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Squares -> uint8 [n, side, side, 3]."""
    return np.stack(list(squares))


def normalise(squares: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 [n, side, side, 3] -> float32 [n, 3, side, side], channel means and deviations of the model's training."""
    scaled = np.divide(squares, 255, dtype=np.float32)
    centred = np.subtract(scaled, MEAN, dtype=np.float32)
    pixels = np.divide(centred, STD, dtype=np.float32)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def resized_size(size: tuple[int, int], side_px: int) -> tuple[int, int]:
    """(width, height) after the short side became ``side_px``; the long side is truncated, as the reference does."""
    width, height = size
    if width <= height:
        return side_px, int(side_px * height / width)
    return int(side_px * width / height), side_px


def crop_offset(length: int, side_px: int) -> int:
    return round((length - side_px) / 2.0)


def _resize_then_crop(image: Image.Image, size: tuple[int, int], side_px: int) -> NDArray[np.uint8]:
    resized = image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)
    left, top = (crop_offset(length, side_px) for length in size)
    return np.asarray(resized.crop((left, top, left + side_px, top + side_px)))


def _resize_window(image: Image.Image, size: tuple[int, int], side_px: int) -> NDArray[np.uint8]:
    """Only the centre square of the resized picture, equal to Pillow's own result bit by bit.

    Pillow's `resize(box=…)` would come close, but it takes its box in single precision and so differs in a few pixels.
    """
    first_x, across = _window_weights(image.width, size[0], side_px)
    first_y, down = _window_weights(image.height, size[1], side_px)
    box = (first_x, first_y, first_x + across.shape[1], first_y + down.shape[1])
    source = np.asarray(image.crop(box))
    passes = [(across, 1), (down, 0)]
    if _columns_first(image.size, size):
        passes.reverse()
    for weights, axis in passes:  # each pass rounds to bytes, so their order shows
        source = _apply_weights(source, weights, axis=axis)
    return source


def _columns_first(source: tuple[int, int], target: tuple[int, int]) -> bool:
    """The order of Pillow's two passes for the long images that come here: a tall one that shrinks goes columns first."""
    return target[1] < source[1] and source[1] > 2 * source[0]


def _window_weights(source: int, target: int, side_px: int) -> tuple[int, NDArray[np.int64]]:
    """Filter weights for the ``side_px`` centre outputs of a 1-d resize from ``source`` to ``target`` samples.

    Returns the first source sample needed and int64 [side_px, samples] fixed-point weights over the samples from there.
    """
    scale = source / target
    reach = max(scale, 1.0)
    support = _BICUBIC_SUPPORT * reach
    centres = (np.arange(side_px) + crop_offset(target, side_px) + 0.5) * scale
    low = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centres + support + 0.5).astype(np.int64), source)
    first = int(low.min())
    samples = np.arange(first, int(high.max()))
    weights = _bicubic((samples[None, :] - centres[:, None] + 0.5) * (1.0 / reach))
    weights[(samples[None, :] < low[:, None]) | (samples[None, :] >= high[:, None])] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    fixed = weights * (1 << _PRECISION_BITS)
    return first, np.trunc(fixed + np.copysign(0.5, fixed)).astype(np.int64)


def _bicubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    a, x = _BICUBIC_A, np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1.0, near, np.where(x < _BICUBIC_SUPPORT, far, 0.0))


def _apply_weights(samples: NDArray[np.uint8], weights: NDArray[np.int64], *, axis: int) -> NDArray[np.uint8]:
    """Fixed-point weighted sums along ``axis``, a few outputs at a time so that memory stays bounded."""
    moved = np.moveaxis(samples, axis, 0)
    out = np.empty((len(weights), *moved.shape[1:]), np.uint8)
    for index, row in enumerate(weights):
        used = np.flatnonzero(row)
        window = moved[used[0] : used[-1] + 1].astype(np.int64)
        total = np.tensordot(row[used[0] : used[-1] + 1], window, axes=1) + (1 << (_PRECISION_BITS - 1))
        out[index] = np.clip(total >> _PRECISION_BITS, 0, 255)
    return np.moveaxis(out, 0, axis)
