"""The pictures that pages show: re-encoded from pixels, so that nothing else of the file comes along."""

from __future__ import annotations

import io

from PIL import Image as Pictures

DISPLAY_PX, THUMBNAIL_PX = 2048, 400  # long sides
QUALITY = 85
DISPLAY_GAP, THUMBNAIL_GAP = 2.0, 1.2  # box averages first, down to so many times the size: finer, or twice as fast


def display_of(picture: Pictures.Image) -> tuple[bytes, Pictures.Image]:
    """The JPEG, and the picture that it shows."""
    shown = shrunk(picture, DISPLAY_PX, gap=DISPLAY_GAP)
    return jpeg(shown), shown


def thumbnail_of(picture: Pictures.Image) -> bytes:
    return jpeg(shrunk(picture, THUMBNAIL_PX, gap=THUMBNAIL_GAP))


def shrunk(picture: Pictures.Image, long_side_px: int, *, gap: float) -> Pictures.Image:
    """``picture`` itself where it is no larger."""
    scale = long_side_px / max(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Pictures.Resampling.LANCZOS, reducing_gap=gap)


def jpeg(picture: Pictures.Image) -> bytes:
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=QUALITY)
    return packed.getvalue()
