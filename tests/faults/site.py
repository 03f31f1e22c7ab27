"""The whole site as one process of its own, to be killed; and a client that keeps a ledger of what it was promised."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.end_to_end.site import free_port

ROOT = Path(__file__).parents[2]
SERVICES = ("DATABASE_URL", "REDIS_URL", "QDRANT_URL")
START_S, SETTLE_S = 120.0, 240.0


class Site:
    """``manage.py up`` on its own data folder with the fake encoder; may be killed and started any number of times."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.log = folder.parent / "site.log"
        self.process: subprocess.Popen[bytes] | None = None
        inherited = {name: value for name, value in os.environ.items() if name not in SERVICES}
        self.environment = inherited | {
            "CONCHIVE_DATA": str(folder), "CONCHIVE_ENCODER": "fake", "DECODE_WORKERS": "1", "DEBUG": "1",
        }  # fmt: skip

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            command = [sys.executable, "manage.py", "up", "--listen", f"127.0.0.1:{self.port}"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self.process is None or self.process.poll() is not None:
                raise AssertionError(f"the site ended at start:\n{self.log.read_text()[-4000:]}")
            if self._token_of_this_process() and _answers(f"http://127.0.0.1:{self.port}/healthz"):
                return
            time.sleep(0.1)
        raise AssertionError(f"the site does not answer:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )  # fmt: skip

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._token_of_this_process()}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}/api/v1", headers=headers, timeout=30.0)

    def _token_of_this_process(self) -> str:
        try:
            told = json.loads((self.folder / "server.json").read_text())
        except (FileNotFoundError, ValueError):
            return ""
        return str(told["token"]) if self.process is not None and told["pid"] == self.process.pid else ""


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    site = Site(folder)
    site.start()
    try:
        yield site
    finally:
        site.stop()


def settled_receipt(site: Site, upload: str) -> dict[str, Any]:
    """The receipt when nothing of it runs any more. Raises AssertionError after SETTLE_S."""
    until = time.monotonic() + SETTLE_S
    told: dict[str, Any] = {}
    with site.client() as client:
        while time.monotonic() < until:
            told = client.get(f"/uploads/{upload}").json()
            if told["done"]:
                return told
            time.sleep(0.5)
    raise AssertionError(f"still running after {SETTLE_S} s: {told['counts']}\n{site.log.read_text()[-4000:]}")
