"""Every file of the shared odd and made inputs ends as its manifest says."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageStat

from embedder import errors, open_rgb, read_header
from tests.embedder.conftest import SHARED

pytestmark = [pytest.mark.shared, pytest.mark.filterwarnings("ignore::UserWarning:PIL")]  # broken EXIF is told by Pillow
ODD, INPUTS, WSI = (SHARED / "data" / folder for folder in ("odd", "inputs", "wsi"))
REFUSED = {
    "broken.svs": errors.ImageError,
    "empty.tif": errors.EmptyFile,
    "truncated.jpg": errors.TruncatedImage,
    "tiny_8x8.png": errors.ImageTooSmall,
    "rgba_10x10_ihc.png": errors.ImageTooSmall,
    "strip_2048x40.png": errors.ImageTooElongated,
    "huge_20000x20000_1bit.png": errors.TooManyPixels,
    "sm_image_jpegls.dcm": errors.UnsupportedType,
    "01_modes/five_channel.tif": errors.UnsupportedChannels,
    "01_modes/heic.heic": errors.UnsupportedType,
    "01_modes/tga.tga": errors.UnsupportedType,
    "01_modes/ico.ico": errors.UnsupportedType,
    "06_phi/heic_exif_phi.heic": errors.UnsupportedType,
    "06_phi/dicom_truncated.dcm": errors.TruncatedImage,
    "00_control/captions.csv": errors.UnsupportedType,
    "00_control/control.zip": errors.UnsupportedType,
}
WHOLE_SLIDES = {
    "TCGA-CR-7395-01A-01-TS1.svs": (4443, 3567, None),
    "test3-DAPI-2-(387).ndpi": (3968, 4864, 0.228),
    "test3-TRITC 2 (560).ndpi": (3968, 4864, 0.228),
    "cmu1_pyramid_generic.tif": (2220, 2967, 0.499),
    "cmu1_pyramid_subifd.ome.tif": (2220, 2967, 0.499),
}
PAGES = {"multipage_3_fields.tif": 3, "01_modes/multipage3.tif": 3}  # of every other file one
SMALL_SLIDES = {  # one level, small enough to be one picture
    "CMU-1-Small-Region.svs": (2220, 2967, 0.499),
    "OS-1-detail.ome.tif": (1101, 1101, 0.227),
    "OS-2-ndpi.ome.tif": (2202, 2202, 0.227),
    "OS-2-vsi.ome.tif": (1445, 1445, 0.346),
    "sm_image.dcm": (50, 50, 0.499),
}
NO_POSITIONS = "TCGA-XK-AAJU-01A-01-TS1.dcm"
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
    image, header = open_rgb(path), read_header(path)
    assert image.mode == "RGB"
    assert (header.width, header.height) == image.size
    assert header.pages == PAGES.get(name, 1)
    assert image.info == {}
    return image


@pytest.mark.parametrize("name", names(ODD))
def test_every_odd_file_ends_as_its_manifest_says(name):
    outcome(ODD / name, name)


@pytest.mark.parametrize("name", names(INPUTS))
def test_every_made_input_ends_as_its_manifest_says(name):
    outcome(INPUTS / name, name)


@pytest.mark.parametrize("name", names(WSI))
def test_every_slide_ends_as_a_slide_a_picture_or_a_reason(name):
    said = WHOLE_SLIDES | SMALL_SLIDES
    if name == NO_POSITIONS:
        with pytest.raises(errors.UnsupportedType, match="where its frames belong"):
            open_rgb(WSI / name)
        return
    header = read_header(WSI / name)
    assert (header.width, header.height, header.mpp and round(header.mpp, 3)) == said[name]
    assert header.whole_slide == (name in WHOLE_SLIDES)
    assert header.has_label == name.endswith((".svs", ".ndpi"))
    if name in WHOLE_SLIDES:
        with pytest.raises(errors.WholeSlideImage):
            open_rgb(WSI / name)
    else:
        assert open_rgb(WSI / name).size == said[name][:2]


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
