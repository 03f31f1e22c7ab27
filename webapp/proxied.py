"""Who asks, where proxies stand between: the address that the outermost trusted one saw."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


class ProxiedMiddleware:
    """Puts the visitor's address into REMOTE_ADDR. Each of `PROXIES` trusted proxies adds one to X-Forwarded-For; what stands
    further left was written by the visitor, and is worth nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.PROXIES:
            told = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
            if len(told) >= settings.PROXIES and (address := told[-settings.PROXIES].strip()):
                request.META["REMOTE_ADDR"] = address
        return self.get_response(request)
