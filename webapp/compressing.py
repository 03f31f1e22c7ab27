"""Pages and API answers leave compressed: sixty hits with their addresses repeat the question sixty times.

Pictures, zips and originals are left alone: they are compressed already, and streamed. Against attacks that guess a secret from
lengths Django adds random bytes to every answer and masks its form tokens anew each time.
"""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

KINDS = ("text/", "application/json")


class TextGzipMiddleware(GZipMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.streaming or not response.headers.get("Content-Type", "").startswith(KINDS):
            return response
        return super().process_response(request, response)
