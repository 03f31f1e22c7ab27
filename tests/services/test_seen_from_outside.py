"""Several processes tell one sum, and a request's id arrives in the log of the worker that does its task."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.end_to_end.site import free_port
from tests.services.services import ROOT, address, run, surroundings
from tests.services.test_redis import PRODUCTION

pytestmark = pytest.mark.timeout(300)
T = TypeVar("T")
TOKEN = "a token of this test, long enough"
REQUEST = "0123456789abcdef0123456789abcdef"
SEND = f"""
from webapp import tracing
from webapp.library.tasks import reconcile
tracing._NOW.set(tracing.Trace(request="{REQUEST}"))
reconcile.delay()
"""


def wait_for(look: Callable[[], T | None], *, within_s: float = 120) -> T:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if (found := look()) is not None:
            return found
        time.sleep(0.2)
    raise TimeoutError("nothing came")


def metrics(port: int) -> str | None:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def started(folder: Path, *command: str, log: Path, **environment: str) -> subprocess.Popen[bytes]:
    chosen = PRODUCTION | {"METRICS_TOKEN": TOKEN, "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics")} | environment
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=surroundings(folder, **chosen), stderr=file, stdout=file
        )


def test_a_workers_processes_tell_one_sum_and_its_log_says_which_request_it_works_for(tmp_path):
    redis, port, log = address("TEST_REDIS_URL", "Redis"), free_port(), tmp_path / "log"
    command = ["celery", "-A", "webapp", "worker", "-Q", "ingest", "--concurrency", "2"]
    worker = started(tmp_path, *command, log=log, REDIS_URL=redis, METRICS_PORT=str(port))
    try:
        wait_for(lambda: metrics(port))
        sent = run(tmp_path, "manage.py", "shell", "--no-imports", "-c", SEND, REDIS_URL=redis, **PRODUCTION)
        assert sent.returncode == 0, sent.stderr[-2000:]
        ended = 'conchive_task_seconds_count{end="failure",task="webapp.library.tasks.reconcile"} 1.0'
        wait_for(lambda: True if ended in (metrics(port) or "") else None)  # there is no table yet
    finally:
        worker.terminate()
        worker.wait(60)
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    failed = next(line for line in lines if line["logger"] == "celery.app.trace")
    assert failed["request_id"] == REQUEST
    assert failed["task"] == "webapp.library.tasks.reconcile"
    assert "OperationalError: no such table" in failed["message"]


def test_web_processes_tell_one_sum(tmp_path):
    redis, port = address("TEST_REDIS_URL", "Redis"), free_port()
    command = ["granian", "--interface", "wsgi", "--port", str(port), "--workers", "2", "webapp.wsgi:application"]
    web = started(tmp_path, *command, log=tmp_path / "log", REDIS_URL=redis, HTTPS="false")
    try:
        wait_for(lambda: metrics(port))
        for _ in range(20):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(f"http://localhost:{port}/api/v1/status", timeout=20)
        pattern = r'conchive_request_seconds_count\{method="GET",status="4xx",view="[^"]*"\} (\d+)'
        for _ in range(4):
            assert sum(map(int, re.findall(pattern, metrics(port) or ""))) == 20
    finally:
        web.terminate()
        web.wait(60)
