"""A server that refuses, hangs, cuts or answers 500: what becomes of it, how long it takes, and who is asked afterwards."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import httpx
import pytest

from search import Nearest, Scope, ServerSettings, errors, open_server
from search.breaker import CircuitBreaker
from search.calls import BoundedTransport, Caller, translated
from tests.search.samples import axis

ALL = Scope.everything()
IMPATIENT = ServerSettings(query_timeout_s=1, connect_timeout_s=0.3, breaker_failures=100)


class Server(ThreadingHTTPServer):
    """Answers each request with ``reply(handler)`` and counts them."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, reply: Callable[[BaseHTTPRequestHandler], None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply = reply
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address) -> None:
        """Clients that hang up are what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        self.server.reply(self)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the names that BaseHTTPRequestHandler looks for

    def log_message(self, *args) -> None:
        """Quiet."""


def answer(handler: BaseHTTPRequestHandler, status: int, body: dict[str, object]) -> None:
    text = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(text)))
    handler.end_headers()
    handler.wfile.write(text)


def status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: answer(handler, code, {"status": {"error": "as told"}, "time": 0})


def hang(handler: BaseHTTPRequestHandler) -> None:
    threading.Event().wait(5)


def cut(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"result": {"ali')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def garbage(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, 200, {"result": "not what was asked for"})


@contextmanager
def serving(reply: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Server]:
    server = Server(reply)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(url: str, settings: ServerSettings = IMPATIENT) -> None:
    index = open_server(url, settings=settings, prefer_grpc=False)
    try:
        index.query(Nearest(axis(0)), scope=ALL)
    finally:
        index.close()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(status(500), errors.IndexUnavailable, id="500"),
        pytest.param(status(503), errors.IndexUnavailable, id="503"),
        pytest.param(status(429), errors.IndexUnavailable, id="429"),
        pytest.param(status(401), errors.AccessRefused, id="401"),
        pytest.param(status(403), errors.AccessRefused, id="403"),
        pytest.param(status(404), errors.IndexMissing, id="404"),
        pytest.param(status(400), errors.RequestRefused, id="400"),
        pytest.param(cut, errors.IndexUnavailable, id="cut"),
        pytest.param(hang, errors.IndexTimedOut, id="hang"),
        pytest.param(garbage, errors.IndexUnavailable, id="garbage"),
    ],
)
def test_a_failing_server_becomes_one_of_our_errors_with_its_cause(reply, error):
    with serving(reply) as server, pytest.raises(error) as caught:
        ask(server.url)
    assert type(caught.value) is error
    assert caught.value.__cause__ is not None


def test_a_refused_connection_is_unavailable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        with pytest.raises(errors.IndexUnavailable):
            ask(f"http://127.0.0.1:{taken.getsockname()[1]}")


def test_grpc_to_a_server_that_is_gone_is_unavailable_within_the_time_allowed():
    start = time.monotonic()
    index = open_server("http://127.0.0.1:1", grpc_port=1, settings=IMPATIENT)
    with pytest.raises(errors.IndexUnavailable):
        index.query(Nearest(axis(0)), scope=ALL)
    index.close()
    assert time.monotonic() - start < 3


def test_a_hanging_server_costs_the_time_allowed_and_no_second_try():
    with serving(hang) as server:
        start = time.monotonic()
        with pytest.raises(errors.IndexTimedOut):
            ask(server.url)
        assert time.monotonic() - start < 2.5
        assert server.asked == 1


def test_a_fast_failure_is_tried_once_more():
    with serving(status(500)) as server:
        with pytest.raises(errors.IndexUnavailable):
            ask(server.url)
        assert server.asked == 2


def test_a_refused_request_is_not_tried_again():
    with serving(status(403)) as server:
        with pytest.raises(errors.AccessRefused):
            ask(server.url)
        assert server.asked == 1


def test_after_some_failures_a_dead_server_is_not_asked_any_more():
    with serving(status(500)) as server:
        index = open_server(server.url, settings=ServerSettings(breaker_failures=2, breaker_pause_s=60), prefer_grpc=False)
        for _ in range(2):
            with pytest.raises(errors.IndexUnavailable):
                index.query(Nearest(axis(0)), scope=ALL)
        asked = server.asked
        with pytest.raises(errors.CircuitOpen, match="asked again in"):
            index.query(Nearest(axis(0)), scope=ALL)
        index.close()
        assert server.asked == asked


def test_an_empty_scope_does_not_ask_a_dead_server():
    with serving(status(500)) as server:
        index = open_server(server.url, settings=IMPATIENT, prefer_grpc=False)
        assert index.count(scope=Scope.nothing()) == 0
        assert index.facets("stain", scope=Scope.nothing()) == []
        assert index.query(Nearest(axis(0)), scope=Scope.nothing()) == []
        assert index.page(Nearest(axis(0)), scope=Scope.nothing()).hits == []
        index.close()
        assert server.asked == 0


def test_health_of_a_dead_server_is_bad_and_does_not_raise():
    with serving(status(500)) as server:
        index = open_server(server.url, settings=IMPATIENT, prefer_grpc=False)
        health = index.health()
        index.close()
    assert not health.ok
    assert "500" in health.detail


def test_connecting_has_its_own_shorter_limit(monkeypatch):
    seen: list[dict[str, float]] = []
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda self, request: seen.append(request.extensions["timeout"]))
    transport = BoundedTransport(connect_timeout_s=1.0)
    transport.handle_request(httpx.Request("GET", "http://x", extensions={"timeout": {"connect": 3, "read": 3}}))
    transport.close()
    assert seen == [{"connect": 1.0, "read": 3}]


# --- the breaker itself ---------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_open_breaker_lets_one_probe_through_after_the_pause():
    clock = Clock()
    breaker = CircuitBreaker(failures=1, pause_s=5, clock=clock)
    breaker.failed()
    clock.now = 5.1
    breaker.before_call()
    with pytest.raises(errors.CircuitOpen):
        breaker.before_call()


def test_a_probe_that_succeeds_closes_the_breaker():
    clock = Clock()
    breaker = CircuitBreaker(failures=1, pause_s=5, clock=clock)
    breaker.failed()
    clock.now = 5.1
    breaker.before_call()
    breaker.succeeded()
    breaker.before_call()
    assert not breaker.is_open


def test_a_probe_that_fails_starts_another_pause():
    clock = Clock()
    breaker = CircuitBreaker(failures=1, pause_s=5, clock=clock)
    breaker.failed()
    clock.now = 5.1
    breaker.before_call()
    breaker.failed()
    clock.now = 10.0
    with pytest.raises(errors.CircuitOpen):
        breaker.before_call()


def test_a_success_between_failures_keeps_the_breaker_closed():
    breaker = CircuitBreaker(failures=2, pause_s=5, clock=Clock())
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    breaker.before_call()


def test_a_request_at_fault_does_not_open_the_breaker():
    breaker = CircuitBreaker(failures=1, pause_s=5, clock=Clock())

    def refuse() -> None:
        raise ValueError("a wrong request")

    with pytest.raises(errors.RequestRefused):
        Caller(breaker)("a query", refuse, allowed_s=3)
    assert not breaker.is_open


def test_a_failure_that_used_up_the_time_is_not_tried_again():
    clock, tries = Clock(), []

    def fail_slowly() -> None:
        tries.append(1)
        clock.now += 2.0
        raise RpcFailure(grpc.StatusCode.UNAVAILABLE)

    with pytest.raises(errors.IndexUnavailable):
        Caller(CircuitBreaker(failures=9, pause_s=5), clock=clock)("a query", fail_slowly, allowed_s=3)
    assert len(tries) == 1


class RpcFailure(grpc.RpcError, grpc.Call):  # type: ignore[misc]
    """What a gRPC stub raises."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def _unused(self, *_: object) -> None:
        """Rest of grpc.Call's interface."""

    details = initial_metadata = trailing_metadata = add_callback = cancel = is_active = time_remaining = _unused


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.IndexTimedOut),
        (grpc.StatusCode.UNAVAILABLE, errors.IndexUnavailable),
        (grpc.StatusCode.UNAUTHENTICATED, errors.AccessRefused),
        (grpc.StatusCode.NOT_FOUND, errors.IndexMissing),
        (grpc.StatusCode.INVALID_ARGUMENT, errors.RequestRefused),
        (grpc.StatusCode.INTERNAL, errors.IndexUnavailable),
    ],
)
def test_every_grpc_status_has_its_error(code, error):
    assert type(translated(RpcFailure(code), "a query")) is error
