"""What a file says about its picture, without decoding a pixel, and nothing about a person."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from embedder import errors, mpp
from embedder.images import DICOM, TIFF, Limits, Source, read_source, refuse_page, sniff, translated

PILLOW_MODES = {
    "1": ("grey", 1),
    "L": ("grey", 8),
    "LA": ("grey+alpha", 8),
    "I": ("grey", 32),
    "F": ("grey", 32),
    "P": ("palette", 8),
    "PA": ("palette", 8),
    "RGB": ("RGB", 8),
    "RGBX": ("RGB", 8),
    "RGBA": ("RGB+alpha", 8),
    "CMYK": ("CMYK", 8),
    "YCbCr": ("RGB", 8),
    "LAB": ("LAB", 8),
}
MODES = ("grey", "grey+alpha", "RGB", "RGB+alpha", "palette", "CMYK", "LAB", "many channels")
_ORIENTATION = 0x0112


@dataclass(frozen=True, kw_only=True)
class Header:
    """``width`` × ``height`` pixels as open_rgb would give them (upright); of a whole slide, its largest level.

    ``mode`` is one of MODES; ``depth`` is bits per sample; ``frames`` counts pages, frames and slices. ``mpp`` is micrometres
    per pixel, None where the file does not say it believably. A ``whole_slide`` is one that open_rgb refuses for that.
    ``pages`` counts the separate pictures that open_rgb gives by number; slices, channels, levels and thumbnails are none.
    ``has_label``: beside them the file may hold pictures that are never shown: a slide's label, its overview.
    """

    format: str
    width: int
    height: int
    mode: str
    depth: int
    frames: int
    mpp: float | None
    whole_slide: bool
    pages: int = 1
    has_label: bool = False


def read_header(source: Source, *, limits: Limits | None = None, page: int = 0) -> Header:
    """A file, its bytes or an open binary file -> its Header. Same limits and errors as open_rgb, except for whole slides.

    A file that is damaged further in than its header is not noticed here.
    """
    limits = limits or Limits()
    data = read_source(source, limits)
    kind = sniff(data)
    if kind == TIFF:
        from embedder.tiff import tiff_header

        return tiff_header(data, limits, page)
    refuse_page(page)
    if kind == DICOM:
        from embedder.dicom import dicom_header

        return dicom_header(data, limits)
    return _pillow_header(data, kind, limits)


def _pillow_header(data: bytes, kind: str, limits: Limits) -> Header:
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            limits.check_size(*image.size)
            frames = getattr(image, "n_frames", 1)
            limits.check_frames(frames)
            return _header_of(image, kind, frames)
    except errors.ImageError:
        raise
    except Exception as exc:
        raise translated(exc) from exc


def _header_of(image: Image.Image, kind: str, frames: int) -> Header:
    width, height = image.size[::-1] if _lies_on_its_side(image) else image.size
    mode, depth = PILLOW_MODES.get(image.mode, ("grey", 16))
    return Header(
        format=kind,
        width=width,
        height=height,
        mode=mode,
        depth=depth,
        frames=frames,
        mpp=mpp.from_dpi(image.info.get("dpi")),
        whole_slide=False,
    )


def _lies_on_its_side(image: Image.Image) -> bool:
    try:
        return image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception:  # noqa: BLE001 - broken EXIF raises almost anything, and open_rgb reads the picture without it
        return False
