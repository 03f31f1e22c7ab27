"""Every golden entry, with 800 MB of synthetic weights: is our network CONCH's network?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from embedder import load_encoder
from embedder.encoder import ConchEncoder
from embedder.model import CONCH
from embedder.preprocess import normalise, to_square
from embedder.weights import load_towers
from tests.embedder.conftest import GOLDEN, GOLDEN_IMAGES

pytestmark = [pytest.mark.fullsize, pytest.mark.xdist_group("fullsize")]
TOLERANCE = 2e-5


class StoredTokens:
    """Stands for the tokenizer, whose file may not be part of this repository."""

    sha256 = "0" * 64
    context_length = 127

    def __call__(self, prompts):
        raise NotImplementedError("these tests feed tokens")

    def cut_text(self, prompt):
        return ""


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    return [Image.open(GOLDEN / f"{name}.png").copy() for name in GOLDEN_IMAGES]


@pytest.fixture(scope="module")
def encoder(synthetic) -> ConchEncoder:
    return build(synthetic, torch.float32)


def build(synthetic, dtype) -> ConchEncoder:
    towers = load_towers(released(synthetic.state_dict(seed=0)), CONCH)
    cpu = torch.device("cpu")
    return ConchEncoder(towers, StoredTokens(), name="conch", weights_sha256="0" * 64, device=cpu, dtype=dtype)


def released(state):
    return {name: t for name, t in state.items() if "caption" not in name}


def assert_near(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


def test_trunk_tokens_equal_the_reference(encoder, golden, images):
    pixels = torch.from_numpy(normalise(np.stack([to_square(image, 448) for image in images])))
    with torch.inference_mode():
        tokens = encoder._towers.visual.tokens(pixels)[:, :4]
    assert_near(tokens.numpy(), golden["trunk_tokens_head"])


def test_image_vectors_equal_the_reference_in_every_space(encoder, golden, images):
    search, probe = encoder.encode_images(images, space="both")
    assert_near(search, golden["image_proj1_norm1"])
    assert_near(probe, golden["image_proj0_norm0"])
    assert_near(probe / np.linalg.norm(probe, axis=1, keepdims=True), golden["image_proj0_norm1"])
    with torch.inference_mode():
        unnormalised = encoder._towers.visual.project(torch.from_numpy(probe)).numpy()
    assert_near(unnormalised, golden["image_proj1_norm0"])


def test_text_vectors_equal_the_reference(encoder, golden):
    assert_near(encoder.encode_tokens(golden["tokens"].astype(np.int64)), golden["text_norm1"])


def test_text_vectors_before_normalisation_equal_the_reference(encoder, golden):
    with torch.inference_mode():
        vectors = encoder._towers.text(torch.from_numpy(golden["tokens"].astype(np.int64)))
    assert_near(vectors.numpy(), golden["text_norm0"])


def test_each_prompt_alone_equals_the_mixed_batch(encoder, golden):
    tokens = golden["tokens"].astype(np.int64)
    alone = np.concatenate([encoder.encode_tokens(tokens[i : i + 1]) for i in range(len(tokens))])
    assert_near(alone, golden["text_norm1"])


def test_temperature_and_similarity_equal_the_reference(encoder, golden, images):
    assert encoder.logit_scale == pytest.approx(float(golden["logit_scale"]), rel=1e-6)
    texts = encoder.encode_tokens(golden["tokens"].astype(np.int64))
    scale = encoder.logit_scale if np.abs(golden["similarity"]).max() > 1.001 else 1.0
    assert_near(scale * encoder.encode_images(images) @ texts.T / scale, golden["similarity"] / scale)


def test_vectors_do_not_depend_on_the_batch(encoder, images):
    rows = (images * 2)[:7]
    together = encoder.encode_images(rows)
    singly = np.concatenate([encoder.encode_images([image]) for image in rows])
    np.testing.assert_allclose(together, singly, rtol=0, atol=1e-5)


def test_every_row_has_unit_length(encoder, golden, images):
    rows = np.concatenate([encoder.encode_images(images), encoder.encode_tokens(golden["tokens"].astype(np.int64))])
    np.testing.assert_allclose(np.linalg.norm(rows.astype(np.float64), axis=1), 1.0, rtol=0, atol=1e-6)


def test_threads_get_the_same_vectors(encoder, golden):
    tokens = golden["tokens"].astype(np.int64)
    with ThreadPoolExecutor(4) as threads:
        for vectors in threads.map(lambda _: encoder.encode_tokens(tokens), range(8)):
            assert_near(vectors, golden["text_norm1"])


def test_stored_probe_vectors_project_to_the_search_vectors(encoder, golden):
    assert_near(encoder.project(golden["image_proj0_norm0"]), golden["image_proj1_norm1"])


def test_bfloat16_keeps_the_direction_of_every_golden_image(synthetic, golden, images):
    reduced = build(synthetic, torch.bfloat16)
    cosine = (reduced.encode_images(images) * golden["image_proj1_norm1"]).sum(axis=1)
    assert cosine.min() >= 0.9995
    assert reduced.spec.precision == "bfloat16"


def test_a_released_file_loads_by_the_surface_and_reads_words(synthetic, conch_tokenizer, golden, tmp_path):
    path = tmp_path / "pytorch_model.bin"
    torch.save(synthetic.state_dict(seed=0), path)
    encoder = load_encoder("conch", weights=path, tokenizer=conch_tokenizer, device="cpu", dtype="float32")
    assert_near(encoder.encode_texts([str(text) for text in golden["texts"]]), golden["text_norm1"])
    path.unlink()  # 800 MB
