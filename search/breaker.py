"""A circuit breaker: after some failures in a row nobody asks the engine for a while, so that no thread waits for a dead one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from search.errors import CircuitOpen


class CircuitBreaker:
    """Closed: all calls pass. Open, after ``failures`` in a row: only one probe every ``pause_s``, which may close it."""

    def __init__(self, *, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowed = failures
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_probe = 0.0

    def before_call(self) -> None:
        """Raises CircuitOpen where this call must not go out. While open, the first caller after the pause is let through."""
        with self._lock:
            if self._failures < self._allowed:
                return
            wait_s = self._next_probe - self._clock()
            if wait_s > 0:
                raise CircuitOpen(f"the vector index failed {self._failures} times in a row: asked again in {wait_s:.1f} s")
            self._next_probe = self._clock() + self._pause_s  # this caller is the probe; others go on failing fast

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._next_probe = self._clock() + self._pause_s

    @property
    def is_open(self) -> bool:
        with self._lock:
            return self._failures >= self._allowed
