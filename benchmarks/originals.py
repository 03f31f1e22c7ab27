"""What keeping originals encrypted, or as pixels, costs, and a file of many pages: `python -m benchmarks.originals`."""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from embedder import Sandbox

PAGE_PX = (1500, 2000)  # height, width: 9 MB uncompressed
FIELD_PX = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--pages", type=int, default=50)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "webapp.settings", "CONCHIVE_DATA": folder}
        import django

        django.setup()
        encryption(Path(folder), asked.megabytes)
        png()
        pages(Path(folder), asked.pages)


def encryption(folder: Path, megabytes: int) -> None:
    """A file of noise on the disk, encrypted as accept() does it, and read back to the last byte."""
    from django.conf import settings

    from webapp.library import age

    age.new_key(folder / "key")
    settings.ORIGINALS_KEY_FILE = str(folder / "key")
    piece = np.random.default_rng(0).bytes(1 << 20)
    with (folder / "plain").open("wb") as file:
        for _ in range(megabytes):
            file.write(piece)
    before = peak_mb()
    with (folder / "plain").open("rb") as plain, (folder / "x.age").open("wb") as file:
        begun = time.perf_counter()
        age.encrypt(plain, file)
        encrypting = time.perf_counter() - begun
    begun, digest = time.perf_counter(), hashlib.sha256()
    with age.opened((folder / "x.age").open("rb")) as opened:
        while chunk := opened.read(1 << 20):
            digest.update(chunk)
    decrypting = time.perf_counter() - begun
    print(
        f"{megabytes} MiB: encrypted {megabytes / encrypting:.0f} MiB/s, decrypted and hashed {megabytes / decrypting:.0f} MiB/s"
    )
    print(f"memory {peak_mb() - before:+.0f} MB at the peak")


def png() -> None:
    """Of blurred noise, about as compressible as stained tissue."""
    from webapp.library.originals import PNG_LEVEL

    noise = np.random.default_rng(0).integers(0, 256, (FIELD_PX // 4, FIELD_PX // 4, 3), np.uint8)
    field = Image.fromarray(noise).resize((FIELD_PX, FIELD_PX), Image.Resampling.BICUBIC)
    packed, begun = io.BytesIO(), time.process_time()  # of this process: other work on the machine is not counted
    field.save(packed, "PNG", compress_level=PNG_LEVEL)
    spent = time.process_time() - begun
    sizes = f"{len(packed.getbuffer()) / 1e6:.1f} of {3 * FIELD_PX**2 / 1e6:.0f} MB"
    print(f"PNG of {FIELD_PX} x {FIELD_PX}: {1000 * spent:.0f} ms, {sizes}")


def pages(folder: Path, count: int) -> None:
    """The file is sent to the decoder once for each page."""
    path = folder / "pages.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in range(count):
            writer.write(np.full((*PAGE_PX, 3), page, np.uint8), photometric="rgb", metadata=None, contiguous=False)
    with Sandbox() as sandbox:
        sandbox.decode(path)
        begun = time.perf_counter()
        for page in range(count):
            assert sandbox.decode(path, page=page)[1][0, 0, 0] == page
        spent = time.perf_counter() - begun
    megabytes = path.stat().st_size / 1e6
    print(f"{count} pages of {PAGE_PX[1]} x {PAGE_PX[0]} in {megabytes:.0f} MB: {1000 * spent / count:.0f} ms a page")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
