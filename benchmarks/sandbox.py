"""What decoding in a child process costs: start-up, memory, and each image against decoding here.

python -m benchmarks.sandbox
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from embedder import Sandbox, open_rgb, read_header

REPEATS = 50


def main() -> None:
    field, tile = jpeg(2000, 1500), jpeg(224, 224)
    with Sandbox() as sandbox:
        begun = time.perf_counter()
        held = sandbox.confinement()
        print(f"start {time.perf_counter() - begun:.3f} s, {resident_mb(sandbox):.0f} MB, confined by {sorted(held)}")
        print(f"first image {milliseconds(partial(sandbox.open_rgb, field)):.1f} ms")
        for name, data in (("2000 x 1500 JPEG", field), ("224 x 224 JPEG", tile)):
            print(f"{name}: {compared(partial(open_rgb, data), partial(sandbox.open_rgb, data))}")
        print(f"header: {compared(partial(read_header, field), partial(sandbox.read_header, field))}")


def jpeg(width: int, height: int) -> bytes:
    """Blurred noise: about as many bytes a pixel as stained tissue."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2)).save(file, "JPEG", quality=90)
    return file.getvalue()


def compared(here: Callable[[], object], there: Callable[[], object]) -> str:
    """Medians of calls in turn, so that other work on the machine slows both alike."""
    pairs = [(milliseconds(here), milliseconds(there)) for _ in range(REPEATS)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return f"here {ours:.2f} ms, sandbox {theirs:.2f} ms, {statistics.median(b - a for a, b in pairs):.2f} ms more"


def milliseconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - begun)


def resident_mb(sandbox: Sandbox) -> float:
    status = Path(f"/proc/{sandbox.pids()[0]}/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
