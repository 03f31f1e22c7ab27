"""Which request or task this is: an id that the log's lines carry from the door to the last worker.

A proxy's X-Request-ID is taken over where it is hexadecimal, as nginx's is: nothing else that a stranger could write comes into
the log. Every answer says its id, so that a person can name it.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from celery import Task
from celery.signals import before_task_publish, task_postrun, task_prerun
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from webapp.instruments import REQUEST_SECONDS, TASK_SECONDS

HEADER = "X-Request-ID"
KEPT = "conchive.request_id"  # in the request's META: Django logs an answer when every middleware has ended
CARRIED = "conchive_request"  # in the headers of a message
HARMLESS = re.compile(r"[0-9a-fA-F-]{16,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})


@dataclass(frozen=True, kw_only=True)
class Trace:
    """``request``: of whoever asked, also in the tasks that came of it. ``task``: its name, ``task_id`` Celery's id."""

    request: str = ""
    task: str = ""
    task_id: str = ""


NOTHING = Trace()
_NOW: ContextVar[Trace] = ContextVar("trace", default=NOTHING)
_STARTED: dict[str, float] = {}  # task id -> when it began, by the monotonic clock


def now() -> Trace:
    return _NOW.get()


class TracingMiddleware:
    """Outermost of those that may say something, so that all they say has the id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        trace = Trace(request=_told(request) or uuid.uuid4().hex)
        request.META[KEPT] = trace.request
        token, start, status = _NOW.set(trace), time.perf_counter(), 500  # also where not even the page for errors can be made
        try:
            response = self.get_response(request)
            status = response.status_code
        finally:
            _NOW.reset(token)
            _measure(request, status, time.perf_counter() - start)
        response.headers[HEADER] = trace.request
        return response


def _told(request: HttpRequest) -> str:
    told = request.headers.get(HEADER, "") if settings.PROXIES else ""
    return told if HARMLESS.fullmatch(told) else ""


def _measure(request: HttpRequest, status: int, seconds: float) -> None:
    """By the name of the address: the address itself holds ids."""
    match = request.resolver_match
    method = request.method if request.method in METHODS else "other"
    REQUEST_SECONDS.labels(match.view_name if match else "none", method, f"{status // 100}xx").observe(seconds)


# --- tasks ------------------------------------------------------------------------------------------------------------


@before_task_publish.connect
def _carry(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and now().request:
        headers[CARRIED] = now().request


@task_prerun.connect
def _begin(task_id: str = "", task: Task[Any, Any] | None = None, **_: Any) -> None:
    if task is None:
        return
    _STARTED[task_id] = time.perf_counter()
    _NOW.set(Trace(request=_carried(task), task=task.name or "", task_id=task_id))


def _carried(task: Task[Any, Any]) -> str:
    told = str(task.request.get(CARRIED) or "")
    return told if HARMLESS.fullmatch(told) else ""


@task_postrun.connect
def _end(task_id: str = "", task: Task[Any, Any] | None = None, state: str | None = None, **_: Any) -> None:
    _NOW.set(NOTHING)
    began = _STARTED.pop(task_id, None)
    if task is not None and began is not None:
        TASK_SECONDS.labels(task.name, (state or "unknown").lower()).observe(time.perf_counter() - began)
