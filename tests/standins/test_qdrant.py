"""The stand-in for a Qdrant server: what rehearsals rely on beside the index's contract, which it is tested by too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from search import Nearest, Scope, VectorIndex, errors, open_server
from search.schema import ServerSettings
from tests.end_to_end.site import free_port
from tests.faults.site import ROOT
from tests.search.samples import SCHEMA, axis, point, point_id
from tests.standins.qdrant import VERSION

ALL = Scope.everything()
KEY = "only for this test"
STARTS_WITHIN_S = 30.0


@contextmanager
def process(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """As Compose starts Qdrant: told everything by its environment."""
    told = {
        "QDRANT__SERVICE__HTTP_PORT": str(port),
        "QDRANT__SERVICE__API_KEY": KEY,
        "QDRANT__STORAGE__STORAGE_PATH": str(folder),
    }
    server = subprocess.Popen([sys.executable, "-m", "tests.standins.qdrant"], cwd=ROOT, env=os.environ | told)
    try:
        _wait(f"http://127.0.0.1:{port}/readyz")
        yield server
    finally:
        server.kill()
        server.wait()


def _wait(url: str) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=1.0).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


@contextmanager
def index_at(port: int, key: str = KEY) -> Iterator[VectorIndex]:
    index = open_server(
        f"http://127.0.0.1:{port}", api_key=key, settings=ServerSettings(live_version_cache_s=0.0), prefer_grpc=False
    )
    try:
        yield index
    finally:
        index.close()


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path):
    port = free_port()
    with process(tmp_path, port) as server, index_at(port) as index:
        index.ensure(SCHEMA)
        index.upsert([point(number, axis(number)) for number in range(20)])
        server.send_signal(signal.SIGKILL)
        server.wait()
    with process(tmp_path, port), index_at(port) as index:
        assert index.count(scope=ALL) == 20
        assert index.query(Nearest(axis(3)), scope=ALL, limit=1)[0].id == point_id(3)
        assert index.health().engine_version == VERSION


def test_without_its_key_nothing_is_told_but_that_it_is_there(tmp_path):
    port = free_port()
    with process(tmp_path, port), index_at(port, key="another") as index:
        with pytest.raises(errors.AccessRefused):
            index.ensure(SCHEMA)
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/collections").status_code == 401


def test_threads_that_write_at_once_lose_no_point(tmp_path):
    port = free_port()
    with process(tmp_path, port), index_at(port) as index, ThreadPoolExecutor(8) as threads:
        index.ensure(SCHEMA)
        list(threads.map(lambda first: index.upsert([point(first + n, axis(n)) for n in range(20)]), range(0, 160, 20)))
        assert index.count(scope=ALL) == 160


def test_what_it_does_not_know_it_says(standin):
    told = httpx.post(f"{standin.url}/collections/x/snapshots", headers={"api-key": standin.key})
    assert told.status_code == 501
    assert "does not know" in told.json()["status"]["error"]
