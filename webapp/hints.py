"""What is known already, where the cache remembers it: a cache that is out of order remembers nothing, and fails no page.

What must arrive by the cache, such as vectors from a worker, asks django's cache itself and tells an outage: explore/remote.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from django.core.cache import cache
from redis.exceptions import RedisError

T = TypeVar("T")

log = logging.getLogger(__name__)


def known_or(key: str, make: Callable[[], T], *, kept_s: float) -> T:
    """What is remembered under ``key``, else what ``make`` returns, which is remembered then."""
    found: T | None = known([key]).get(key)
    if found is None:
        found = make()
        remember({key: found}, kept_s=kept_s)
    return found


def known(keys: Sequence[str]) -> dict[str, Any]:
    """Those of ``keys`` that are remembered."""
    try:
        return cache.get_many(keys)
    except RedisError as exc:
        log.warning("the cache does not answer: %s", type(exc).__name__)
        return {}


def remember(found: Mapping[str, Any], *, kept_s: float) -> None:
    with suppress(RedisError):
        cache.set_many(dict(found), kept_s)


def forget(key: str) -> None:
    with suppress(RedisError):
        cache.delete(key)
