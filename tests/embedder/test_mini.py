"""The encoder that ships with the code: small, itself, and able to tell drawn tissues apart."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from embedder import load_encoder
from embedder.mini import BUNDLED_WEIGHTS
from embedder.samples import TISSUES, draw_sample
from embedder.self_test import check_self_test
from embedder.training.data import FRESH_SEED
from embedder.training.export import MAX_BYTES, SELF_TEST, stored_self_test


@pytest.fixture(scope="module")
def mini():
    return load_encoder("mini", device="cpu")


def test_the_bundled_weights_are_small_enough_to_travel():
    assert BUNDLED_WEIGHTS.stat().st_size <= MAX_BYTES


def test_the_bundled_encoder_still_computes_its_stored_vectors(mini):
    assert check_self_test(mini, stored_self_test(BUNDLED_WEIGHTS.with_name(SELF_TEST))) < 1e-4


def test_vectors_have_conchs_length_so_that_everything_downstream_is_alike(mini):
    search, probe = mini.encode_images([Image.new("RGB", (60, 50), "pink")], space="both")
    assert search.shape == probe.shape == (1, 512)
    np.testing.assert_allclose(mini.project(probe), search, rtol=0, atol=1e-6)


def test_drawn_tissues_of_fresh_seeds_are_named(mini):
    samples = [draw_sample(tissue, seed=FRESH_SEED + 500 + n, side_px=128) for tissue in TISSUES for n in range(2)]
    names = [kind.label for kind in TISSUES.values()]
    scores = mini.encode_images([sample.image for sample in samples]) @ mini.encode_texts(names).T
    right = [names[best] == sample.label for best, sample in zip(scores.argmax(axis=1), samples, strict=True)]
    assert np.mean(right) >= 0.85


def test_brown_stained_nuclei_finds_dab_first(mini):
    samples = [draw_sample(tissue, seed=FRESH_SEED + 900, side_px=128) for tissue in TISSUES]
    scores = mini.encode_images([sample.image for sample in samples]) @ mini.encode_texts(["brown stained nuclei"])[0]
    assert "DAB" in samples[int(scores.argmax())].stain


def test_the_temperature_is_a_plain_number(mini):
    assert 1 < mini.logit_scale < 101
