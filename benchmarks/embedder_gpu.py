"""The towers on a GPU: model FLOPs utilisation, idle time from JPEG bytes to vectors, and what compilation would win.

`python -m benchmarks.embedder` runs this where torch finds a CUDA device. Utilisation is measured against the same card's own
peak in a large bfloat16 product, not against a data sheet.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.embedder import StraightforwardVision, encoder
from benchmarks.machine import machine, versions, write
from embedder.encoder import ConchEncoder
from embedder.images import open_rgb
from embedder.model import CONCH
from embedder.weights import load_towers, read_state_dict

BATCHES = (1, 8, 32, 64, 128, 256)
JPEGS = 2048


def main(checkpoint: Path) -> None:
    peak = peak_flops()
    fast = encoder(checkpoint, torch.bfloat16, "cuda")
    plain = load_towers(read_state_dict(checkpoint), CONCH).to("cuda")
    rates = {size: images_per_second(fast, size) for size in BATCHES}
    baseline = _rate(lambda: StraightforwardVision(plain, "cuda")(_squares(1)[0]), 1)
    report: dict[str, Any] = {
        "machine": {**machine(), "gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda},
        "versions": versions("torch", "timm", "numpy", "pillow"),
        "command": "python -m benchmarks.embedder",
        "peak bfloat16 product, TFLOP/s": peak / 1e12,
        "flop an image": image_flops(),
        "images/s by batch": rates,
        "utilisation by batch": {size: rate * image_flops() / peak for size, rate in rates.items()},
        "baseline loop, images/s": baseline,
        "ratio to the baseline loop": max(rates.values()) / baseline,
        "JPEG bytes to vectors": end_to_end(fast),
        "compiled trunk, images/s at 128": compiled(checkpoint),
        "memory at 256, GiB": torch.cuda.max_memory_allocated() / 2**30,
    }
    write("embedder-gpu", report)


def image_flops() -> float:
    """Multiplications and additions of one image through trunk and pooler (two each), without norms and activations."""
    tokens, width = CONCH.patches + 1, CONCH.vision_width
    block = 12 * width * width * tokens + 2 * tokens * tokens * width
    patches = CONCH.patches * width * 3 * CONCH.patch_side_px**2
    pooler = 2 * tokens * width * CONCH.embed_dim
    return 2.0 * (CONCH.vision_depth * block + patches + pooler)


def peak_flops(side: int = 8192) -> float:
    left, right = (torch.randn(side, side, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return _rate(lambda: left @ right, 1) * 2.0 * side**3


def images_per_second(fast: ConchEncoder, size: int) -> float:
    squares = _squares(size)
    return _rate(lambda: fast.encode_squares(squares), size)


def compiled(checkpoint: Path) -> dict[str, float | str]:
    """torch.compile with and without CUDA graphs, beside the plain trunk."""
    pixels = torch.randn(128, 3, 448, 448, device="cuda", dtype=torch.bfloat16)
    told: dict[str, float | str] = {}
    for name, mode in (("plain", None), ("compiled", "default"), ("compiled with CUDA graphs", "max-autotune")):
        visual = load_towers(read_state_dict(checkpoint), CONCH).visual.to("cuda")
        visual.use_dtype(torch.bfloat16)
        run = visual if mode is None else torch.compile(visual, mode=mode)
        try:
            with torch.inference_mode():
                told[name] = _rate(lambda run=run: run(pixels), 128)  # type: ignore[misc]
        except Exception as exc:  # noqa: BLE001 - a compiler that is absent must not cost the other numbers
            told[name] = f"failed: {type(exc).__name__}"
    return told


def end_to_end(fast: ConchEncoder) -> dict[str, float]:
    """JPEG bytes -> vectors, decoded on all cores. Idle is the share of the wall time in which no kernel ran."""
    jpegs = _jpegs()
    fast.encode_images([open_rgb(jpegs[0])] * 256)
    busy_before = _kernel_seconds(lambda: fast.encode_images([open_rgb(jpegs[0])] * 256)) / 256
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as decoders:
        decoding = [decoders.submit(open_rgb, jpeg) for jpeg in jpegs]  # goes on while the GPU computes
        for first in range(0, len(decoding), 512):
            fast.encode_images([picture.result() for picture in decoding[first : first + 512]])
    wall = time.perf_counter() - start
    return {"images": len(jpegs), "images/s": len(jpegs) / wall, "idle share of the GPU": 1 - busy_before * len(jpegs) / wall}


def _kernel_seconds(run: Callable[[], object]) -> float:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        run()
        torch.cuda.synchronize()
    return float(sum(event.self_device_time_total for event in recorded.key_averages())) / 1e6


def _rate(run: Callable[[], object], count: int, seconds: float = 3.0) -> float:
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        run()
        torch.cuda.synchronize()
        done += count
    return done / (time.perf_counter() - start)


def _squares(count: int) -> Sequence[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (448, 448, 3), np.uint8)] * count


def _jpegs() -> list[bytes]:
    """Fields of 1000 × 800 pixels of smooth noise, whose JPEG is about as large as that of tissue."""
    rng = np.random.default_rng(0)
    files = []
    for _ in range(16):
        small = Image.fromarray(rng.integers(60, 256, (200, 250, 3), np.uint8))
        buffer = io.BytesIO()
        small.resize((1000, 800), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files * (JPEGS // len(files))
