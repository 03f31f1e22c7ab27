"""How fast a large zip archive is judged and unpacked, how much memory that takes, and how soon a cancel is heard:
`python -m benchmarks.archives --members 100000`.

Small PNGs of distinct bytes, stored in an archive of folders of a thousand. Unpacking is the job's part: rows, streams, hashes,
files forced to disk. Decoding and embedding come after it, and are benchmarks.ingest's.
"""

from __future__ import annotations

import argparse
import os
import struct
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.ingest import Clock
from benchmarks.machine import machine, resident_mib, versions, write

SIDE_PX = 24  # about 1.75 kB a file: 100,000 are 175 MB
A_FOLDER = 1000


def small_png(number: int, noise: bytes) -> bytes:
    """Incompressible, and like no other: ``number`` is its first pixel's."""
    row = SIDE_PX * 3
    pixels = number.to_bytes(4, "big") + noise[4:]
    lines = b"".join(b"\0" + pixels[start : start + row] for start in range(0, len(pixels), row))
    head = struct.pack(">2L5B", SIDE_PX, SIDE_PX, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 0)), (b"IEND", b""))
    packed = (len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def make(path: Path, members: int) -> None:
    noise = os.urandom(SIDE_PX * SIDE_PX * 3)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(members):
            archive.writestr(f"f{number // A_FOLDER:03}/{number:06}.png", small_png(number, noise))


@contextmanager
def peak(told: dict[str, float]) -> Iterator[None]:
    """The highest resident memory of this process within, looked at 20 times a second."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            told["peak_mib"] = max(told.get("peak_mib", 0.0), round(resident_mib(), 1))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def run(folder: Path, members: int, stop_after: int) -> dict[str, Any]:
    from webapp.accounts.models import Team
    from webapp.library import files
    from webapp.library.archives import safety
    from webapp.library.archives.limits import Limits
    from webapp.library.models import Collection

    collection = Collection.objects.create(team=Team.objects.create(name="Benchmark"), name="Archive")
    path = folder / "slides.zip"
    make(path, members)
    report: dict[str, Any] = {
        "members": members,
        "archive_bytes": path.stat().st_size,
        "rss_before_mib": round(resident_mib(), 1),
    }
    item, report["receive_s"] = _timed(lambda: _received(collection, path))
    with safety.opened(files.archive(item.key)) as file:
        told, report["verdict_s"] = _timed(lambda: safety.contents(file, Limits.of(item.upload)))
    report["files_found"] = len(told.files)
    del told
    memory: dict[str, float] = {}
    with peak(memory):
        report["unpack"] = _unpacked(item, stop_after)
    if not stop_after:
        report["cancel"] = _unpacked(_received(collection, path), 1)
    return report | {"rss": memory}


def _unpacked(item: Any, stop_after: int) -> dict[str, Any]:
    """``stop_after``: files, after which it is cancelled; 0: all of it."""
    from webapp.library import ingest, jobs
    from webapp.library.models import Job

    clock, job = Clock(), Job.objects.get(upload=item.upload)
    accept, taken, cancelled_at = ingest.accept, 0, 0.0

    def counts(*arguments: Any) -> Any:
        nonlocal taken, cancelled_at
        taken += 1
        if taken == stop_after:
            jobs.cancel(job)
            cancelled_at = time.perf_counter()
        return accept(*arguments)

    with patch.object(ingest, "accept", counts), _steps(clock):
        cpu = time.process_time()
        _, seconds = _timed(lambda: jobs.run(job.pk))
        cpu = time.process_time() - cpu
    accepting = clock.seconds["accept: receive, hash, force to disk, rows"]
    told: dict[str, Any] = {
        "seconds": seconds,
        "cpu_s": round(cpu, 3),
        "taken": taken,
        "rows_s": round(clock.seconds["rows for every member"], 3),
    }
    told |= {
        "ms_per_file": {name: round(1e3 * spent / taken, 3) for name, spent in clock.seconds.items() if "rows for" not in name}
    }
    told["files_per_s_of_accepting"] = round(taken / accepting, 1)
    if cancelled_at:
        told |= {
            "cancel_s": round(time.perf_counter() - cancelled_at, 3),
            "cancelled": item.members.filter(state="cancelled").count(),
        }
    return told


def _timed(call: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    result = call()
    return result, round(time.perf_counter() - start, 3)


def _received(collection: Any, path: Path) -> Any:
    from webapp.library import ingest

    announced = [ingest.NewFile(path.name, path.stat().st_size)]
    upload = ingest.start_upload(user=None, collection=collection, source="bench", files=announced)
    return ingest.accept(upload.items.get(), path)


@contextmanager
def _steps(clock: Clock) -> Iterator[None]:
    from webapp.library import files, ingest
    from webapp.library.archives import taking

    with (
        patch.object(taking, "_write_rows", clock.timed("rows for every member", taking._write_rows)),
        patch.object(ingest, "accept", clock.timed("accept: receive, hash, force to disk, rows", ingest.accept)),
        patch.object(files, "force", clock.timed("forcing files to disk", files.force)),
        patch.object(files, "sync_folder", clock.timed("forcing folders to disk", files.sync_folder)),
    ):
        yield


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--members", type=int, default=100_000)
    asked.add_argument("--data", type=Path, default=None, help="a folder with room; the system's temporary one by default")
    asked.add_argument("--stop-after", type=int, default=0, help="files after which it is cancelled: for a look at the rest")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="conchive-bench-", dir=given.data) as folder:
        os.environ |= {"CONCHIVE_DATA": folder, "CONCHIVE_ENCODER": "fake", "LOG_LEVEL": "WARNING"}
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
        report = _measure(Path(folder), given.members, given.stop_after)
    write(f"archives-{given.members // 1000}k", {"machine": machine(), "versions": versions("django")} | report)


def _measure(folder: Path, members: int, stop_after: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return run(folder, members, stop_after)


if __name__ == "__main__":
    main()
