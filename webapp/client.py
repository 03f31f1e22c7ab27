"""The API of the process that serves this data folder, for commands that run beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from webapp.running import Running

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
TUS = {"Tus-Resumable": "1.0.0"}
PIECE_BYTES = 8_000_000
PASSING = frozenset({409, 423, 502, 503, 504})  # trying again may help
OF_THIS_FILE = frozenset({410, 413, 415, 422, 460})  # the file is not taken, and its receipt says why
TRIES = 8


class Refused(Exception):
    """The site answered that it cannot. ``status``: the HTTP status; the sentence is for people."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Client:
    """To be used in a with block. Raises Refused for every answer that is none, and where there is no answer."""

    def __init__(self, running: Running) -> None:
        headers = {"Authorization": f"Bearer {running.token}"}
        self._http = httpx.Client(base_url=f"{running.url}/api/v1", headers=headers, timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        return self._ask("GET", path, params={name: value for name, value in params.items() if value not in (None, "", [])})

    def post(self, path: str, body: Mapping[str, Any], *, patient: bool = False) -> Any:
        """``patient``: for as long as it takes."""
        return self._ask("POST", path, json=body, **({"timeout": None} if patient else {}))

    def post_file(self, path: str, file: Path, **fields: Any) -> Any:
        """Streamed: a large file never lies in memory."""
        with file.open("rb") as opened:
            return self._ask("POST", path, files={"file": (file.name, opened)}, data=fields)

    def send_file(self, address: str, file: Path) -> None:
        """By tus to the address that the site gave for it, in pieces; goes on where it stopped, also after a restart of the site.

        Whatever the site answers to the file itself is in the receipt. Raises Refused where it takes no more of anything.
        """
        tries = 0
        with file.open("rb") as opened:
            size, at = os.fstat(opened.fileno()).st_size, 0
            while at < size:
                opened.seek(at)
                try:
                    at = self._send_piece(address, opened.read(PIECE_BYTES), at)
                    tries = 0
                except Refused as refused:
                    if refused.status in OF_THIS_FILE:
                        return
                    tries += 1
                    if refused.status not in PASSING or tries > TRIES:
                        raise
                    time.sleep(min(30.0, 0.5 * 2**tries))
                    at = self._arrived(address, at)

    def _send_piece(self, address: str, piece: bytes, at: int) -> int:
        """Where to go on."""
        headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(at)} | TUS
        return int(self._answer("PATCH", self._absolute(address), content=piece, headers=headers).headers["Upload-Offset"])

    def _arrived(self, address: str, known: int) -> int:
        """How much of a file is there; what was known before where nobody answers."""
        with suppress(Refused):
            return int(self._answer("HEAD", self._absolute(address), headers=TUS).headers["Upload-Offset"])
        return known

    def _absolute(self, address: str) -> str:
        return str(self._http.base_url.join(address))

    def _ask(self, method: str, path: str, **how: Any) -> Any:
        return self._answer(method, path, **how).json()

    def _answer(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **how)
        except httpx.HTTPError as exc:
            raise Refused(503, f"The running site does not answer: {exc}") from exc
        if answer.is_error:
            raise Refused(answer.status_code, _sentence(answer))
        return answer


def _sentence(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        return f"The running site answers {answer.status_code}."
    detail = told.get("detail", told) if isinstance(told, dict) else told
    return detail if isinstance(detail, str) else str(detail)
