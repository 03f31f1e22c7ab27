"""Questions that come together are encoded together: one thread has the encoder, and takes all that waits in one call.

Who comes alone is not kept waiting. While a call runs, others pile up and are the next one; where several wait, the thread gives
the rest of them some milliseconds to arrive. Web threads and the threads of a query worker ask in the same way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from dataclasses import dataclass, field

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from embedder import Encoder, errors
from webapp import instruments
from webapp.explore.warmup import STILL_WORKS
from webapp.outages import Outage

log = logging.getLogger(__name__)
Array = NDArray[np.float32]

TEXTS_A_CALL = 64
WAIT_S = 0.003
MOST_WAITING = 1024  # texts: more would be answered too late in any case


@dataclass(frozen=True, eq=False)
class _Question:
    encoder: Encoder
    texts: Sequence[str]
    answer: Future[Array] = field(default_factory=Future)


class Batcher:
    """``together``: texts a call; one question of more is a call of its own. ``wait_s``: for others, where several wait."""

    def __init__(self, *, together: int = TEXTS_A_CALL, wait_s: float = WAIT_S, most_waiting: int = MOST_WAITING) -> None:
        self._together = together
        self._wait_s = wait_s
        self._most_waiting = most_waiting
        self._waiting: deque[_Question] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def encode(self, encoder: Encoder, texts: Sequence[str], *, timeout_s: float) -> Array:
        """float32 [n, dim], unit rows. Raises Outage where it takes longer, too much waits, or the encoder fails."""
        question = self._put(_Question(encoder, list(texts)))
        try:
            return question.answer.result(timeout_s)
        except StillRunning:
            question.answer.cancel()
            raise Outage("The encoder takes too long.", detail="It is busy: try again.", still_works=STILL_WORKS) from None
        except (errors.EmbedderError, RuntimeError, MemoryError) as exc:
            raise Outage(
                "Queries cannot be encoded just now.", detail="The server's log says why.", still_works=STILL_WORKS
            ) from exc

    def _put(self, question: _Question) -> _Question:
        with self._changed:
            if self._texts_waiting() + len(question.texts) > max(self._most_waiting, len(question.texts)):
                raise Outage("Too many questions wait.", detail="Try again in some seconds.", still_works=STILL_WORKS)
            self._waiting.append(question)
            if self._thread is None or not self._thread.is_alive():  # a fork takes no threads along
                self._thread = threading.Thread(target=self._work, name="queries", daemon=True)
                self._thread.start()
            self._changed.notify()
        return question

    def _texts_waiting(self) -> int:
        return sum(len(question.texts) for question in self._waiting)

    def _work(self) -> None:
        while True:
            batch = self._next()
            _answer([question for question in batch if question.answer.set_running_or_notify_cancel()])

    def _next(self) -> list[_Question]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            if len(self._waiting) > 1:
                self._let_come()
            return self._take()

    def _let_come(self) -> None:
        until = time.monotonic() + self._wait_s
        while self._texts_waiting() < self._together and (left_s := until - time.monotonic()) > 0:
            self._changed.wait(left_s)

    def _take(self) -> list[_Question]:
        """Questions to the first one's encoder, in their order, as many as go into one call."""
        taken = [self._waiting.popleft()]
        encoder, n = taken[0].encoder, len(taken[0].texts)
        while self._waiting and self._waiting[0].encoder is encoder and n + len(self._waiting[0].texts) <= self._together:
            taken.append(self._waiting.popleft())
            n += len(taken[-1].texts)
        return taken


def _answer(batch: Sequence[_Question]) -> None:
    """All at once, and one by one where that goes wrong: what one question causes, the others need not bear."""
    if not batch:
        return
    try:
        vectors = _encoded(batch)
    except Exception as exc:  # the outermost frame of a thread: whoever waits gets it
        if len(batch) > 1:
            for question in batch:
                _answer([question])
            return
        log.exception("a question could not be encoded")
        batch[0].answer.set_exception(exc)
        return
    first = 0
    for question in batch:
        question.answer.set_result(vectors[first : first + len(question.texts)])
        first += len(question.texts)


def _encoded(batch: Sequence[_Question]) -> Array:
    texts = [text for question in batch for text in question.texts]
    with instruments.encoding("texts", len(texts)):
        return batch[0].encoder.encode_texts(texts)


_BATCHER = Batcher()


def encode_texts(encoder: Encoder, texts: Sequence[str]) -> Array:
    """float32 [n, dim], unit rows, together with what other threads ask now. Raises Outage."""
    return _BATCHER.encode(encoder, texts, timeout_s=settings.QUERY_TIMEOUT_S)
