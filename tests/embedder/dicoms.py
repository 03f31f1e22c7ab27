"""Small DICOM files made on the spot: one frame, or the tiles of a slide."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

WHOLE_SLIDE_STORAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def dicom(samples: np.ndarray, **tags: Any) -> bytes:
    """One frame [rows, columns] or [rows, columns, 3], or many [n, rows, columns, 3]; tags by keyword.

    ``shared_spacing`` (mm) and ``positions`` (1-based (column, row) of each frame) go into the functional groups.
    """
    dataset = _dataset(samples)
    if spacing := tags.pop("shared_spacing", None):
        dataset.SharedFunctionalGroupsSequence = _nested("PixelMeasuresSequence", PixelSpacing=spacing)
    if positions := tags.pop("positions", None):
        dataset.PerFrameFunctionalGroupsSequence = Sequence([_position(*position) for position in positions])
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _dataset(samples: np.ndarray) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = WHOLE_SLIDE_STORAGE, generate_uid()
    coloured, many = samples.shape[-1] == 3, samples.ndim == 4 or (samples.ndim == 3 and samples.shape[-1] != 3)
    dataset.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    dataset.SamplesPerPixel, dataset.PixelRepresentation = (3, 0) if coloured else (1, 0)
    if coloured:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = samples.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.Rows, dataset.Columns = samples.shape[1:3] if many else samples.shape[:2]
    if many:
        dataset.NumberOfFrames = len(samples)
    dataset.PixelData = samples.tobytes()
    return dataset


def _nested(keyword: str, **tags: Any) -> Sequence:
    inner, outer = Dataset(), Dataset()
    for name, value in tags.items():
        setattr(inner, name, value)
    setattr(outer, keyword, Sequence([inner]))
    return Sequence([outer])


def _position(column: int, row: int) -> Dataset:
    sequence = _nested(
        "PlanePositionSlideSequence",
        ColumnPositionInTotalImagePixelMatrix=column,
        RowPositionInTotalImagePixelMatrix=row,
    )
    outer: Dataset = sequence[0]
    return outer
