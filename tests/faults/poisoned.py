"""The real decoder process, but for files that say how it shall end. Run by poison/sitecustomize.py only."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from embedder.decoder import JOBS, serve

CRASH, HANG = b"poison: crash", b"poison: hang"


def poisoned(job: Any) -> Any:
    def work(data: Any, **how: Any) -> Any:
        if CRASH in bytes(data):
            os.abort()
        if HANG in bytes(data):
            time.sleep(3600)
        return job(data, **how)

    return work


if __name__ == "__main__":
    jobs = {name: poisoned(job) for name, job in JOBS.items()}
    serve(descriptor=int(sys.argv[-2]), memory_bytes=int(sys.argv[-1]), jobs=jobs)
