"""An outage is a 503 page that says what is out and what still works; never an empty list, never a stack trace."""

from __future__ import annotations

import sys
from collections.abc import Callable
from errno import EDQUOT, ENOSPC

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import get_template
from django.views import defaults
from psycopg.errors import QueryCanceled

RETRY_AFTER_S = 15


class Outage(Exception):
    """``what`` is out of order; ``detail`` and ``still_works`` are sentences for people."""

    def __init__(self, what: str, *, detail: str = "", still_works: str = "Collections, images and uploads still work.") -> None:
        super().__init__(detail or what)
        self.what, self.detail, self.still_works = what, detail, still_works


class OutageMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        outage = _too_slow(exception) or exception
        return outage_page(request, outage) if isinstance(outage, Outage) else None


def _too_slow(exception: Exception) -> Outage | None:
    """Of a statement that the database has ended after STATEMENT_TIMEOUT_S; whatever else is wrong is none of ours."""
    if not (isinstance(exception, OperationalError) and isinstance(exception.__cause__, QueryCanceled)):
        return None
    detail = "Ask for less at a time, or try again in some seconds."
    return Outage("The database took too long to answer.", detail=detail, still_works="The rest of the site still works.")


def outage_page(request: HttpRequest, outage: Outage) -> HttpResponse:
    """503 as a page or as JSON, whichever was asked for."""
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    if request.path.startswith("/api/"):
        told = {"detail": outage.what, "reason": "outage", "explanation": outage.detail}
        return JsonResponse(told, status=503, headers=headers)
    response = render(request, "outage.html", {"outage": outage}, status=503)
    response.headers["Retry-After"] = headers["Retry-After"]
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500. A database that is away or gives up, and a disk that is full, are outages; their page is made without
    asking either.
    """
    told = _outage_behind(sys.exception())
    if told is None:
        return defaults.server_error(request)
    status, what, detail = told
    headers = {"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"}
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": what, "reason": "outage", "explanation": detail}, status=status, headers=headers)
    page = get_template("503.html").render({"status": status, "what": what, "detail": detail})
    return HttpResponse(page, status=status, headers=headers)


def _outage_behind(failure: BaseException | None) -> tuple[int, str, str] | None:
    """Status, and two sentences for people."""
    if isinstance(failure, OperationalError | InterfaceError):
        return 503, "The database does not answer.", "It is being started again, or has too much to do: try again in a moment."
    if isinstance(failure, OSError) and failure.errno in (ENOSPC, EDQUOT):
        return 507, "The archive's disk is full.", "Searching and looking at images still work. Try again when there is room."
    return None
