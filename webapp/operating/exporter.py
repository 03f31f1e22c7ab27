"""A worker's metrics, on a port of its own: `METRICS_PORT`. By METRICS_TOKEN; without one, for this machine alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST

from webapp.operating import metrics
from webapp.operating.probes import may_read

log = logging.getLogger(__name__)
Environ = dict[str, Any]


def start() -> WSGIServer | None:
    """In a thread of this process, until it ends. None where no port is set, or another process has it: work goes on then."""
    if not settings.METRICS_PORT:
        return None
    try:
        server = make_server(_address(), settings.METRICS_PORT, answer, handler_class=_Silent)
    except OSError as exc:
        log.error("METRICS_PORT %d cannot be listened on: %s", settings.METRICS_PORT, exc)
        return None
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def _address() -> str:
    """Others can reach it only where they need a token."""
    return "0.0.0.0" if settings.METRICS_TOKEN else "127.0.0.1"  # noqa: S104  # nosec B104


def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ.get("PATH_INFO") != "/metrics" or not may_read(environ):
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found\n"]
    start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
    return [metrics.own()]


class _Silent(WSGIRequestHandler):
    timeout = 5.0  # seconds for one who connects and says nothing: it is answered one after the other

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """A line every quarter of a minute tells nothing."""
