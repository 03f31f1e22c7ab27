"""Untrusted bytes -> upright 8-bit RGB. Limits come first, the content decides the format, nothing but pixels comes out.

One image: read_source -> sniff -> a reader (Pillow here, tiff.py, dicom.py): header, then pixels -> a fresh picture.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from errno import EINVAL
from stat import S_ISREG
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from embedder import errors
from embedder.scaling import to_8_bit


@dataclass(frozen=True)
class Streamed:
    """A file without a path of its own: ``size`` bytes, read from what open() gives. Raises what open() raises."""

    size: int
    open: Callable[[], BinaryIO]


Source = str | os.PathLike[str] | bytes | BinaryIO | Streamed

TIFF, DICOM = "TIFF", "DICOM"
PILLOW_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "JPEG2000", "AVIF")
_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is refused before a pixel is decoded. Sides in pixels; ``max_aspect`` is the long side over the short one.

    ``max_pages``: separate pictures in one file; ``max_pages_pixels``: of all of them together, since each is decoded.
    """

    max_bytes: int = 2**30
    max_pixels: int = 100_000_000
    min_side_px: int = 16
    max_aspect: float = 20.0
    max_frames: int = 10_000
    max_pages: int = 200
    max_pages_pixels: int = 1_000_000_000

    def check_size(self, width: int, height: int) -> None:
        """Raises TooManyPixels, ImageTooSmall or ImageTooElongated."""
        if width * height > self.max_pixels:
            raise errors.TooManyPixels(f"The image has {width} × {height} pixels; at most {self.max_pixels} are read.")
        if min(width, height) < self.min_side_px:
            raise errors.ImageTooSmall(f"The image is {width} × {height} pixels; each side needs at least {self.min_side_px}.")
        if max(width, height) > self.max_aspect * min(width, height):
            raise errors.ImageTooElongated(
                f"The image is {width} × {height} pixels: more than {self.max_aspect:g} times as long as it is wide."
            )

    def check_frames(self, frames: int) -> None:
        """Raises TooManyFrames."""
        if frames > self.max_frames:
            raise errors.TooManyFrames(f"The file holds {frames} frames; at most {self.max_frames} are allowed.")

    def check_pages(self, pages: int, pixels: int) -> None:
        """``pixels``: of all pages. Raises TooManyPages, TooManyPixels."""
        if pages > self.max_pages:
            raise errors.TooManyPages(f"The file holds {pages} pictures; at most {self.max_pages} are read from one file.")
        if pages > 1 and pixels > self.max_pages_pixels:
            raise errors.TooManyPixels(
                f"The file's {pages} pictures have {pixels} pixels together; at most {self.max_pages_pixels} are read."
            )


def open_rgb(source: Source, *, limits: Limits | None = None, page: int = 0) -> Image.Image:
    """A file, its bytes or an open binary file -> a new "RGB" image, upright, without any metadata.

    ``page``: which of the Header's ``pages``, from 0. Transparency is laid on white. Of several frames or z-slices the first is
    taken. Deeper samples: see scaling.py.
    Raises an errors.ImageError with one sentence for everything that cannot become a picture.
    """
    limits = limits or Limits()
    data = read_source(source, limits)
    kind = sniff(data)
    if kind == TIFF:
        from embedder.tiff import open_tiff

        return open_tiff(data, limits, page)
    refuse_page(page)
    if kind == DICOM:
        from embedder.dicom import open_dicom

        return open_dicom(data, limits)
    return open_with_pillow(data, kind, limits)


def refuse_page(page: int, pages: int = 1) -> None:
    """Raises NoSuchPage."""
    if not 0 <= page < pages:
        raise errors.NoSuchPage(f"The file has {pages} {'picture' if pages == 1 else 'pictures'}, and no number {page + 1}.")


def read_source(source: Source, limits: Limits) -> bytes:
    """The file's bytes. Raises EmptyFile, TooManyBytes; OSError where a path cannot be read."""
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, (str, os.PathLike)):
        with open_regular(source) as file:
            data = file.read(limits.max_bytes + 1)
    elif isinstance(source, Streamed):
        with source.open() as file:
            data = file.read(limits.max_bytes + 1)
    else:
        data = source.read(limits.max_bytes + 1)
    check_bytes(len(data), limits)
    return data


def check_bytes(size: int, limits: Limits) -> None:
    """Raises EmptyFile, TooManyBytes."""
    if size == 0:
        raise errors.EmptyFile("The file is empty (0 bytes).")
    if size > limits.max_bytes:
        raise errors.TooManyBytes(f"The file is larger than the limit of {limits.max_bytes} bytes.")


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Opened for reading; OSError also where it is no file: a pipe or a device would never come to an end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(EINVAL, "not a regular file", os.fspath(path))
    return os.fdopen(descriptor, "rb")


def sniff(data: bytes) -> str:
    """The format by content. Raises UnsupportedType."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "AVIF"
    if data[128:132] == b"DICM":
        return DICOM
    raise errors.UnsupportedType("This kind of file is not read: use JPEG, PNG, TIFF, WebP, BMP, GIF, JPEG 2000, AVIF or DICOM.")


def open_with_pillow(data: bytes, kind: str, limits: Limits) -> Image.Image:
    """Decodes one of PILLOW_FORMATS; no other decoder can be reached, whatever the bytes pretend."""
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            limits.check_size(*image.size)
            limits.check_frames(getattr(image, "n_frames", 1))
            image.seek(0)
            image.load()
            return flattened(_upright(image))
    except errors.ImageError:
        raise
    except Exception as exc:
        raise translated(exc) from exc


def translated(exc: Exception) -> errors.ImageError:
    """A decoder's complaint as one of ours."""
    text = str(exc).lower()
    if isinstance(exc, MemoryError):
        return errors.DecoderOutOfMemory("The image needs more memory than decoding may use.")
    if isinstance(exc, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return errors.TooManyPixels("The image has more pixels than are read.")
    if isinstance(exc, EOFError) or any(word in text for word in ("truncated", "unexpected end", "end of", "too short")):
        return errors.TruncatedImage("The file ends before its pixels do: copy it again from its source.")
    if isinstance(exc, UnidentifiedImageError):
        return errors.CorruptImage("The file begins like an image, but its header cannot be read.")
    return errors.CorruptImage("The file is damaged: its pixels cannot be decoded.")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - broken EXIF raises almost anything, and the pixels are good without it
        return image


def flattened(image: Image.Image) -> Image.Image:
    """Any Pillow mode -> a new RGB image on white, with nothing but pixels."""
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(to_8_bit(_samples(image)))
    if image.mode == "LAB":
        image = _from_lab(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    fresh = Image.new("RGB", image.size)
    fresh.paste(image if image.mode == "RGB" else image.convert("RGB"))
    return fresh


def _samples(image: Image.Image) -> np.ndarray:
    """16-bit modes as unsigned 16-bit samples; PNG's 16-bit grey may come as 32-bit integers."""
    samples = np.asarray(image)
    fits = samples.dtype.kind in "iu" and samples.min(initial=0) >= 0 and samples.max(initial=0) <= 0xFFFF
    return samples.astype(np.uint16) if fits else samples


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    to_srgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    converted = ImageCms.applyTransform(image, to_srgb)
    if converted is None:
        raise errors.UnsupportedChannels("The image's CIELab colours cannot be converted.")
    return converted
