"""Drawing in processes of their own: never forked from a busy parent, and gone with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

from embedder.processes import drawing_pool

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import os, signal, sys
from embedder.processes import drawing_pool
if __name__ == "__main__":
    with drawing_pool(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_is_started_afresh_so_no_lock_of_another_thread_is_inherited():
    with drawing_pool(1) as pool:
        assert pool._mp_context is get_context("spawn")
        assert pool.submit(os.getpid).result() != os.getpid()


def test_a_worker_whose_parent_was_killed_ends_too(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.run([sys.executable, script], env=environment, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert parent.returncode == -signal.SIGKILL  # and the pipe closed, which the worker would have held open
    worker, until = int(parent.stdout), time.monotonic() + 20
    while _lives(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(worker)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False
