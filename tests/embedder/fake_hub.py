"""A hub on this machine's loopback: one gated file, behind a redirect to another host, with what can go wrong on the way."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_granted"


class FakeHub:
    """``cuts``: after how many bytes each answer breaks off, the first answer first. ``lie``: sends other bytes than promised."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.cuts: list[int] = []
        self.refusal: tuple[int, str] | None = None
        self.lie = False
        self.ranges: list[str | None] = []
        self.tokens_seen_by_storage: list[str | None] = []
        self.endpoint = ""
        self.storage = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class HubServer(ThreadingHTTPServer):
    def __init__(self, hub: FakeHub) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub
        hub.endpoint = f"http://127.0.0.1:{self.server_port}"
        hub.storage = f"http://localhost:{self.server_port}"  # another host to whoever compares names


@contextmanager
def serving(content: bytes) -> Iterator[FakeHub]:
    hub = FakeHub(content)
    server = HubServer(hub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_GET(self) -> None:
        if self.path == "/MahmoodLab/conch/resolve/main/pytorch_model.bin":
            self._redirect()
        elif self.path == "/stored":
            self._send()
        else:
            self._plain(404, {"X-Error-Code": "RepoNotFound"})

    def _redirect(self) -> None:
        code, told = self.server.hub.refusal or (302, "")
        if code == 302 and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            code, told = 401, "GatedRepo"
        if code != 302:
            self._plain(code, {"X-Error-Code": told})
            return
        linked = {"X-Linked-Etag": f'"{self.server.hub.sha256}"', "X-Linked-Size": str(len(self.server.hub.content))}
        self._plain(302, linked | {"Location": f"{self.server.hub.storage}/stored"})

    def _send(self) -> None:
        self.server.hub.tokens_seen_by_storage.append(self.headers.get("Authorization"))
        self.server.hub.ranges.append(self.headers.get("Range"))
        first = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        size = len(self.server.hub.content)
        if first >= size:
            self._plain(416, {"Content-Range": f"bytes */{size}"})
            return
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(size - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        self.end_headers()
        content = bytes(size) if self.server.hub.lie else self.server.hub.content
        last = first + self.server.hub.cuts.pop(0) if self.server.hub.cuts else size
        self.wfile.write(content[first:last])
        self.close_connection = True

    def _plain(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in (headers | {"Content-Length": "0"}).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Tests read the hub's lists instead."""
