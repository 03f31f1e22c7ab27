"""TIFF in the shapes microscopes write: any depth, planar, tiled, BigTIFF, JPEG and JPEG 2000 inside, OME, ImageJ stacks."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from embedder import errors
from embedder.images import Limits, flattened, translated
from embedder.scaling import to_8_bit

VENDOR_SLIDES = ("is_svs", "is_ndpi", "is_scn", "is_bif", "is_philips", "is_ventana")
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def open_tiff(data: bytes, limits: Limits) -> Image.Image:
    """The first page (field, z-slice, channel plane) as RGB. Raises WholeSlideImage for a slide with levels or from a scanner."""
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tif:
            page = tif.pages[0]
            _refuse_slides(tif, page, limits)
            limits.check_size(page.imagewidth, page.imagelength)
            limits.check_frames(len(tif.pages))
            _refuse_missing_bytes(page, len(data))
            return _picture(page, data)
    except errors.ImageError:
        raise
    except Exception as exc:
        raise translated(exc) from exc


def _refuse_slides(tif: Any, page: Any, limits: Limits) -> None:
    levels = max((len(series.levels) for series in tif.series[:1]), default=1)
    vendor = any(getattr(tif, name, False) or getattr(page, name, False) for name in VENDOR_SLIDES)
    if levels > 1 or vendor or (page.is_tiled and page.imagewidth * page.imagelength > limits.max_pixels):
        raise errors.WholeSlideImage("This is a whole slide: it has to be cut into tiles, not embedded as one picture.")


def _refuse_missing_bytes(page: Any, size: int) -> None:
    """A missing strip or tile would otherwise be read as black tissue."""
    spans = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if any(offset + count > size for offset, count in spans):
        raise errors.TruncatedImage("The file ends before its pixels do: copy it again from its source.")
    if not spans or any(count == 0 for _offset, count in spans):
        raise errors.CorruptImage("The file is damaged: parts of its picture are missing.")


def _picture(page: Any, data: bytes) -> Image.Image:
    photometric = tifffile.PHOTOMETRIC(page.photometric)
    if photometric == tifffile.PHOTOMETRIC.CIELAB:
        with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
            return flattened(image)
    samples = _channels_last(page)
    if photometric == tifffile.PHOTOMETRIC.PALETTE:
        samples = np.moveaxis(np.asarray(page.colormap), 0, -1)[samples[..., 0]].astype(np.uint16)
    if photometric == tifffile.PHOTOMETRIC.SEPARATED and samples.shape[-1] == 4:
        return flattened(Image.fromarray(to_8_bit(samples), "CMYK"))
    if samples.shape[-1] not in MODES:
        raise errors.UnsupportedChannels(f"The image has {samples.shape[-1]} channels; grey, RGB and CMYK pictures are read.")
    pixels = to_8_bit(samples)
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        pixels = 255 - pixels
    return flattened(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels, MODES[pixels.shape[-1]]))


def _channels_last(page: Any) -> NDArray[Any]:
    """The page's samples as [height, width, channels]; Z, T and the like are single on one page."""
    samples, axes = np.asarray(page.asarray()), page.axes
    wanted = [axis for axis in ("Y", "X", "S") if axis in axes]
    rest = [axis for axis in axes if axis not in wanted]
    index = tuple(0 if axis in rest else slice(None) for axis in axes)
    kept = [axis for axis in axes if axis in wanted]
    moved = samples[index].transpose([kept.index(axis) for axis in wanted])
    return moved if "S" in wanted else moved[..., None]
