"""TIFF in the shapes microscopes write: any depth, planar, tiled, BigTIFF, JPEG and JPEG 2000 inside, OME, ImageJ stacks."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from embedder import errors, mpp
from embedder.header import Header
from embedder.images import TIFF, Limits, flattened, refuse_page, translated
from embedder.scaling import to_8_bit
from embedder.tiff_pages import Layout, layout

WHOLE_SLIDE = (
    "This is a whole slide with several levels, or a very large one: these are not yet supported. "
    "Export the part that matters at full resolution, as TIFF or PNG, and add that."
)
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
NAMES = {
    tifffile.PHOTOMETRIC.PALETTE: "palette",
    tifffile.PHOTOMETRIC.SEPARATED: "CMYK",
    tifffile.PHOTOMETRIC.CIELAB: "LAB",
}
TURNS = {  # by the Orientation tag: what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LYING = (5, 6, 7, 8)  # turned by a quarter


def open_tiff(data: bytes, limits: Limits, number: int = 0) -> Image.Image:
    """Picture ``number`` of the file (field, first z-slice or channel plane) as RGB.

    Raises WholeSlideImage for a slide with several levels, or one too large for a picture, NoSuchPage, LabelOnly.
    """
    try:
        with io.BytesIO(data) as file, tifffile.TiffFile(file) as tif:  # in cycles: only closing lets go of the bytes
            found = layout(tif, limits)
            if found.whole_slide:
                raise errors.WholeSlideImage(WHOLE_SLIDE)
            refuse_page(number, len(found.pages))
            page = tif.pages[found.pages[number]]
            _check_page(page, limits)
            _refuse_missing_bytes(page, len(data))
            return _picture(page, data)
    except errors.ImageError:
        raise
    except Exception as exc:
        raise translated(exc) from exc


def tiff_header(data: bytes, limits: Limits, number: int = 0) -> Header:
    """The header of picture ``number``; a whole slide is told, not refused."""
    try:
        with io.BytesIO(data) as file, tifffile.TiffFile(file) as tif:  # in cycles: only closing lets go of the bytes
            found = layout(tif, limits)
            refuse_page(number, len(found.pages))
            page = tif.pages[found.pages[number]]
            if not found.whole_slide:
                _check_page(page, limits)
            return _header_of(tif, page, found)
    except errors.ImageError:
        raise
    except Exception as exc:
        raise translated(exc) from exc


def _header_of(tif: Any, page: Any, found: Layout) -> Header:
    size = (page.imagewidth, page.imagelength)
    width, height = size[::-1] if _orientation(page) in LYING else size
    photometric, channels = tifffile.PHOTOMETRIC(page.photometric), _channels(page)
    mode = NAMES.get(photometric) or {"L": "grey", "LA": "grey+alpha", "RGBA": "RGB+alpha"}.get(MODES.get(channels, ""), "RGB")
    return Header(
        format=TIFF,
        width=width,
        height=height,
        mode=mode if channels in MODES else "many channels",
        depth=page.dtype.itemsize * 8 if page.bitspersample > 1 else 1,
        frames=len(tif.pages),
        mpp=mpp.from_tiff(tif, page),
        whole_slide=found.whole_slide,
        pages=len(found.pages),
        has_label=found.has_label,
    )


def _check_page(page: Any, limits: Limits) -> None:
    """What must be known before memory is asked for: a page may declare any number of channels and of slices."""
    limits.check_size(page.imagewidth, page.imagelength)
    if page.imagewidth * page.imagelength * page.imagedepth > limits.max_pixels:
        raise errors.TooManyPixels(f"The image has {page.imagedepth} slices on one page: more pixels than are read.")
    if _channels(page) not in MODES:
        raise errors.UnsupportedChannels(f"The image has {_channels(page)} channels; grey, RGB and CMYK pictures are read.")


def _channels(page: Any) -> int:
    return int(dict(zip(page.axes, page.shape, strict=True)).get("S", 1))


def _orientation(page: Any) -> int:
    tag = page.tags.get("Orientation")
    return 1 if tag is None else int(tag.value)


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
            image.seek(page.index)
            return flattened(image)
    return _turned(_flat(page, photometric), _orientation(page))


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def _flat(page: Any, photometric: tifffile.PHOTOMETRIC) -> Image.Image:
    samples = _channels_last(page)
    if photometric == tifffile.PHOTOMETRIC.PALETTE:
        samples = np.moveaxis(np.asarray(page.colormap), 0, -1)[samples[..., 0]].astype(np.uint16)
    if photometric == tifffile.PHOTOMETRIC.SEPARATED and samples.shape[-1] == 4:
        return flattened(Image.fromarray(to_8_bit(samples), "CMYK"))
    pixels = to_8_bit(samples)
    del samples  # of 100 million float pixels these are more than a gigabyte, and two more copies are to come
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
