from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from embedder import preprocess
from embedder.preprocess import normalise, resized_size, to_square, visible_box
from tests.embedder.conftest import GOLDEN, GOLDEN_IMAGES


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Image.fromarray(np.random.default_rng(width * height).integers(0, 256, shape, np.uint8))


def reference(image: Image.Image, side_px: int) -> np.ndarray:
    """The plain way: resize everything, then crop."""
    size = resized_size(image.size, side_px)
    resized = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (round((length - side_px) / 2.0) for length in size)
    return np.asarray(resized.crop((left, top, left + side_px, top + side_px)).convert("RGB"))


@pytest.mark.parametrize("name", GOLDEN_IMAGES)
def test_pixels_equal_the_reference_pixels(name, golden):
    row = GOLDEN_IMAGES.index(name)
    with Image.open(GOLDEN / f"{name}.png") as image:
        pixels = normalise(to_square(image, 448)[None])[0]
    np.testing.assert_allclose(pixels[:, :8, :8], golden["pixels_corner"][row], rtol=0, atol=2e-6)
    np.testing.assert_allclose(pixels.mean(axis=(1, 2)), golden["pixels_mean"][row], rtol=0, atol=2e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 120), st.integers(3, 20), st.booleans(), st.sampled_from([16, 33, 128]), st.sampled_from(["RGB", "L"]))
def test_the_window_of_a_long_image_has_the_bits_of_the_whole_resize(short, aspect, tall, side_px, mode):
    image = noise(*((short, short * aspect + 1) if tall else (short * aspect + 1, short)), mode)
    window = preprocess._resize_window(image, resized_size(image.size, side_px), side_px)
    expected = reference(image, side_px)
    np.testing.assert_array_equal(window if window.ndim == 3 else np.repeat(window[..., None], 3, 2), expected)


@pytest.mark.parametrize("size", [(2000, 1500), (1500, 2000), (301, 6000), (5000, 260)])
def test_ordinary_and_long_fields_equal_the_reference(size):
    image = noise(*size)
    np.testing.assert_array_equal(to_square(image, 448), reference(image, 448))


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read the Linux way")
@pytest.mark.parametrize("size", [(1, 10000), (10000, 1)])
def test_a_line_of_pixels_costs_less_than_64_mib(size):
    code = f"""
import resource
from PIL import Image
from embedder.preprocess import to_square
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
to_square(Image.new("RGB", (500, 460)), 448)
before = peak()
to_square(Image.new("RGB", {size}, "red"), 448)
print(peak() - before)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert int(told.stdout) * 1024 < 64 * 2**20


def test_the_line_of_pixels_never_takes_pillows_full_resize(monkeypatch):
    monkeypatch.setattr(preprocess, "_resize_then_crop", None)
    assert to_square(noise(1, 10000), 448).shape == (448, 448, 3)


def test_a_mode_whose_meaning_is_unknown_is_refused():
    with pytest.raises(ValueError, match="open_rgb"):
        to_square(Image.new("I;16", (64, 64)), 448)


def test_the_visible_box_is_the_centre_square_in_the_images_own_pixels():
    assert visible_box((640, 480), 448) == pytest.approx((80, 0, 560, 480), abs=1)
