"""Asking the workers of the queue "query" for vectors; answers come back through the shared cache.

Redis carries hints only: a lost message or a full queue ends as an Outage after the timeout, and asking again is safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import redis
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from kombu import exceptions as kombu_errors

from webapp.explore.warmup import STILL_WORKS
from webapp.outages import Outage

T = TypeVar("T")
Stored = tuple[bytes, str]

STATE_KEY = "encoder-state"
STATE_KEPT_S = 90  # three beats
FIRST_LOOK_S, LAST_LOOK_S = 0.005, 0.05


def texts(missing: dict[str, str], *, fingerprint: str) -> dict[str, Stored]:
    """Cache key -> text becomes cache key -> what the cache holds. Raises Outage."""
    return vectors("encode_texts", list(missing), missing, fingerprint=fingerprint)


def vectors(task: str, keys: Sequence[str], *arguments: object, fingerprint: str) -> dict[str, Stored]:
    """Sends ``task`` with its arguments and the fingerprint, and waits until the cache holds all ``keys``. Raises Outage."""
    send(task, *arguments, fingerprint)
    failures = [failure_key(fingerprint), failure_key(keys[0])]

    def answered() -> dict[str, Stored] | None:
        found: dict[str, Any] = cache.get_many([*keys, *failures])
        if sentences := [found.pop(key) for key in failures if key in found]:
            raise Outage("Queries cannot be encoded just now.", detail=sentences[0], still_works=STILL_WORKS)
        return found if len(found) == len(keys) else None

    return wait_for(answered)


def send(task: str, *arguments: object) -> None:
    """One message to the queue "query", worthless after the timeout. Raises Outage where the broker is away."""
    try:
        current_app.send_task(
            f"webapp.explore.tasks.{task}",
            arguments,
            queue="query",
            expires=settings.QUERY_TIMEOUT_S,
            retry=False,
            argsrepr="…",  # Celery would repeat the words in the message's headers, which workers log and monitors show
        )
    except (kombu_errors.OperationalError, redis.RedisError, OSError) as exc:
        raise Outage("The queue does not answer.", detail="Queries cannot be encoded.", still_works=STILL_WORKS) from exc


def wait_for(look: Callable[[], T | None]) -> T:
    """What ``look`` returns once it is not None. Raises Outage after the query timeout."""
    until, pause_s = time.monotonic() + settings.QUERY_TIMEOUT_S, FIRST_LOOK_S
    while time.monotonic() < until:
        try:
            found = look()
        except redis.RedisError as exc:
            raise Outage("The cache does not answer.", detail="Queries cannot be encoded.", still_works=STILL_WORKS) from exc
        if found is not None:
            return found
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LAST_LOOK_S)
    raise Outage("The encoder takes too long.", detail="It may be starting or busy: try again.", still_works=STILL_WORKS)


def tell_failure(of: str, sentence: str) -> None:
    """A worker's word for those who wait; kept briefly, so that the next question is asked again.

    ``of``: a fingerprint, whose encoder is out for everybody, or the first key of one question.
    """
    cache.set(failure_key(of), sentence, settings.QUERY_TIMEOUT_S)


def failure_key(of: str) -> str:
    return f"query-failed:{of}"


def tell_state(state: str) -> None:
    cache.set(STATE_KEY, state, STATE_KEPT_S)


def encoder_state() -> str:
    """What a query worker said last. Silence for three beats is a failure."""
    try:
        return str(cache.get(STATE_KEY) or "failed: no query worker answers")
    except redis.RedisError:
        return "failed: the cache does not answer"
