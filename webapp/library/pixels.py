"""Decoded pixels on their way from the decoder to the encoder: exactly those, or decoded again from the original.

Where one process does both, they wait in its memory, up to HELD_BYTES of them; else, and beyond that, in files/pixels, as long as
fewer than SPOOL_BYTES wait there. embed() takes them from there, or decodes. What is read back from a file must have the
checksum that SQL knows: these files are not forced onto the disk.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid

import numpy as np
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image as Pictures

from webapp import wiring
from webapp.library import files, originals
from webapp.library.models import Image

SPOOL_BYTES = 2 * 2**30
HELD_BYTES = 192 * 2**20
HELD_S = 600.0  # an image that was deleted, or failed, on the way is never asked for again

Rows = NDArray[np.uint8]
_HELD: dict[uuid.UUID, tuple[float, str, Rows]] = {}  # image -> (since when, checksum, pixels)
_HOLDING = threading.Lock()


def digest_of(rows: Rows) -> str:
    """sha256 of the RGB bytes, row by row."""
    return hashlib.sha256(rows.data).hexdigest()


def keep(image: uuid.UUID, rows: Rows, digest: str) -> bool:
    """False where too much waits already. ``digest``: of ``rows``."""
    return (settings.EMBEDDED and _hold(image, rows, digest)) or _spool(image, rows)


def _hold(image: uuid.UUID, rows: Rows, digest: str) -> bool:
    now = time.monotonic()
    with _HOLDING:
        for old in [key for key, (since, _, _) in _HELD.items() if now - since > HELD_S]:
            del _HELD[old]
        if sum(held.nbytes for _, _, held in _HELD.values()) + rows.nbytes > HELD_BYTES:
            return False
        _HELD[image] = (now, digest, rows)
    return True


def _spool(image: uuid.UUID, rows: Rows) -> bool:
    if waiting_bytes() > SPOOL_BYTES:
        return False
    with files.incoming() as (draft, file):
        np.save(file, rows, allow_pickle=False)
        file.flush()
        files.put(draft, files.pixels(image), durable=False)
    return True


def waiting_bytes() -> int:
    folder = files.root() / files.PIXELS
    return sum(_size(path) for path in folder.iterdir()) if folder.exists() else 0


def load(image: Image) -> Pictures.Image:
    """The image as the decoder gave it, RGB. Raises as Sandbox.open_rgb, and OSError where its file is gone or has no key."""
    kept = _held(image) or _kept(image)
    if kept is not None:
        return kept
    with originals.located(image) as (source, page):
        return wiring.get_sandbox().open_rgb(source, limits=wiring.decode_limits(), page=page)


def forget(image: uuid.UUID) -> None:
    with _HOLDING:
        held = _HELD.pop(image, None)
    if held is None:
        files.pixels(image).unlink(missing_ok=True)


def forget_held() -> None:
    """All that this process holds; they are decoded again where they are needed."""
    with _HOLDING:
        _HELD.clear()


def _held(image: Image) -> Pictures.Image | None:
    with _HOLDING:
        held = _HELD.get(image.pk)
    if held is None or held[1] != image.pixels_sha256:
        return None
    return Pictures.fromarray(held[2])


def _kept(image: Image) -> Pictures.Image | None:
    try:
        rows = np.load(files.pixels(image.pk), allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError):  # absent, or cut by a power loss
        return None
    intact = rows.shape == (image.height, image.width, 3) and digest_of(rows) == image.pixels_sha256
    return Pictures.fromarray(rows) if intact else None


def _size(path: object) -> int:
    try:
        return path.stat().st_size  # type: ignore[attr-defined, no-any-return]
    except FileNotFoundError:  # embedded just now
        return 0
