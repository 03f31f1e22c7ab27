"""Files to upload by the hundred: small, each unlike the others."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page


def tile(number: int) -> bytes:
    """A PNG whose pixels are those of no other number below 16 million."""
    written = io.BytesIO()
    Image.new("RGB", (48, 48), (number % 256, number // 256 % 256, 160)).save(written, "png")
    return written.getvalue()


def folder_of(folder: Path, n: int, *, first: int = 0) -> Path:
    """``n`` tiles, half of them in a folder below."""
    (folder / "below").mkdir(parents=True)
    for number in range(first, first + n):
        (folder / ("below" if number % 2 else ".") / f"tile-{number:04}.png").write_bytes(tile(number))
    return folder


def archive_of(path: Path, n: int, *, first: int) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for number in range(first, first + n):
            packed.writestr(f"inside/tile-{number:04}.png", tile(number))
    return path


def drop(page: Page, path: Path, *, on: str) -> None:
    """As from a file manager: the browser itself reads the folder."""
    box = page.locator(on).bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 20}
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    session.detach()
