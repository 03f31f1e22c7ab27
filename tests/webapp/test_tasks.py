"""Tasks end by themselves before their time limit does, and what is left over is another message's."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest
from kombu.exceptions import OperationalError

from tests.webapp.conftest import picture, stored
from tests.webapp.test_settings import PRODUCTION, started
from webapp.library import pipeline, sending, tasks
from webapp.library.models import Image, State

pytestmark = pytest.mark.django_db


@pytest.fixture
def messages(monkeypatch) -> list[tuple[str, tuple[object, ...]]]:
    """What is sent, and not done."""
    sent: list[tuple[str, tuple[object, ...]]] = []

    def note(task, *arguments, queue=None):
        sent.append((task.name.rpartition(".")[2], arguments))
        return True

    monkeypatch.setattr(sending, "hint", note)
    return sent


@pytest.fixture
def slow_clock(monkeypatch):
    """Every look at the clock finds it half a minute later."""
    ticks = count(0.0, tasks.DRAIN_S / 2)
    monkeypatch.setattr(tasks, "time", SimpleNamespace(monotonic=lambda: next(ticks)))


@pytest.fixture
def images(collection) -> list[Image]:
    return [stored(collection, picture("pink", seed=number), name=f"{number}.png") for number in range(5)]


def states() -> set[str]:
    return set(Image.objects.values_list("state", flat=True))


def test_a_long_list_is_decoded_in_parts(images, messages, slow_clock):
    tasks.prepare([str(image.pk) for image in images])
    decoded = list(Image.objects.filter(state=State.DECODED).values_list("pk", flat=True))
    assert len(decoded) == 2
    assert dict(messages) == {
        "prepare": ([str(image.pk) for image in images[2:]],),
        "embed": ([str(image.pk) for image in images[:2]],),
    }


def test_what_waits_is_decoded_in_parts(images, messages, slow_clock):
    tasks.prepare_waiting()
    assert [name for name, _ in messages] == ["prepare_waiting", "embed"]
    assert states() == {State.STORED, State.DECODED}


def test_embedding_goes_on_with_another_message(images, messages, slow_clock, monkeypatch):
    pipeline.prepare([image.pk for image in images])
    embed_one = pipeline.embed
    monkeypatch.setattr(pipeline, "embed", lambda ids: embed_one(ids, limit=1))
    tasks.embed([])
    assert [name for name, _ in messages] == ["embed", "find_near"]
    assert states() == {State.DECODED, State.READY}


def test_what_was_decoded_before_an_outage_is_told_the_encoder(images, messages, monkeypatch):
    prepare_one = pipeline.prepare

    def fail_later(ids):
        if Image.objects.filter(state=State.DECODED).count() == 2:
            raise OSError("the disk is gone")
        return prepare_one(ids)

    monkeypatch.setattr(pipeline, "prepare", fail_later)
    tasks.prepare([str(image.pk) for image in images])
    assert messages == [("embed", ([str(image.pk) for image in images[:2]],))]


def test_one_image_of_many_tiles_may_take_an_encoder_longer_than_other_work(settings):
    for task in (tasks.embed, tasks.embed_texts, tasks.settle):
        assert task.time_limit == tasks.ENCODING_S
    assert tasks.prepare.time_limit is None  # the site's own


def test_a_broker_that_did_not_answer_is_left_alone_for_a_while(monkeypatch):
    asked: list[object] = []

    def away(*_, **__):
        asked.append(1)
        raise OperationalError("away")

    monkeypatch.setattr(tasks.publish, "apply_async", away)
    now = 0.0
    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=lambda: now))
    assert [sending.hint(tasks.publish) for _ in range(3)] == [False] * 3
    assert len(asked) == 1
    now = sending.PAUSE_S
    sending.hint(tasks.publish)
    assert len(asked) == 2


def test_a_broker_that_is_away_holds_up_nobody_who_sends(tmp_path):
    send = "import time; from webapp.library import sending, tasks; start = time.monotonic(); told = sending.hint(tasks.publish)"
    away = PRODUCTION | {"REDIS_URL": "redis://127.0.0.1:1/0"}
    ended = started(tmp_path, "shell", "--no-imports", "-c", f"{send}; print(told, time.monotonic() - start)", **away)
    sent, seconds = ended.stdout.split()
    assert sent == "False", ended.stderr
    assert float(seconds) < 2.0
