"""Calls to a Qdrant server: their deadlines, the one retry, the breaker, and their errors in this room's words."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import grpc
import httpx
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from search.breaker import CircuitBreaker
from search.errors import (
    AccessRefused,
    IndexMissing,
    IndexTimedOut,
    IndexUnavailable,
    RequestRefused,
    SearchError,
)

T = TypeVar("T")

RETRY_BEFORE = 0.5  # of the time allowed: a slow failure leaves no time for a second try
_CODES: dict[grpc.StatusCode, type[SearchError]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: IndexTimedOut,
    grpc.StatusCode.UNAVAILABLE: IndexUnavailable,
    grpc.StatusCode.UNAUTHENTICATED: AccessRefused,
    grpc.StatusCode.PERMISSION_DENIED: AccessRefused,
    grpc.StatusCode.NOT_FOUND: IndexMissing,
    grpc.StatusCode.INVALID_ARGUMENT: RequestRefused,
    grpc.StatusCode.ALREADY_EXISTS: RequestRefused,
    grpc.StatusCode.FAILED_PRECONDITION: RequestRefused,
}
_STATUSES: dict[int, type[SearchError]] = {401: AccessRefused, 403: AccessRefused, 404: IndexMissing, 408: IndexTimedOut}


class BoundedTransport(httpx.HTTPTransport):
    """HTTP with its own, shorter limit for connecting: a host that is gone must not cost the whole time of a query."""

    def __init__(self, *, connect_timeout_s: float, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._connect_timeout_s = connect_timeout_s

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        limits = request.extensions.get("timeout", {})
        request.extensions["timeout"] = limits | {"connect": self._connect_timeout_s}
        return super().handle_request(request)


class Caller:
    """Runs one call to the server. Every call of this room may be repeated: writes replace by id, deletes delete again."""

    def __init__(self, breaker: CircuitBreaker, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._breaker = breaker
        self._clock = clock

    def __call__(self, what: str, call: Callable[[], T], *, allowed_s: float) -> T:
        """Raises errors of search.errors with the cause kept. One retry, where the failure left at least half of the time."""
        self._breaker.before_call()
        start = self._clock()
        try:
            try:
                answer = self._once(what, call)
            except IndexUnavailable:
                if self._clock() - start > RETRY_BEFORE * allowed_s:
                    raise
                answer = self._once(what, call)
        except IndexUnavailable:
            self._breaker.failed()
            raise
        except SearchError:
            self._breaker.succeeded()  # it answered: the request is at fault, not the server
            raise
        self._breaker.succeeded()
        return answer

    def _once(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except (ApiException, ResourceExhaustedResponse, grpc.RpcError, ValueError) as exc:
            raise translated(exc, what) from exc


def translated(exc: Exception, what: str) -> SearchError:
    """The error of this room for what qdrant-client raised."""
    if isinstance(exc, ResponseHandlingException):
        return _transport_error(exc.source, what)
    if isinstance(exc, UnexpectedResponse):
        return _of_status(exc.status_code or 500, what)
    if isinstance(exc, grpc.RpcError):
        code = exc.code() if isinstance(exc, grpc.Call) else grpc.StatusCode.UNKNOWN
        return _CODES.get(code, IndexUnavailable)(f"the vector index: {what} failed ({code.name.lower()})")
    if isinstance(exc, ValueError):  # how the in-memory client says what a server says with a status
        kind = IndexMissing if "not found" in str(exc) else RequestRefused
        return kind(f"the vector index: {what} failed: {exc}")
    return IndexUnavailable(f"the vector index has too much to do: {what} failed")


def _transport_error(source: Exception, what: str) -> SearchError:
    if isinstance(source, httpx.TimeoutException) and not isinstance(source, httpx.ConnectTimeout):
        return IndexTimedOut(f"the vector index did not answer in time: {what} failed")
    return IndexUnavailable(f"the vector index cannot be reached: {what} failed ({type(source).__name__})")


def _of_status(status: int, what: str) -> SearchError:
    kind = _STATUSES.get(status, IndexUnavailable if status >= 500 or status == 429 else RequestRefused)
    return kind(f"the vector index answered {status}: {what} failed")
