"""Which stage a search is at, and how long each took: encode the question, search the index, fetch the rows.

The page that answers says it in its Server-Timing header. A browser that waits sends the cookie ``asking`` with a word of its own
choice and asks for the stage meanwhile: it is kept under the user and that word, for a minute.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from django.http import HttpRequest

from webapp import hints
from webapp.accounts.models import User
from webapp.instruments import STAGE_SECONDS

Stage = Literal["encode", "search", "fetch"]
COOKIE = "asking"
KEPT_S = 60.0
WORD = re.compile(r"[a-z0-9]{8,32}")


@dataclass
class Stages:
    """``key``: where in the cache whoever waits looks for the stage; "" where nobody does. ``took_s``: seconds of each stage."""

    key: str = ""
    took_s: dict[Stage, float] = field(default_factory=dict)

    def server_timing(self) -> str:
        return ", ".join(f"{stage};dur={1_000 * seconds:.1f}" for stage, seconds in self.took_s.items())


_RECORDING: ContextVar[Stages | None] = ContextVar("stages", default=None)


@contextmanager
def recorded(request: HttpRequest, user: User) -> Iterator[Stages]:
    """Every ``timed`` stage inside is noted in what this gives."""
    stages = Stages(key=_key(request, user))
    token = _RECORDING.set(stages)
    try:
        yield stages
    finally:
        _RECORDING.reset(token)


@contextmanager
def timed(stage: Stage) -> Iterator[None]:
    """Measured always; noted for a page only inside ``recorded``: the API and the commands ask the same questions."""
    stages = _RECORDING.get()
    if stages is not None and stages.key:
        hints.remember({stages.key: stage}, kept_s=KEPT_S)
    start = time.perf_counter()
    try:
        yield
    finally:
        took_s = time.perf_counter() - start
        STAGE_SECONDS.labels(stage).observe(took_s)
        if stages is not None:
            stages.took_s[stage] = stages.took_s.get(stage, 0.0) + took_s


def stage_of(request: HttpRequest, user: User) -> str:
    """Where the search that this browser waits for is; "" where it has not begun."""
    key = _key(request, user)
    return str(hints.known([key]).get(key, "")) if key else ""


def _key(request: HttpRequest, user: User) -> str:
    word = request.COOKIES.get(COOKIE, "")
    return f"stage:{user.pk}:{word}" if WORD.fullmatch(word) else ""
