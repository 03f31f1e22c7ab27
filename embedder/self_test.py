"""Does this encoder still compute what it computed when its index was filled?

The inputs are made by arithmetic alone, so that every machine and every library version sees the same pixels and words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedder.errors import SelfTestFailed

if TYPE_CHECKING:
    from embedder.encoders import Encoder

PROMPTS = ("adipose tissue", "H&E image of lung adenocarcinoma", "Ki-67 immunohistochemistry, 30 % positive nuclei")
TOLERANCE = {
    "float32": 1e-4,
    "bfloat16": 2e-2,
}  # absolute, per component of a unit vector; other kernels round otherwise


class SelfTestVectors(NamedTuple):
    """``images`` float32 [2, dim] and ``texts`` float32 [3, dim], unit rows."""

    images: NDArray[np.float32]
    texts: NDArray[np.float32]


def self_test_images(side_px: int) -> list[Image.Image]:
    """Two square pictures with what a field has: smooth colour, edges and fine grain."""
    y, x = np.mgrid[0:side_px, 0:side_px] / side_px
    waves = np.stack([np.sin(9 * x + 4 * y), np.cos(7 * y - 3 * x), np.sin(23 * x * y)], axis=-1)
    cells = (((x * 17) % 1 - 0.5) ** 2 + ((y * 13) % 1 - 0.5) ** 2 < 0.06)[..., None]
    stained = np.where(cells, [0.35, 0.2, 0.55], [0.93, 0.76, 0.85])
    return [_picture(0.5 + 0.5 * waves), _picture(stained + 0.05 * waves)]


def _picture(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.round(np.clip(values, 0, 1) * 255).astype(np.uint8), "RGB")


def self_test_vectors(encoder: Encoder) -> SelfTestVectors:
    """What ``encoder`` makes of the self-test inputs; to be stored beside its fingerprint."""
    images = encoder.encode_images(self_test_images(encoder.spec.image_side_px))
    return SelfTestVectors(images, encoder.encode_texts(PROMPTS))


def check_self_test(encoder: Encoder, expected: SelfTestVectors) -> float:
    """The largest absolute difference to ``expected``. Raises SelfTestFailed where it is past the precision's tolerance."""
    actual = self_test_vectors(encoder)
    pairs = zip(actual, expected, strict=True)
    largest = max(float(np.abs(ours - stored).max()) for ours, stored in pairs)
    if not largest <= TOLERANCE[encoder.spec.precision]:  # also true for NaN
        raise SelfTestFailed(
            f"The encoder no longer computes the vectors stored for it (largest difference {largest:.2g}): "
            "its weights, libraries or device changed, and it must not write into the same index."
        )
    return largest
