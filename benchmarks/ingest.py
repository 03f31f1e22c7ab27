"""How fast files become searchable, where the time goes, and whether memory stays flat: `python -m benchmarks.ingest`.

Photographs of ``--size`` pixels come in by accept() and go through the pipeline of this process: decode in the sandbox,
derivatives, rows, vectors, index. The time of each step is the sum over the threads that worked on it, so that the steps may add
up to more than the clock: with 2 cores, to twice as much.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image as Pictures

from benchmarks.machine import machine, resident_mib, versions, write

TARGET_IMAGES_PER_S = 20.0
DISTINCT = 16  # photographs drawn; the others differ from them by a comment in the file


class Clock:
    """Seconds spent in named steps over all threads: by the clock, and of this process's processor time."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.cpu_seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def run(*arguments: Any, **options: Any) -> Any:
            start, cpu = time.perf_counter(), time.thread_time()
            try:
                return call(*arguments, **options)
            finally:
                with self._lock:
                    self.seconds[name] += time.perf_counter() - start
                    self.cpu_seconds[name] += time.thread_time() - cpu

        return run


def photographs(size: tuple[int, int]) -> list[bytes]:
    """JPEGs of quality 90 with the structure of tissue at several scales; about 0.25 bytes a pixel, as cameras write."""
    rng = np.random.default_rng(1)
    return [_photograph(rng, size) for _ in range(DISTINCT)]


def _photograph(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    drawn = np.zeros((size[1], size[0], 3), np.float32)
    for cells, weight in ((6, 90.0), (40, 60.0), (220, 45.0)):
        coarse = rng.normal(0, weight, (cells * size[1] // size[0] + 1, cells, 3)).astype(np.float32)
        for channel in range(3):
            layer = Pictures.fromarray(coarse[:, :, channel]).resize(size, Pictures.Resampling.BICUBIC)
            drawn[:, :, channel] += np.asarray(layer)
    packed = io.BytesIO()
    Pictures.fromarray(np.clip(drawn + np.array([190, 130, 170]), 0, 255).astype(np.uint8)).save(packed, "JPEG", quality=90)
    return packed.getvalue()


def numbered(photograph: bytes, number: int) -> bytes:
    """Other bytes, the same pixels: a JPEG comment after the first marker."""
    comment = b"%012d" % number
    return photograph[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photograph[2:]


def decoders_mib(pids: list[int]) -> float:
    return sum(map(resident_mib, pids))


def decoders_cpu_s(pids: list[int]) -> float:
    """Of the decoders that run now; those that were replaced meanwhile are missing, one in 500 images."""
    ticks = 0
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            told = stat.read_text().rpartition(")")[2].split()
            ticks += int(told[11]) + int(told[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def steps(clock: Clock) -> Iterator[Any]:
    """Patches that time each step where it is called."""
    from embedder import Sandbox
    from webapp import wiring
    from webapp.library import derivatives, files, index, ingest, leases, pipeline, pixels

    encoder = wiring.get_encoder()
    for owner, name, step in (
        (ingest, "accept", "accept: receive, hash, force to disk, rows"),
        (Sandbox, "decode", "decode"),
        (derivatives, "display_of", "display picture"),
        (derivatives, "thumbnail_of", "thumbnail"),
        (files, "force", "forcing files to disk"),
        (pixels, "keep", "pixels to the encoder's spool"),
        (pixels, "load", "pixels from the spool, verified"),
        (pixels, "digest_of", "checksum of pixels"),
        (encoder, "encode_images", "encode"),
        (pipeline, "claim", "claims (SQL)"),
        (pipeline, "_store_decoded", "decoded rows (SQL)"),
        (pipeline, "_store_vectors", "vector rows (SQL)"),
        (index, "send_regions", "index"),
        (leases, "renew", "leases (SQL)"),
    ):
        yield patch.object(owner, name, clock.timed(step, getattr(owner, name)))


def run(images: int, size: tuple[int, int], batch: int) -> dict[str, Any]:
    """``images`` in uploads of ``batch``: each is accepted, then worked on, as `manage.py add` does."""
    from webapp import wiring

    clock, drawn, collection = Clock(), photographs(size), _collection()
    memory, progress = [], []
    with ExitStack() as stack:
        for patched in steps(clock):
            stack.enter_context(patched)
        start, cpu = time.perf_counter(), time.process_time()
        for first in range(0, images, batch):
            _one_upload(collection, drawn, range(first, min(first + batch, images)))
            memory.append({"images": first + batch, "site_mib": round(resident_mib(), 1)})
            memory[-1]["decoders_mib"] = round(decoders_mib(wiring.get_sandbox().pids()), 1)
            progress.append(time.perf_counter() - start)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        decoders_cpu = decoders_cpu_s(wiring.get_sandbox().pids())
    cost = {
        "cpu_ms_per_image": {
            "this process": round(1e3 * cpu / images, 1),
            "decoders": round(1e3 * decoders_cpu / images, 1),
        },
        "images_per_s_of_two_free_cores": round(2 * images / (cpu + decoders_cpu), 1),
    }
    return cost | _report(images, size, wall, clock, memory, progress, bytes_each=len(drawn[0]))


def _collection() -> Any:
    from webapp.accounts.models import Team
    from webapp.library.models import Collection

    return Collection.objects.create(team=Team.objects.create(name="Benchmark"), name="Photographs")


def _one_upload(collection: Any, drawn: list[bytes], numbers: range) -> None:
    from webapp.library import ingest, working

    announced = [ingest.NewFile(f"{number}.jpg") for number in numbers]
    upload = ingest.start_upload(user=None, collection=collection, source="bench", files=announced)
    for number, item in zip(numbers, upload.items.select_related("upload__collection").order_by("pk"), strict=True):
        ingest.accept(item, io.BytesIO(numbered(drawn[number % DISTINCT], number)))
    working.work()


def _report(
    images: int,
    size: tuple[int, int],
    wall: float,
    clock: Clock,
    memory: list[dict[str, Any]],
    progress: list[float],
    *,
    bytes_each: int,
) -> dict[str, Any]:
    from webapp.library import verify
    from webapp.library.models import Embedding, Image, State

    done = Image.objects.filter(state=State.READY).count()
    return {
        "images": images,
        "size_px": size,
        "bytes_each": bytes_each,
        "ready": done,
        "regions": Embedding.objects.count(),
        "seconds": round(wall, 2),
        "images_per_s": round(done / wall, 2),
        "ms_per_image": {name: round(1e3 * spent / images, 2) for name, spent in _most_first(clock.seconds)},
        "cpu_ms_per_image_by_step": {name: round(1e3 * spent / images, 2) for name, spent in _most_first(clock.cpu_seconds)},
        "encoder_idle_share": round(1 - clock.seconds["encode"] / wall, 3),
        "memory": memory,
        "seconds_after_each_upload": [round(at, 1) for at in progress],
        "verify_clean": verify.verify().clean,
    }


def _most_first(spent: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(spent.items(), key=lambda step: -step[1])


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--images", type=int, default=400)
    asked.add_argument("--size", default="2000x1500")
    asked.add_argument("--batch", type=int, default=100)
    asked.add_argument("--encoder", default="fake")
    asked.add_argument("--data", type=Path, default=None, help="an empty folder; a temporary one by default")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="conchive-bench-", dir=given.data) as folder:
        os.environ |= {"CONCHIVE_DATA": folder, "CONCHIVE_ENCODER": given.encoder, "LOG_LEVEL": "WARNING"}
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
        width, height = (int(side) for side in given.size.split("x"))
        report = _measure(given.images, (width, height), given.batch)
    where = {"machine": machine(), "versions": versions("django", "celery", "pillow", "qdrant-edge-py", "numpy")}
    write(f"ingest-{given.encoder}", where | {"encoder": given.encoder, "target_images_per_s": TARGET_IMAGES_PER_S} | report)


def _measure(images: int, size: tuple[int, int], batch: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    from webapp import wiring

    call_command("migrate", verbosity=0)
    try:
        return run(images, size, batch)
    finally:
        wiring.forget()


if __name__ == "__main__":
    main()
