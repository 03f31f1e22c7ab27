from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space
from pydicom.uid import JPEGBaseline8Bit

from embedder import Limits, errors, open_rgb, read_header
from tests.embedder.dicoms import dicom
from tests.embedder.test_images import PICTURE, coded

SIDE = 20  # 64 × 48 pixels make 4 × 3 tiles that reach over the right and the lower edge
CORNERS = [(left, top) for top in range(0, 48, SIDE) for left in range(0, 64, SIDE)]
TOTAL = {"TotalPixelMatrixColumns": 64, "TotalPixelMatrixRows": 48}


def tile(left, top):
    padded = np.pad(PICTURE, ((0, SIDE), (0, SIDE), (0, 0)))
    return padded[top : top + SIDE, left : left + SIDE]


TILES = np.stack([tile(*corner) for corner in CORNERS])


def read(content):
    return np.asarray(open_rgb(content))


def test_a_frame_is_read():
    np.testing.assert_array_equal(read(dicom(PICTURE)), PICTURE)


def test_grey_of_twelve_bits_uses_the_whole_range():
    grey = np.full((16, 16), 4095, np.uint16)
    assert (read(dicom(grey, BitsStored=12, HighBit=11)) == 255).all()


def test_inverted_grey_is_turned_round():
    assert (read(dicom(np.zeros((16, 16), np.uint8), PhotometricInterpretation="MONOCHROME1")) == 255).all()


def test_luminance_and_chrominance_become_rgb_once():
    ybr = convert_color_space(PICTURE, "RGB", "YBR_FULL")
    assert np.abs(read(dicom(ybr, PhotometricInterpretation="YBR_FULL")).astype(int) - PICTURE).mean() < 1


def test_jpeg_inside_is_read_in_its_colours():
    dataset = pydicom.dcmread(io.BytesIO(dicom(PICTURE, PhotometricInterpretation="YBR_FULL_422")))
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([coded("JPEG", quality=95)])
    dataset["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    dataset.save_as(file)
    assert np.abs(read(file.getvalue()).astype(int) - PICTURE).mean() < 9


def test_tiles_in_full_order_become_one_picture():
    np.testing.assert_array_equal(read(dicom(TILES, DimensionOrganizationType="TILED_FULL", **TOTAL)), PICTURE)


def test_tiles_with_positions_become_one_picture_in_any_order():
    order = np.random.default_rng(0).permutation(len(TILES))
    positions = [(CORNERS[index][0] + 1, CORNERS[index][1] + 1) for index in order]
    np.testing.assert_array_equal(read(dicom(TILES[order], positions=positions, **TOTAL)), PICTURE)


def test_where_a_sparse_slide_has_no_tile_there_is_glass():
    pixels = read(dicom(TILES[:2], positions=[(1, 1), (21, 1)], **TOTAL))
    np.testing.assert_array_equal(pixels[:SIDE, : 2 * SIDE], PICTURE[:SIDE, : 2 * SIDE])
    assert (pixels[SIDE:] == 255).all()


def test_of_several_focal_planes_the_first_is_taken():
    planes = np.concatenate([TILES, 255 - TILES])
    np.testing.assert_array_equal(read(dicom(planes, DimensionOrganizationType="TILED_FULL", **TOTAL)), PICTURE)


def test_of_frames_that_are_no_tiles_the_first_is_taken():
    np.testing.assert_array_equal(read(dicom(np.stack([PICTURE, 255 - PICTURE]))), PICTURE)


def test_a_large_slide_is_a_whole_slide():
    content = dicom(TILES, DimensionOrganizationType="TILED_FULL", **TOTAL)
    with pytest.raises(errors.WholeSlideImage):
        open_rgb(content, limits=Limits(max_pixels=3000))
    assert read_header(content, limits=Limits(max_pixels=3000)).whole_slide


@pytest.mark.parametrize(
    ("tags", "error"),
    [
        ({}, errors.UnsupportedType),  # nothing says where the tiles lie
        ({"positions": [(1, 1)] * 11 + [(65, 1)]}, errors.CorruptImage),
        ({"positions": [(0, 1)] * 12}, errors.CorruptImage),
        ({"DimensionOrganizationType": "TILED_FULL", "TotalPixelMatrixRows": 81}, errors.CorruptImage),
    ],
)
def test_tiles_that_cannot_be_placed_are_refused(tags, error):
    with pytest.raises(error):
        open_rgb(dicom(TILES, **(TOTAL | tags)))


def test_missing_frames_are_told():
    with pytest.raises(errors.TruncatedImage):
        open_rgb(dicom(TILES, NumberOfFrames=13, DimensionOrganizationType="TILED_FULL", **TOTAL))
