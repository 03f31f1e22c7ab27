from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from embedder import Encoder, load_encoder


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("fake")


def colour(rgb: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (32, 32), rgb)


def test_it_honours_the_encoder_contract(encoder):
    assert isinstance(encoder, Encoder)


def test_rows_have_unit_length(encoder):
    rows = np.concatenate([encoder.encode_images([colour((9, 9, 9)), colour((255, 0, 0))]), encoder.encode_texts(["", "pink"])])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=0, atol=1e-6)


def test_a_colour_word_finds_the_field_of_that_colour(encoder):
    images = encoder.encode_images([colour((230, 150, 190)), colour((60, 80, 200)), colour((130, 80, 40))])
    scores = encoder.encode_texts(["pink field", "blue field", "brown field"]) @ images.T
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


def test_both_spaces_agree_with_project(encoder):
    search, probe = encoder.encode_images([colour((230, 150, 190))], space="both")
    np.testing.assert_allclose(encoder.project(probe), search, rtol=0, atol=1e-6)


def test_no_images_give_no_rows(encoder):
    assert encoder.encode_images([]).shape == (0, 512)
    assert encoder.encode_texts([]).shape == (0, 512)


def test_words_past_the_context_are_told(encoder):
    assert encoder.cut_text(" ".join(["a"] * 127 + ["necrosis"])) == "necrosis"


def test_it_runs_without_torch():
    code = "import sys, embedder; embedder.load_encoder('fake').encode_texts(['a']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
