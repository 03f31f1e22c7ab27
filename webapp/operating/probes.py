"""/healthz, /readyz and /metrics, answered before anything else is asked.

Whoever probes goes by a container's address, without TLS and without a session: rules for hosts, https and sign-in are for
people.

/healthz: this process answers. Asks no database and no index, so that it tells only that.
/readyz: which parts answer, as JSON; 503 where one does not.
/metrics: for Prometheus, by METRICS_TOKEN; where there is none, for this machine alone. To everyone else there is no such page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from secrets import compare_digest
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import split_domain_port
from prometheus_client import CONTENT_TYPE_LATEST

from webapp.loopback import is_loopback
from webapp.operating import metrics, readiness

Environ = Mapping[str, Any]
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")  # somebody else asked a proxy on this machine
NOT_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ProbesMiddleware:
    """The first of all."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = PROBES.get(request.path)
        if answer is None or request.method not in ("GET", "HEAD"):
            return self.get_response(request)
        return answer(request)


def healthz(request: HttpRequest) -> HttpResponse:
    del request
    return HttpResponse("conchive\n", content_type="text/plain", headers=NOT_KEPT)


def readyz(request: HttpRequest) -> HttpResponse:
    del request
    parts = readiness.parts()
    ok = all(part.ok for part in parts.values())
    told = {"ok": ok, "parts": {name: asdict(part) for name, part in parts.items()}}
    return JsonResponse(told, status=200 if ok else 503, headers=NOT_KEPT)


def metrics_page(request: HttpRequest) -> HttpResponse:
    if not may_read(request.META):
        return HttpResponse("not found\n", status=404, content_type="text/plain", headers=NOT_KEPT)
    return HttpResponse(metrics.whole_site(), content_type=CONTENT_TYPE_LATEST, headers=NOT_KEPT)


PROBES: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": metrics_page,
}


# --- who may read metrics -----------------------------------------------------------------------------------------------


def may_read(environ: Environ) -> bool:
    """``environ``: WSGI's."""
    if settings.METRICS_TOKEN:
        told = str(environ.get("HTTP_AUTHORIZATION", ""))
        return compare_digest(told.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    return _from_this_machine(environ)


def _from_this_machine(environ: Environ) -> bool:
    """By its own address too: a name that a stranger has made lead here would let a browser of this machine read for them."""
    if any(name in environ for name in FORWARDED):
        return False
    host = split_domain_port(str(environ.get("HTTP_HOST", "")))[0].strip("[]")
    return is_loopback(str(environ.get("REMOTE_ADDR", ""))) and (host == "localhost" or is_loopback(host))
