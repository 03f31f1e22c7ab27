"""Questions that come together are one call of the encoder; who comes alone does not wait."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embedder import errors
from embedder.fake import FakeEncoder
from webapp.explore.batching import Batcher
from webapp.outages import Outage


class Counting(FakeEncoder):
    """Remembers every call; the first one waits until it may go on."""

    def __init__(self, *, held: bool = False) -> None:
        super().__init__()
        self.calls: list[list[str]] = []
        self.started, self.go_on = threading.Event(), threading.Event()
        if not held:
            self.go_on.set()

    def encode_texts(self, prompts):
        self.calls.append(list(prompts))
        self.started.set()
        assert self.go_on.wait(10)
        if "bad" in prompts:
            raise errors.DeviceError("no memory for this one")
        return super().encode_texts(prompts)


def ask_while_one_runs(batcher: Batcher, encoder: Counting, texts: list[str], *, wait: float = 10):
    """The first text's call is held until all the others wait; text -> answer or exception."""
    with ThreadPoolExecutor(len(texts)) as pool:
        asked = {texts[0]: pool.submit(batcher.encode, encoder, texts[:1], timeout_s=wait)}
        assert encoder.started.wait(10)
        asked |= {text: pool.submit(batcher.encode, encoder, [text], timeout_s=wait) for text in texts[1:]}
        until = time.monotonic() + 10
        while len(batcher._waiting) < len(texts) - 1 and time.monotonic() < until:
            time.sleep(0.001)
        encoder.go_on.set()
        return {text: future.exception() or future.result() for text, future in asked.items()}


def test_what_waits_while_a_call_runs_is_the_next_call():
    encoder = Counting(held=True)
    texts = [f"text {number}" for number in range(9)]
    answers = ask_while_one_runs(Batcher(), encoder, texts)
    assert [len(call) for call in encoder.calls] == [1, 8]
    expected = FakeEncoder().encode_texts(texts)
    for text, vector in zip(texts, expected, strict=True):
        np.testing.assert_allclose(answers[text][0], vector, atol=1e-6)


def test_a_call_takes_no_more_than_its_share():
    encoder = Counting(held=True)
    ask_while_one_runs(Batcher(together=4), encoder, [f"text {number}" for number in range(10)])
    assert [len(call) for call in encoder.calls] == [1, 4, 4, 1]


def test_a_question_of_many_texts_is_a_call_of_its_own():
    encoder = Counting()
    assert Batcher(together=4).encode(encoder, ["a"] * 10, timeout_s=10).shape == (10, 512)
    assert len(encoder.calls) == 1


def test_who_comes_alone_does_not_wait_for_others():
    encoder, batcher = Counting(), Batcher(wait_s=5)
    start = time.monotonic()
    batcher.encode(encoder, ["alone"], timeout_s=10)
    assert time.monotonic() - start < 2


def test_what_one_question_causes_the_others_do_not_bear():
    encoder = Counting(held=True)
    answers = ask_while_one_runs(Batcher(), encoder, ["first", "good", "bad", "fine"])
    assert isinstance(answers["bad"], Outage)
    assert answers["good"].shape == answers["fine"].shape == (1, 512)


def test_who_has_waited_too_long_is_told_and_is_not_encoded_any_more():
    encoder, batcher = Counting(held=True), Batcher()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(batcher.encode, encoder, ["first"], timeout_s=10)
        assert encoder.started.wait(10)
        with pytest.raises(Outage) as out:
            batcher.encode(encoder, ["late"], timeout_s=0.05)
        assert "too long" in out.value.what
        encoder.go_on.set()
        first.result()
    batcher.encode(encoder, ["next"], timeout_s=10)
    assert encoder.calls == [["first"], ["next"]]


def test_where_too_much_waits_the_rest_is_told_at_once():
    encoder, batcher = Counting(held=True), Batcher(most_waiting=2)
    with ThreadPoolExecutor(3) as pool:
        pool.submit(batcher.encode, encoder, ["first"], timeout_s=10)
        assert encoder.started.wait(10)
        pool.submit(batcher.encode, encoder, ["a", "b"], timeout_s=10)
        while not batcher._waiting:
            time.sleep(0.001)
        with pytest.raises(Outage) as out:
            batcher.encode(encoder, ["c"], timeout_s=10)
        assert "Too many" in out.value.what
        encoder.go_on.set()


def test_each_encoder_reads_its_own_questions():
    one, other, batcher = Counting(), Counting(), Batcher()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: batcher.encode((one, other)[n % 2], [str(n)], timeout_s=10), range(20)))
    assert sorted(text for call in one.calls for text in call) == sorted(str(n) for n in range(0, 20, 2))
    assert sorted(text for call in other.calls for text in call) == sorted(str(n) for n in range(1, 20, 2))
