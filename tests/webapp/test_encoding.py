"""Queries become vectors here or by a worker; whoever waits is told what is the matter."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from celery import current_app
from django.core.cache import cache
from kombu import exceptions as kombu_errors

from embedder import errors, load_encoder
from embedder.fake import FakeEncoder
from tests.webapp.conftest import picture
from webapp import wiring
from webapp.explore import encoding, pictures, tasks, warmup
from webapp.explore.encoding import PictureRefused, encode_query, encoder_state
from webapp.explore.models import QueryPicture
from webapp.library.models import KnownEncoder
from webapp.outages import Outage

FAKE = load_encoder("fake")
PRINT = FAKE.spec.fingerprint


@pytest.fixture(autouse=True)
def cold():
    """Nothing is loaded yet."""
    warmup.forget()
    yield
    warmup.forget()


@pytest.fixture
def counting(monkeypatch):
    """How many texts the encoder was asked for."""
    asked: list[str] = []

    class Counting(FakeEncoder):
        def encode_texts(self, prompts):
            asked.extend(prompts)
            return super().encode_texts(prompts)

    monkeypatch.setattr(wiring, "get_encoder", Counting)
    warmup.ready_encoder(timeout_s=10)
    asked.clear()
    return asked


@pytest.fixture
def by_queue(settings, monkeypatch):
    """Production: no encoder here; what is sent to the queue is kept, and done by hand."""
    settings.ENCODE_QUERIES_HERE = False
    settings.QUERY_TIMEOUT_S = 0.3
    sent: list[tuple[str, object]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, arguments, **options: sent.append((name, arguments)))
    return sent


def failing(monkeypatch, error: Exception) -> None:
    def get_encoder():
        raise error

    monkeypatch.setattr(wiring, "get_encoder", get_encoder)


def test_a_text_has_the_encoders_vector():
    encoded = encode_query(["brown nuclei"], fingerprint=PRINT)[0]
    np.testing.assert_allclose(encoded.vector, FAKE.encode_texts(["brown nuclei"])[0], atol=1e-7)
    assert encoded.vector.dtype == np.float32


def test_a_text_asked_again_is_not_encoded_again(counting):
    encode_query(["brown  nuclei"], fingerprint=PRINT)
    encode_query(["Brown nuclei "], fingerprint=PRINT)
    assert counting == ["brown nuclei"]


def test_texts_keep_their_order(counting):
    encode_query(["blue"], fingerprint=PRINT)
    vectors = [encoded.vector for encoded in encode_query(["red", "blue", "pink"], fingerprint=PRINT)]
    np.testing.assert_allclose(np.stack(vectors), FAKE.encode_texts(["red", "blue", "pink"]), atol=1e-7)
    assert counting == ["blue", "red", "pink"]


@pytest.mark.django_db
def test_another_fingerprint_is_never_answered_with_this_encoders_vector():
    encode_query(["red"], fingerprint=PRINT)
    with pytest.raises(Outage) as out:
        encode_query(["red"], fingerprint="another")
    assert "re-indexed" in out.value.what


@pytest.mark.django_db
def test_the_former_encoder_answers_while_its_index_does(monkeypatch, settings):
    former = FakeEncoder()
    former.spec = replace(FAKE.spec, name="former")
    KnownEncoder.objects.create(fingerprint=former.spec.fingerprint, name="mini", dim=512)
    monkeypatch.setattr(wiring, "load_named", {"mini": former, "fake": FAKE}.get)
    assert encoding.wanted_encoder(former.spec.fingerprint) is former
    assert encoding.wanted_encoder(PRINT) is FAKE
    assert "mini" not in warmup._LOADING  # its memory is free again


def test_a_loading_encoder_is_an_outage_and_not_a_wait_for_ever(settings, monkeypatch):
    settings.QUERY_TIMEOUT_S = 0.05
    go_on = threading.Event()
    monkeypatch.setattr(wiring, "get_encoder", lambda: go_on.wait(10) and FAKE)
    assert encoder_state() == "loading"
    with pytest.raises(Outage) as out:
        encode_query(["red"], fingerprint=PRINT)
    assert "starting" in out.value.what
    go_on.set()
    warmup.warm_up().result(10)
    assert encoder_state() == "ready"


def test_an_encoder_that_breaks_in_an_unforeseen_way_is_an_outage_too(monkeypatch):
    failing(monkeypatch, RuntimeError("CUDA error"))
    with pytest.raises(Outage) as out:
        encode_query(["red"], fingerprint=PRINT)
    assert out.value.detail == "The server's log says why."


def test_an_encoder_that_cannot_be_loaded_says_why(monkeypatch):
    failing(monkeypatch, errors.WeightsNotFound("There are no weights."))
    with pytest.raises(Outage) as out:
        encode_query(["red"], fingerprint=PRINT)
    assert out.value.detail == "There are no weights."
    assert encoder_state() == "failed: weights_not_found"


def test_the_index_answers_while_the_encoder_loads(monkeypatch):
    started, go_on = threading.Event(), threading.Event()

    def slow(*arguments, **options):
        started.set()
        go_on.wait(10)
        return FAKE

    monkeypatch.setattr(wiring, "load_encoder", slow)
    loading = warmup.warm_up()
    assert started.wait(10)
    wiring.get_image_index()
    assert not loading.done()
    go_on.set()
    loading.result(10)


# --- by the queue -----------------------------------------------------------------------------------------------------


def test_a_worker_answers_through_the_cache(by_queue, monkeypatch):
    def answer_at_once(name, arguments, **options):
        tasks.encode_texts(*arguments)

    monkeypatch.setattr(current_app, "send_task", answer_at_once)
    encoded = encode_query(["red"], fingerprint=PRINT)[0]
    np.testing.assert_allclose(encoded.vector, FAKE.encode_texts(["red"])[0], atol=1e-7)


def test_no_worker_is_an_outage_after_the_timeout(by_queue):
    with pytest.raises(Outage) as out:
        encode_query(["red"], fingerprint=PRINT)
    assert "too long" in out.value.what
    assert [name for name, _ in by_queue] == ["webapp.explore.tasks.encode_texts"]


@pytest.mark.django_db
def test_a_worker_with_another_encoder_says_so(by_queue, monkeypatch):
    monkeypatch.setattr(current_app, "send_task", lambda name, arguments, **options: tasks.encode_texts(*arguments))
    with pytest.raises(Outage) as out:
        encode_query(["red"], fingerprint="another")
    assert "re-indexed" in out.value.detail


def test_a_broker_that_is_away_is_an_outage(by_queue, monkeypatch):
    def away(*arguments, **options):
        raise kombu_errors.OperationalError("refused")

    monkeypatch.setattr(current_app, "send_task", away)
    with pytest.raises(Outage) as out:
        encode_query(["red"], fingerprint=PRINT)
    assert "queue" in out.value.what


def test_a_question_that_a_worker_cannot_encode_fails_alone(by_queue, monkeypatch):
    class Failing(FakeEncoder):
        def encode_texts(self, prompts):
            if "bad" in prompts:
                raise errors.DeviceError("no memory for this one")
            return super().encode_texts(prompts)

    monkeypatch.setattr(wiring, "get_encoder", Failing)
    monkeypatch.setattr(current_app, "send_task", lambda name, arguments, **options: tasks.encode_texts(*arguments))
    with pytest.raises(Outage) as out:
        encode_query(["bad"], fingerprint=PRINT)
    assert "cannot be encoded" in out.value.what
    assert encode_query(["good"], fingerprint=PRINT)[0].vector.shape == (512,)


def test_silent_workers_are_a_failure_and_a_worker_that_speaks_is_believed(by_queue):
    assert encoder_state() == "failed: no query worker answers"
    warmup.ready_encoder(timeout_s=10)
    tasks.tell_encoder_state()
    assert encoder_state() == "ready"


def test_a_query_worker_tells_how_it_is_from_its_start_on(by_queue, monkeypatch):
    loaded = threading.Event()

    class Slow(FakeEncoder):
        def encode_texts(self, prompts):
            loaded.wait(10)
            return super().encode_texts(prompts)

    monkeypatch.setattr(wiring, "get_encoder", Slow)
    tasks.begin_answering()
    assert encoder_state() == "loading"
    loaded.set()
    warmup.ready_encoder(timeout_s=10)
    until = time.monotonic() + 10
    while encoder_state() != "ready" and time.monotonic() < until:  # told right after those who wait have been woken
        time.sleep(0.01)
    assert encoder_state() == "ready"


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_query_picture_is_kept_as_vector_and_thumbnail(alice):
    kept = pictures.remember(picture("brown", size=(900, 600)), user=alice, fingerprint=PRINT)
    assert pictures.vector_of(kept, fingerprint=PRINT).shape == (512,)
    assert bytes(kept.thumbnail or b"").startswith(b"\xff\xd8\xff")


@pytest.mark.django_db
def test_a_picture_read_by_another_encoder_has_to_be_chosen_again(alice):
    kept = pictures.remember(picture("brown"), user=alice, fingerprint=PRINT)
    with pytest.raises(PictureRefused) as refused:
        pictures.vector_of(kept, fingerprint="another")
    assert refused.value.reason == "picture_outdated"


@pytest.mark.django_db
def test_a_worker_reads_the_picture_and_its_file_goes(alice, by_queue, monkeypatch, data_folder):
    monkeypatch.setattr(current_app, "send_task", lambda name, arguments, **options: tasks.encode_picture(*arguments))
    kept = pictures.remember(picture("brown"), user=alice, fingerprint=PRINT)
    expected = encoding.encode_query_image(picture("brown"), fingerprint=PRINT)[0]
    np.testing.assert_allclose(pictures.vector_of(kept, fingerprint=PRINT), expected, atol=1e-7)
    assert list((data_folder / "queries").iterdir()) == []


@pytest.mark.django_db
def test_a_worker_that_cannot_read_the_picture_says_why_and_no_row_is_left(alice, by_queue, monkeypatch):
    monkeypatch.setattr(current_app, "send_task", lambda name, arguments, **options: tasks.encode_picture(*arguments))
    with pytest.raises(PictureRefused) as refused:
        pictures.remember(b"no picture", user=alice, fingerprint=PRINT)
    assert refused.value.reason == "unsupported_type"
    assert not QueryPicture.objects.exists()


@pytest.mark.django_db
def test_old_query_pictures_go_when_a_new_one_comes(alice, settings):
    old = pictures.remember(picture("red"), user=alice, fingerprint=PRINT)
    QueryPicture.objects.filter(pk=old.pk).update(made_at="2020-01-01T00:00Z")
    new = pictures.remember(picture("blue"), user=alice, fingerprint=PRINT)
    assert list(QueryPicture.objects.all()) == [new]


def test_the_cache_holds_plain_bytes_and_words():
    encode_query(["red"], fingerprint=PRINT)
    key = encoding._cache_key("red", PRINT)
    assert [type(part) for part in cache.get(key)] == [bytes, str]
