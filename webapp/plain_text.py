"""No text with a NUL in it gets as far as the database: PostgreSQL takes none, and no word or name holds one."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from ninja.parser import Parser
from ninja.types import DictStrAny

NUL = "%00"
JSON_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class PlainTextMiddleware:
    """Refuses an address with a NUL, as a 400. Forms and metadata clean what they read themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if NUL in request.META.get("QUERY_STRING", ""):
            raise SuspiciousOperation("An address with a NUL.")
        return self.get_response(request)


class PlainJson(Parser):
    def parse_body(self, request: HttpRequest) -> DictStrAny:
        """Raises ValueError, which is answered as a body that is no JSON."""
        if JSON_NUL.search(request.body):
            raise ValueError("text holds no NUL")
        return super().parse_body(request)
