"""Every file of the shared odd and made inputs ends as its manifest says."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageStat

from embedder import errors, open_rgb
from tests.embedder.conftest import SHARED

pytestmark = [pytest.mark.shared, pytest.mark.filterwarnings("ignore::UserWarning:PIL")]  # broken EXIF is told by Pillow
ODD, INPUTS = SHARED / "data" / "odd", SHARED / "data" / "inputs"
REFUSED = {
    "broken.svs": errors.ImageError,
    "empty.tif": errors.EmptyFile,
    "truncated.jpg": errors.TruncatedImage,
    "tiny_8x8.png": errors.ImageTooSmall,
    "rgba_10x10_ihc.png": errors.ImageTooSmall,
    "strip_2048x40.png": errors.ImageTooElongated,
    "huge_20000x20000_1bit.png": errors.TooManyPixels,
    "sm_image_jpegls.dcm": errors.ImageError,
    "sm_image_grayscale.dcm": errors.ImageError,
    "sm_image.dcm": errors.ImageError,
    "01_modes/five_channel.tif": errors.UnsupportedChannels,
    "01_modes/heic.heic": errors.UnsupportedType,
    "01_modes/tga.tga": errors.UnsupportedType,
    "01_modes/ico.ico": errors.UnsupportedType,
    "06_phi/heic_exif_phi.heic": errors.UnsupportedType,
    "06_phi/dicom_truncated.dcm": errors.TruncatedImage,
    "00_control/captions.csv": errors.UnsupportedType,
    "00_control/control.zip": errors.UnsupportedType,
}
LOSSY_MEAN, LOSSLESS_MEAN = 9.0, 1.0  # mean absolute difference of a channel to base_rgb.png, in 1/255
HEAVILY_CODED_MEAN = {"jpeg2000.jp2": 12.0}  # 1.2 bits a pixel: the file itself lost that much


def names(folder):
    manifest = folder / "manifest.csv"
    return [row["file"] for row in rows(folder)] if manifest.is_file() else []


def rows(folder):
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def outcome(path, name):
    if name in REFUSED:
        with pytest.raises(REFUSED[name]):
            open_rgb(path)
        return None
    image = open_rgb(path)
    assert image.mode == "RGB"
    assert image.info == {}
    return image


@pytest.mark.parametrize("name", names(ODD))
def test_every_odd_file_ends_as_its_manifest_says(name):
    outcome(ODD / name, name)


@pytest.mark.parametrize("name", names(INPUTS))
def test_every_made_input_ends_as_its_manifest_says(name):
    outcome(INPUTS / name, name)


SAME = [row["file"] for row in rows(ODD) if row["expect"].startswith("same picture")] if ODD.is_dir() else []


@pytest.mark.parametrize("name", SAME)
def test_the_same_picture_comes_out_of_every_coding(name):
    base = open_rgb(ODD / "base_rgb.png")
    image = open_rgb(ODD / name)
    if image.size != base.size:
        assert name == "bmp.bmp"
        base = base.resize(image.size)
    difference = float(np.mean(ImageStat.Stat(ImageChops.difference(image, base)).mean))
    lossless = name.endswith((".png", ".tif")) and not any(word in name for word in ("palette", "jp", "cmyk", "wrong"))
    assert difference < HEAVILY_CODED_MEAN.get(name, LOSSLESS_MEAN if lossless else LOSSY_MEAN)


def test_the_eight_turned_photos_are_one_upright_picture():
    upright = [open_rgb(INPUTS / "06_phi" / f"orientation_{turn}.jpg") for turn in range(1, 9)]
    assert {image.size for image in upright} == {(160, 100)}
    for image in upright[1:]:
        assert max(ImageStat.Stat(ImageChops.difference(image, upright[0])).mean) < LOSSY_MEAN


def test_every_odd_file_has_a_row_in_the_manifest():
    if not ODD.is_dir():
        pytest.skip("the shared images are not beside this repository")
    assert {path.name for path in ODD.iterdir()} - {"manifest.csv"} == set(names(ODD))


@pytest.mark.parametrize("name", ["rgba_transparent_left.png"])
def test_transparency_is_laid_on_white(name):
    if not ODD.is_dir():
        pytest.skip("the shared images are not beside this repository")
    with Image.open(ODD / name) as image:
        clear = np.asarray(image.convert("RGBA"))[..., 3] == 0
    assert (np.asarray(open_rgb(ODD / name))[clear] == 255).all()
