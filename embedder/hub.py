"""One file of a (gated) model repository on the Hugging Face hub -> the disk: with the user's own token, resumable, checked.

Only the standard library: the protocol is one GET. The hub answers with a redirect that names the file's size and sha256, and
sends the bytes from another host, which must not see the token.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from embedder.errors import AccessNotGranted, HubUnreachable, WeightsError, WeightsNotFound, WeightsTruncated
from embedder.files import sha256_of

CHUNK_BYTES = 2**20
TIMEOUT_S = 30.0
ATTEMPTS = 5  # in a row without one new byte
WAIT_S = 2.0
SHA256_HEX_DIGITS = 64
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG)  # the disk's fault, not the hub's


@dataclass(frozen=True, kw_only=True)
class Remote:
    """``repository``: owner/name. ``endpoint``: the hub, or a mirror of it."""

    repository: str
    file: str
    revision: str = "main"
    endpoint: str = "https://huggingface.co"

    @property
    def url(self) -> str:
        return f"{self.endpoint.rstrip('/')}/{quote(self.repository)}/resolve/{quote(self.revision, safe='')}/{quote(self.file)}"

    @property
    def page(self) -> str:
        """Where a person asks for access."""
        return f"{self.endpoint.rstrip('/')}/{self.repository}"


Told = Callable[[int, int | None], None]  # bytes there so far, bytes in all where known


@dataclass
class Download:
    """A download that may be cut off and taken up again, within this process and by the next one.

    The bytes grow in a .part file beside ``target``; only a complete file with the hub's sha256 gets the name.
    """

    remote: Remote
    target: Path
    token: str | None = field(repr=False)
    told: Told

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    def run(self) -> str:
        """The sha256 of what is now at ``target``.

        Raises AccessNotGranted, WeightsNotFound where there is no such file, WeightsTruncated where the bytes are not the
        hub's, HubUnreachable where the connection fails or ends early.
        """
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            linked = self._fetch_all()
        except OSError as exc:  # all that the network raises was translated
            raise WeightsError(f"The file cannot be written ({exc.strerror}): give another folder, or make room.") from exc
        actual = sha256_of(self.part)
        expected = linked.get("x-linked-etag", "").strip('"')
        if len(expected) == SHA256_HEX_DIGITS and actual != expected:
            self.part.unlink()
            raise WeightsTruncated("What arrived is not the hub's file (its sha256 differs): run the same command again.")
        self.part.replace(self.target)
        return actual

    def _fetch_all(self) -> dict[str, str]:
        """Asks until every byte is there; gives up after ATTEMPTS that bring none."""
        failures = 0
        while True:
            before = self._size()
            cause: Exception | None = None
            try:
                headers, total = self._attempt()
                if total is None or self._size() == total:
                    return headers
            except (OSError, HTTPException) as exc:
                if getattr(exc, "errno", None) in NO_ROOM:
                    raise
                cause = exc
            failures = 0 if self._size() > before else failures + 1
            if failures >= ATTEMPTS:
                raise self._gave_up() from cause
            time.sleep(WAIT_S)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _gave_up(self) -> HubUnreachable:
        if self._size():
            return HubUnreachable(
                f"The connection was cut after {self._size():,} bytes, which are kept: run the same command again to go on."
            )
        return HubUnreachable(
            f"The hub at {self.remote.endpoint} cannot be reached: check the network and the proxy, then run the same command "
            "again. On a machine without network, copy the file from one that has it."
        )

    def _attempt(self) -> tuple[dict[str, str], int | None]:
        """One request from where the .part file ends. Returns the redirect's headers and the file's size."""
        have = self._size()
        redirects = _Redirects()
        try:
            response = self._open(redirects, have)
        except HTTPError as exc:
            with exc:
                if exc.code == 416 and have:  # nothing is left to send, or another file was begun
                    return self._finished_or_anew(redirects, exc.headers)
                raise self._refused(exc) from exc
        with response:
            resumed = response.status == 206
            total = _total(response, redirects, have if resumed else 0)
            self._write(response, total, append=resumed)
        return redirects.linked, total

    def _open(self, redirects: _Redirects, have: int) -> HTTPResponse:
        request = Request(self.remote.url, headers={"User-Agent": "conchive", "Accept-Encoding": "identity"})  # noqa: S310
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        if have:
            request.add_header("Range", f"bytes={have}-")
        opener: OpenerDirector = build_opener(redirects)
        response: HTTPResponse = opener.open(request, timeout=TIMEOUT_S)
        return response

    def _write(self, response: HTTPResponse, total: int | None, *, append: bool) -> None:
        with self.part.open("ab" if append else "wb") as file:
            self.told(file.tell(), total)
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                self.told(file.tell(), total)

    def _finished_or_anew(self, redirects: _Redirects, headers: Message) -> tuple[dict[str, str], int]:
        total = _after_slash(headers.get("Content-Range")) or _number(redirects.linked.get("x-linked-size"))
        if total != self._size():
            self.part.unlink()
        return redirects.linked, total or 0

    def _refused(self, exc: HTTPError) -> WeightsError:
        """The hub's answer as one of ours, with what to do."""
        code, told = exc.code, exc.headers.get("X-Error-Code", "")
        if told == "RepoNotFound" or code == 404:
            return WeightsNotFound(f"{self.remote.page} has no file {self.remote.file} for you: check the names, or sign in.")
        if code in (401, 403) or told == "GatedRepo":
            return AccessNotGranted(self._what_to_do())
        return HubUnreachable(f"The hub answered {code} instead of the file: try again later.")

    def _what_to_do(self) -> str:
        request = f"ask for access at {self.remote.page} (sign in, accept the terms), wait until it is granted"
        if self.token:
            return f"The hub refuses this file to your token: {request}, use a token of the same account that may read it."
        return f"The hub gives this file to no one unknown: {request}, then run `hf auth login` or set HF_TOKEN, and try again."


class _Redirects(HTTPRedirectHandler):
    """Follows redirects, keeps what the hub says of the file, and keeps the token from any other host."""

    def __init__(self) -> None:
        self.linked: dict[str, str] = {}

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        self.linked |= {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-linked-")}
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and _host(following.full_url) != _host(req.full_url):
            following.remove_header("Authorization")
        return following


def _host(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _total(response: HTTPResponse, redirects: _Redirects, have: int) -> int | None:
    told = _after_slash(response.headers.get("Content-Range")) or _number(redirects.linked.get("x-linked-size"))
    length = _number(response.headers.get("Content-Length"))
    return told or (None if length is None else have + length)


def _after_slash(content_range: str | None) -> int | None:
    """bytes 5-9/10 -> 10."""
    return _number(content_range.rpartition("/")[2]) if content_range else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdigit() else None


def endpoint_from_environment() -> str:
    """$HF_ENDPOINT, as the hub's own tools read it. Raises HubUnreachable for anything but a web address."""
    endpoint = os.environ.get("HF_ENDPOINT") or Remote.endpoint
    if urlsplit(endpoint).scheme not in ("http", "https"):
        raise HubUnreachable("HF_ENDPOINT is no web address: unset it, or give one that begins with https://.")
    return endpoint


def find_token(file: Path | None) -> str | None:
    """The token in ``file``, else $HF_TOKEN, else the one that `hf auth login` stored. Raises AccessNotGranted."""
    if file is None:
        from huggingface_hub import get_token

        stored: Any = get_token()
        return str(stored) if stored else None
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise AccessNotGranted("The token file cannot be read: check its path and its rights.") from exc
    if not token:
        raise AccessNotGranted("The token file is empty.")
    return token
