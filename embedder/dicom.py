"""DICOM pictures of visible light or grey microscopy: one frame, or the tiles of one total pixel matrix. No tag leaves here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels import iter_pixels, pixel_array

from embedder import errors, mpp
from embedder.header import Header
from embedder.images import DICOM, Limits, flattened, translated
from embedder.scaling import divided, to_8_bit

WHOLE_SLIDE = (
    "This DICOM file is a whole slide of very many pixels: these are not yet supported. "
    "Export the part that matters at full resolution, as TIFF or PNG, and add that."
)
LABELS = {"LABEL", "OVERVIEW"}  # of the image's flavour; an overview shows the whole glass, with its label
MODES = {"MONOCHROME1": "grey", "MONOCHROME2": "grey", "PALETTE COLOR": "palette"}  # everything else is RGB in the end


def open_dicom(data: bytes, limits: Limits) -> Image.Image:
    """The picture as RGB: the first frame, or all tiles of a small slide put together. Raises WholeSlideImage for a large one."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        _refuse_label(dataset)
        if _is_whole_slide(dataset, limits):
            raise errors.WholeSlideImage(WHOLE_SLIDE)
        _check(dataset, limits)
        _refuse_missing_bytes(dataset)
        return _picture(dataset)
    except errors.ImageError:
        raise
    except Exception as exc:
        if isinstance(exc, RuntimeError) and "plugins are missing" in str(exc):
            raise errors.UnsupportedType("This DICOM file uses a compression that is not read.") from exc
        raise translated(exc) from exc


def dicom_header(data: bytes, limits: Limits) -> Header:
    """The header without the pixels; a whole slide is told, not refused."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        _refuse_label(dataset)
        whole_slide = _is_whole_slide(dataset, limits)
        if not whole_slide:
            _check(dataset, limits)
        return _header_of(dataset, whole_slide=whole_slide)
    except errors.ImageError:
        raise
    except Exception as exc:
        raise translated(exc) from exc


def _header_of(dataset: Any, *, whole_slide: bool) -> Header:
    width, height = _size(dataset)
    return Header(
        format=DICOM,
        width=width,
        height=height,
        mode=MODES.get(str(dataset.PhotometricInterpretation), "RGB"),
        depth=int(dataset.BitsStored),
        frames=_frames(dataset),
        mpp=mpp.from_dicom(dataset),
        whole_slide=whole_slide,
    )


def _refuse_label(dataset: Any) -> None:
    flavour = {str(value).upper() for value in dataset.get("ImageType") or []}
    if flavour & LABELS or str(dataset.get("SpecimenLabelInImage", "NO")).upper() == "YES":
        raise errors.LabelOnly("This DICOM file is a picture of a slide's label or shows it, and is not taken for that reason.")


def _frames(dataset: Any) -> int:
    return int(dataset.get("NumberOfFrames", 1) or 1)


def _is_mosaic(dataset: Any) -> bool:
    return _frames(dataset) > 1 and "TotalPixelMatrixColumns" in dataset and "TotalPixelMatrixRows" in dataset


def _size(dataset: Any) -> tuple[int, int]:
    """(width, height) of the picture to be, in pixels."""
    if _is_mosaic(dataset):
        return int(dataset.TotalPixelMatrixColumns), int(dataset.TotalPixelMatrixRows)
    return int(dataset.Columns), int(dataset.Rows)


def _is_whole_slide(dataset: Any, limits: Limits) -> bool:
    if not _is_mosaic(dataset):
        return False
    width, height = _size(dataset)
    return width * height > limits.max_pixels


def _check(dataset: Any, limits: Limits) -> None:
    if "Rows" not in dataset or "Columns" not in dataset:
        raise errors.TruncatedImage("The DICOM file ends before its pixels do, or holds none.")
    limits.check_frames(_frames(dataset))
    limits.check_size(*_size(dataset))
    if int(dataset.Columns) * int(dataset.Rows) > limits.max_pixels:
        raise errors.TooManyPixels("One frame of this DICOM file has more pixels than are read.")
    if _is_mosaic(dataset):
        _corners(dataset)


def _refuse_missing_bytes(dataset: Any) -> None:
    if "PixelData" not in dataset:
        raise errors.TruncatedImage("The DICOM file ends before its pixels do, or holds none.")
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        frame = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated) // 8
        if len(dataset.PixelData) < frame * _frames(dataset):
            raise errors.TruncatedImage("The DICOM file ends before its pixels do: copy it again from its source.")


def _picture(dataset: Any) -> Image.Image:
    samples = _put_together(dataset) if _is_mosaic(dataset) else _frame(dataset, 0)
    pixels = _from_stored_bits(samples, int(dataset.BitsStored))
    if str(dataset.PhotometricInterpretation) == "MONOCHROME1":
        pixels = 255 - pixels
    return flattened(Image.fromarray(pixels))


def _frame(dataset: Any, index: int) -> NDArray[Any]:
    """[rows, columns] or [rows, columns, 3]; luminance and chrominance have become RGB."""
    return np.asarray(pixel_array(dataset, index=index))


def _put_together(dataset: Any) -> NDArray[Any]:
    """The total pixel matrix [height, width] or [height, width, 3] from its first focal plane and optical path."""
    (width, height), corners = _size(dataset), _corners(dataset)
    tiles = iter_pixels(dataset, indices=list(corners))
    first = np.asarray(next(tiles))
    whole = np.full((height, width, *first.shape[2:]), _glass(dataset, first.dtype), first.dtype)
    for (left, top), tile in zip(corners.values(), chain([first], tiles), strict=True):
        room = whole[top : top + tile.shape[0], left : left + tile.shape[1]]
        room[...] = tile[: room.shape[0], : room.shape[1]]  # the last tiles reach over the edge
    return whole


def _glass(dataset: Any, dtype: np.dtype[Any]) -> int:
    """The sample that becomes white where a sparse slide has no tile."""
    brightest = (1 << int(dataset.BitsStored)) - 1 if dtype.kind == "u" else 0
    return 0 if str(dataset.PhotometricInterpretation) == "MONOCHROME1" else brightest


def _corners(dataset: Any) -> dict[int, tuple[int, int]]:
    """Frame number -> (left, top) in pixels; of frames that lie on each other the first.

    Raises CorruptImage, and UnsupportedType where nothing says how the frames lie: a guess could mix up the tissue.
    """
    if str(dataset.get("DimensionOrganizationType", "")) == "TILED_FULL":
        return dict(enumerate(_full_grid(dataset)))
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        raise errors.UnsupportedType("This DICOM slide does not say where its frames belong, so it cannot be put together.")
    corners: dict[tuple[int, int], int] = {}
    for index, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence[: _frames(dataset)]):
        corners.setdefault(_stated_corner(dataset, groups), index)
    return {index: corner for corner, index in corners.items()}


def _full_grid(dataset: Any) -> Iterator[tuple[int, int]]:
    """Row by row; further planes and optical paths come after the first one's frames."""
    (width, height), columns, rows = _size(dataset), int(dataset.Columns), int(dataset.Rows)
    if -(-width // columns) * -(-height // rows) > _frames(dataset):
        raise errors.CorruptImage("The DICOM file is damaged: frames of its slide are missing.")
    return ((left, top) for top in range(0, height, rows) for left in range(0, width, columns))


def _stated_corner(dataset: Any, groups: Any) -> tuple[int, int]:
    try:
        position = groups.PlanePositionSlideSequence[0]
        left = int(position.ColumnPositionInTotalImagePixelMatrix) - 1
        top = int(position.RowPositionInTotalImagePixelMatrix) - 1
    except (AttributeError, IndexError) as exc:
        raise errors.UnsupportedType("This DICOM slide does not say where its frames belong.") from exc
    width, height = _size(dataset)
    if not (0 <= left < width and 0 <= top < height):
        raise errors.CorruptImage("The DICOM file is damaged: a frame lies outside its slide.")
    return left, top


def _from_stored_bits(samples: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Unsigned samples scaled by the depth that the header declares."""
    if samples.dtype.kind != "u" or bits <= 8:
        return to_8_bit(samples)
    return divided(samples, (1 << bits) - 1)
