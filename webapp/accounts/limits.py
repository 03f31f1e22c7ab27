"""How often, and how many at once: one user's haste must not become everybody's wait.

Rates are settings (`RATE_SEARCH` …), counted per user, or per address where nobody is signed in, in Redis or in this process's
memory. Where the counter is out of order nothing is limited: it protects a service and is none itself. The site's own commands
are not counted.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from webapp.accounts import operator
from webapp.accounts.models import User

log = logging.getLogger(__name__)

What = Literal["search", "upload", "export", "sign-in", "api", "link", "mail"]
SENTENCES: dict[What, str] = {
    "search": "You searched very often within a short time.",
    "upload": "You started very many uploads within a short time.",
    "export": "You exported very often within a short time.",
    "sign-in": "There were very many attempts to sign in from your address.",
    "api": "This program asked very often within a short time.",
    "link": "Very many shared links were tried from your address.",
    "mail": "Several letters were asked for within a short time.",
}
_AT_ONCE: Counter[int] = Counter()
_COUNTING = threading.Lock()


class TooMany(Exception):
    """``retry_after_s``: whole seconds after which it may be tried again."""

    def __init__(self, what: What, *, retry_after_s: int) -> None:
        super().__init__(SENTENCES[what])
        self.retry_after_s = retry_after_s


def count(what: What, who: User | str) -> None:
    """One more of ``what`` by a user, or from an address. Raises TooMany beyond the setting's rate."""
    rate = _rate(settings.RATES[what])
    if rate is None or (isinstance(who, User) and who.username == operator.NAME):
        return
    key = f"user:{who.pk}" if isinstance(who, User) else f"address:{who}"
    try:
        if _limiter().hit(rate, what, key):
            return
        until = _limiter().get_window_stats(rate, what, key).reset_time
    except (RedisError, StorageError) as exc:
        log.warning("rates are not counted for now (%s)", type(exc).__name__)
        return
    raise TooMany(what, retry_after_s=max(1, math.ceil(until - time.time())))


@contextmanager
def at_once(user: User) -> Iterator[None]:
    """A search of this user, as one of at most SEARCHES_AT_ONCE in this process. Raises TooMany."""
    with _COUNTING:
        if _AT_ONCE[user.pk] >= settings.SEARCHES_AT_ONCE:
            raise TooMany("search", retry_after_s=1)
        _AT_ONCE[user.pk] += 1
    try:
        yield
    finally:
        with _COUNTING:
            _AT_ONCE[user.pk] -= 1
            if not _AT_ONCE[user.pk]:
                del _AT_ONCE[user.pk]


def address_of(request: HttpRequest) -> str:
    """The visitor's, as this process sees it, or as proxied.py was told to believe it."""
    return str(request.META.get("REMOTE_ADDR", ""))


class TooManyMiddleware:
    """429 as a page or as JSON, with Retry-After."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return too_many(request, exception) if isinstance(exception, TooMany) else None


def too_many(request: HttpRequest, refused: TooMany) -> HttpResponse:
    """As JSON to programs and to the scripts of pages, which say so; else as a page."""
    if request.path.startswith("/api/") or request.headers.get("Accept", "").startswith("application/json"):
        answer: HttpResponse = JsonResponse({"detail": str(refused), "reason": "too_many"}, status=429)
    else:
        answer = render(request, "too_many.html", {"refused": refused}, status=429)
    answer.headers["Retry-After"] = str(refused.retry_after_s)
    return answer


@cache
def _rate(told: str) -> RateLimitItem | None:
    """None for "": no limit."""
    return parse(told) if told else None


@cache
def _limiter() -> MovingWindowRateLimiter:
    patience = settings.REDIS_PATIENCE if settings.REDIS_URL else {}
    return MovingWindowRateLimiter(storage_from_string(settings.REDIS_URL or "memory://", **patience))
