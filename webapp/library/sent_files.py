"""A file of the archive as an answer: from the folder by the proxy in production, by this process else; parts of it on request.

The view that calls this has asked for the right, on every request: whoever holds an address, an ETag or half a file gets no more
than that right allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header, parse_etags

from webapp.library import store
from webapp.library.store import Stored

CACHING = "private, no-cache"  # kept by the browser only, and shown only after the right was asked again
POLICY = "default-src 'none'; sandbox"
CHUNK_BYTES = 1 << 16
Opened = tuple[Stored, BinaryIO]
_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


def opened(name: str) -> Opened:
    """Raises Http404 where the file is gone, StoreAway."""
    try:
        return store.current().open(name)
    except FileNotFoundError as exc:
        raise Http404("There is no such image.") from exc


def sent(
    request: HttpRequest, opened: Opened, *, tag: str, content_type: str, download_as: str | None = None
) -> HttpResponseBase:  # fmt: skip
    """``opened`` is closed with the answer. ``tag``: changes with the content. 304, 206 and 416 as RFC 9110 has them."""
    stored, file = opened
    if unchanged(request, tag):
        file.close()
        return private(HttpResponseNotModified(), tag)
    internal = store.current().for_proxy(stored.name)
    if settings.ACCEL_PREFIX and internal:
        file.close()
        answer: HttpResponseBase = HttpResponse(content_type=content_type)
        answer.headers["X-Accel-Redirect"] = quote(f"{settings.ACCEL_PREFIX}{internal}")
    else:
        answer = _by_this_process(request, opened, tag, content_type, on_disk=bool(internal))
    if download_as is not None:
        answer.headers["Content-Disposition"] = content_disposition_header(True, download_as) or "attachment"
    return private(answer, tag)


def unchanged(request: HttpRequest, tag: str) -> bool:
    """Whether the browser has it; asked only after the right to see it."""
    return f'"{tag}"' in parse_etags(request.headers.get("If-None-Match", ""))


def private(answer: HttpResponseBase, tag: str) -> HttpResponseBase:
    """What every answer with a picture says to browsers and to caches on the way."""
    answer.headers["Cache-Control"] = CACHING
    answer.headers["ETag"] = f'"{tag}"'
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


def _by_this_process(request: HttpRequest, opened: Opened, tag: str, content_type: str, *, on_disk: bool) -> HttpResponseBase:
    stored, file = opened
    wanted = _wanted(request, stored.size, tag)
    if wanted is None and on_disk:
        answer: HttpResponseBase = FileResponse(file, content_type=content_type)
    elif wanted is None:  # not as a file: waitress would read it where it serves everybody, and wait there for the bucket
        answer = StreamingHttpResponse(_Pieces(file, stored.size), content_type=content_type)
        answer.headers["Content-Length"] = str(stored.size)
    elif not wanted:
        file.close()
        answer = HttpResponse(status=416, headers={"Content-Range": f"bytes */{stored.size}"})
    else:
        file.seek(wanted.start)
        answer = StreamingHttpResponse(_Pieces(file, len(wanted)), status=206, content_type=content_type)
        answer.headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{stored.size}"
        answer.headers["Content-Length"] = str(len(wanted))
    answer.headers["Accept-Ranges"] = "bytes"
    return answer


def _wanted(request: HttpRequest, size: int, tag: str) -> range | None:
    """The bytes that are asked for; empty where there are none such; None for all: also where several parts are asked for, or
    where the file has changed since the first part.
    """
    asked = _RANGE.match(request.headers.get("Range", ""))
    if request.method != "GET" or asked is None or asked.groups() == ("", ""):
        return None
    if request.headers.get("If-Range", f'"{tag}"') != f'"{tag}"':
        return None
    first, last = asked.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(min(int(first), size), min(int(last) + 1, size) if last else size)


class _Pieces:
    """The next ``left`` bytes of a file, which is closed with the answer, whether anybody has read it or not."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self._left = file, left
        self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0 and (chunk := self._file.read(min(CHUNK_BYTES, self._left))):
            self._left -= len(chunk)
            yield chunk
