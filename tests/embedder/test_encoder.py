"""ConchEncoder around its towers: batches, memory that runs out, threads, order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from embedder import errors
from embedder.encoder import ConchEncoder
from tests.embedder import tiny

PROMPTS = ["fat", "mucin in a pool of it", "", "smooth muscle bundles cut lengthwise and across, with nuclei like cigars"] * 8


class Cramped(ConchEncoder):
    """Has room for ``room`` images at a time and says so as a GPU would."""

    room = 3
    asked: list[int]

    def _probe(self, pixels):
        if len(pixels) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.asked = [*getattr(self, "asked", []), len(pixels)]
        return super()._probe(pixels)


@pytest.mark.parametrize("size", [1, 7, 32])
def test_image_vectors_do_not_depend_on_the_batch(size):
    encoder, images = tiny.encoder(), tiny.pictures(32)
    together = encoder.encode_images(images)
    in_parts = np.concatenate([encoder.encode_images(images[a : a + size]) for a in range(0, 32, size)])
    np.testing.assert_allclose(in_parts, together, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [1, 7, 32])
def test_text_vectors_do_not_depend_on_the_batch(size):
    encoder = tiny.encoder()
    together = encoder.encode_texts(PROMPTS)
    in_parts = np.concatenate([encoder.encode_texts(PROMPTS[a : a + size]) for a in range(0, 32, size)])
    np.testing.assert_allclose(in_parts, together, rtol=0, atol=1e-5)


def test_a_batch_that_does_not_fit_is_halved_and_keeps_its_order():
    roomy, cramped, images = tiny.encoder(), tiny.encoder(kind=Cramped), tiny.pictures(21)
    np.testing.assert_allclose(cramped.encode_images(images), roomy.encode_images(images), rtol=0, atol=1e-5)
    assert max(cramped.asked) <= Cramped.room


def test_later_batches_begin_at_the_size_that_fitted():
    encoder = tiny.encoder(kind=Cramped)
    encoder.encode_images(tiny.pictures(16))
    assert encoder._images_per_batch <= Cramped.room


def test_one_image_too_many_for_the_device_is_a_device_error(monkeypatch):
    monkeypatch.setattr(Cramped, "room", 0)
    with pytest.raises(errors.DeviceError, match="too little memory"):
        tiny.encoder(kind=Cramped).encode_images(tiny.pictures(4))


def test_both_spaces_come_from_one_forward():
    encoder, images = tiny.encoder(kind=Cramped), tiny.pictures(2)
    search, probe = encoder.encode_images(images, space="both")
    assert encoder.asked == [2]
    np.testing.assert_allclose(encoder.project(probe), search, rtol=0, atol=1e-6)


def test_every_row_has_unit_length():
    encoder = tiny.encoder()
    rows = np.concatenate([encoder.encode_images(tiny.pictures(9)), encoder.encode_texts(PROMPTS)])
    np.testing.assert_allclose(np.linalg.norm(rows.astype(np.float64), axis=1), 1.0, rtol=0, atol=1e-6)


def test_no_input_gives_no_rows():
    encoder = tiny.encoder()
    assert encoder.encode_images([]).shape == (0, tiny.TINY.embed_dim)
    assert encoder.encode_texts([]).shape == (0, tiny.TINY.embed_dim)


def test_threads_get_the_same_vectors():
    encoder, images = tiny.encoder(), tiny.pictures(5)
    alone = encoder.encode_images(images)
    with ThreadPoolExecutor(4) as threads:
        for vectors in threads.map(lambda _: encoder.encode_images(images), range(12)):
            np.testing.assert_allclose(vectors, alone, rtol=0, atol=1e-6)


def test_an_image_that_was_not_decoded_to_rgb_is_refused():
    with pytest.raises(ValueError, match="open_rgb"):
        tiny.encoder().encode_images([Image.new("P", (40, 40))])


def test_the_fingerprint_tells_the_precision():
    exact, reduced = tiny.encoder(), tiny.encoder(dtype=torch.bfloat16)
    assert reduced.spec.precision == "bfloat16"
    assert exact.spec.fingerprint != reduced.spec.fingerprint
