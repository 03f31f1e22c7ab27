"""Questions that come from inside a production site's own network, and not through its proxy."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

PATHS = ("/healthz", "/readyz", "/metrics")  # the proxy lets none but the first through


class InsideMiddleware:
    """A health check asks 127.0.0.1 and Prometheus a container's number, both without TLS: neither knows the name that people
    type, so that Host would be refused and the answer sent on to https. What they may know is decided where it is answered.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not settings.EMBEDDED and request.path_info in PATHS:
            request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0].removeprefix(".")
            request.META["HTTP_X_FORWARDED_PROTO"] = "https"
            request.META.pop("HTTP_X_FORWARDED_HOST", None)
        return self.get_response(request)
