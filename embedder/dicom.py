"""DICOM pictures: one frame of visible light or grey microscopy. No tag leaves this module."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import convert_color_space

from embedder import errors
from embedder.images import Limits, flattened, translated
from embedder.scaling import to_8_bit

MAX_MOSAIC_FRAMES = 1  # more frames are tiles of a slide


def open_dicom(data: bytes, limits: Limits) -> Image.Image:
    """A single-frame DICOM image as RGB. Raises WholeSlideImage for a slide cut into frames."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        _check_header(dataset, limits)
        return _picture(dataset)
    except errors.ImageError:
        raise
    except Exception as exc:
        if isinstance(exc, RuntimeError) and "decod" in str(exc).lower():
            raise errors.UnsupportedType("This DICOM file uses a compression that is not read.") from exc
        raise translated(exc) from exc


def _check_header(dataset: Any, limits: Limits) -> None:
    if "PixelData" not in dataset or "Rows" not in dataset:
        raise errors.TruncatedImage("The DICOM file ends before its pixels do, or holds none.")
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    limits.check_frames(frames)
    if frames > MAX_MOSAIC_FRAMES:
        raise errors.WholeSlideImage("This DICOM file is a slide in several frames: it has to be cut into tiles.")
    limits.check_size(int(dataset.Columns), int(dataset.Rows))
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        expected = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel) * int(dataset.BitsAllocated) // 8
        if len(dataset.PixelData) < expected:
            raise errors.TruncatedImage("The DICOM file ends before its pixels do: copy it again from its source.")


def _picture(dataset: Any) -> Image.Image:
    samples = np.asarray(dataset.pixel_array)
    colours = str(dataset.PhotometricInterpretation)
    if colours.startswith("YBR_FULL"):
        samples = convert_color_space(samples, colours, "RGB")
    pixels = _from_stored_bits(samples, int(dataset.BitsStored))
    if colours == "MONOCHROME1":
        pixels = 255 - pixels
    return flattened(Image.fromarray(pixels))


def _from_stored_bits(samples: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned samples scaled by the depth that the header declares."""
    if samples.dtype.kind != "u" or bits <= 8:
        return to_8_bit(samples)
    return np.round(samples * (255 / ((1 << bits) - 1))).astype(np.uint8)
