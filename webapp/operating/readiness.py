"""Which parts of the site answer, each asked with a short time of its own, all at once.

A part that hangs holds one thread and no more: until it has answered, whoever asks is told that it does not.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from dataclasses import dataclass

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import RedisError

from search.errors import SearchError
from webapp.explore.encoding import encoder_state
from webapp.library import index, quotas, store

log = logging.getLogger(__name__)
Ask = Callable[[], str]

TIMEOUT_S = 2.0
KEPT_S = 1.0  # however many ask, a part is asked once a second
FAULTS = (DatabaseError, RedisError, SearchError, OSError)


@dataclass(frozen=True, kw_only=True)
class Part:
    """``detail``: one plain sentence where it is out, without names or addresses."""

    ok: bool
    detail: str = ""


# --- the parts: each returns "" or the sentence that says what is the matter, or raises one of FAULTS -------------------


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


_MIGRATED = threading.Event()  # once they were applied, they are: reading them all takes a while


def _migrations() -> str:
    if not _MIGRATED.is_set():
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "The database is not up to date: migrations have to be applied."
        _MIGRATED.set()
    return ""


def _cache() -> str:
    word = secrets.token_hex(8)
    cache.set(f"ready:{word}", word, 10)
    found = cache.get(f"ready:{word}")
    cache.delete(f"ready:{word}")
    return "" if found == word else "The cache forgets at once what it is given."


def _index() -> str:
    if all(each.health().ok for each in index.both().values()):
        return ""
    return "The vector index is out, or not made yet."


def _encoder() -> str:
    state = encoder_state()
    if state == "ready":
        return ""
    return "The encoder is still starting." if state == "loading" else "No encoder answers queries."


def _disk() -> str:
    try:
        quotas.check_disk()
    except quotas.NoRoom:
        return "The archive's disk is nearly full: nothing more is taken in."
    return ""


def _files() -> str:
    store.current().check()
    return ""


PARTS: Mapping[str, tuple[Ask, str]] = {
    "database": (_database, "The database does not answer."),
    "migrations": (_migrations, "The database does not answer."),
    "cache": (_cache, "The cache, which is the queue as well, does not answer."),
    "index": (_index, "The vector index does not answer."),
    "encoder": (_encoder, "No encoder answers queries."),
    "disk": (_disk, "The archive's disk does not answer."),
    "files": (_files, "The storage that the archive's files lie in does not answer."),
}


# --- asking -----------------------------------------------------------------------------------------------------------


class Readiness:
    """Asks the parts, one thread each; what was heard less than KEPT_S ago is not asked again."""

    def __init__(self, parts: Mapping[str, tuple[Ask, str]], *, timeout_s: float = TIMEOUT_S) -> None:
        self._parts = parts
        self._timeout_s = timeout_s
        self._pool = ThreadPoolExecutor(max(1, len(parts)), thread_name_prefix="readiness")
        self._lock = threading.Lock()
        self._asked: dict[str, tuple[float, Future[Part]]] = {}

    def parts(self) -> dict[str, Part]:
        until = time.monotonic() + self._timeout_s
        asked = {name: self._ask(name) for name in self._parts}
        return {name: self._heard(name, answer, until - time.monotonic()) for name, answer in asked.items()}

    def _ask(self, name: str) -> Future[Part]:
        with self._lock:
            when, answer = self._asked.get(name, (0.0, None))
            if answer is None or (answer.done() and time.monotonic() - when > KEPT_S):
                answer = self._pool.submit(_answer, *self._parts[name])
                self._asked[name] = (time.monotonic(), answer)
            return answer

    def _heard(self, name: str, answer: Future[Part], left_s: float) -> Part:
        try:
            return answer.result(max(0.0, left_s))
        except StillRunning:
            return Part(ok=False, detail=self._parts[name][1])


def _answer(ask: Ask, away: str) -> Part:
    try:
        detail = ask()
    except FAULTS as exc:
        log.warning("not ready: %s", exc)
        detail = away
    finally:
        connection.close()  # this thread's own
    return Part(ok=not detail, detail=detail)


_READINESS = Readiness(PARTS)


def parts() -> dict[str, Part]:
    """Every part of the site by name. Takes TIMEOUT_S at most, and raises nothing for a part that is out."""
    return _READINESS.parts()
