"""A whole site in a process of its own, as its users start it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_S = 200.0  # on a busy machine; well below the limit of one test, so that its reason is told
STOP_S = 60.0
DONE_S = 120.0  # of an upload


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(
    folder: Path,
    *arguments: str,
    stderr: int = subprocess.STDOUT,
    encoder: str = "fake",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[str]:
    """manage.py on a data folder, with the fake encoder unless told; standard output and error together unless told.

    ``settings``: as the environment names them.
    """
    environment = os.environ | {
        "CONCHIVE_DATA": str(folder),
        "CONCHIVE_ENCODER": encoder,
        "OMP_NUM_THREADS": "1",
        "PYTHONFAULTHANDLER": "1",
    }
    for name in ("REDIS_URL", "QDRANT_URL", "DATABASE_URL", "CONCHIVE_DEMO"):
        environment.pop(name, None)
    return subprocess.Popen(
        [sys.executable, "-u", "manage.py", *arguments],
        cwd=ROOT,
        env=environment | dict(settings),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


@dataclass
class Site:
    url: str
    folder: Path
    process: subprocess.Popen[str]

    def api(self, path: str) -> Any:
        """As the operator, by the token in server.json."""
        token = json.loads((self.folder / "server.json").read_text())["token"]
        asked = urllib.request.Request(f"{self.url}/api/v1{path}", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)

    def wait_for(self, upload: str) -> dict[str, int]:
        """How many of its files are in which state, once nothing changes any more."""
        until = time.monotonic() + DONE_S
        while time.monotonic() < until:
            told = self.api(f"/uploads/{upload}")
            if told["done"]:
                return {state: n for state, n in told["counts"].items() if n}
            time.sleep(0.2)
        raise AssertionError(f"not done: {told['counts']}")

    def stop(self, how: signal.Signals) -> tuple[int, str]:
        """Exit status and everything that was printed."""
        self.process.send_signal(how)
        printed, _ = self.process.communicate(timeout=STOP_S)
        return self.process.returncode, printed


@contextmanager
def started(folder: Path, *arguments: str, encoder: str = "fake", **settings: str) -> Iterator[Site]:
    """`manage.py up` or `demo` on a free port, answering; killed at the end if it still runs."""
    port = free_port()
    process = command(folder, *arguments, "--listen", f"127.0.0.1:{port}", encoder=encoder, settings=settings)
    site = Site(f"http://127.0.0.1:{port}", folder, process)
    try:
        _wait(site)
        yield site
    finally:
        site.process.kill()
        with suppress(subprocess.TimeoutExpired):  # a child of it may hold the pipe
            site.process.communicate(timeout=5.0)


def _wait(site: Site) -> None:
    """Raises with everything that was printed, and where each thread stood, if it does not answer."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if site.process.poll() is not None:
            raise RuntimeError(f"the site ended: {site.process.communicate()[0]}")
        try:
            with urllib.request.urlopen(f"{site.url}/healthz", timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    site.process.send_signal(signal.SIGABRT)  # faulthandler prints every thread
    try:
        printed = site.process.communicate(timeout=10.0)[0]
    except subprocess.TimeoutExpired as late:
        printed = str(late.stdout)
    raise TimeoutError(f"the site did not answer: {printed}")
