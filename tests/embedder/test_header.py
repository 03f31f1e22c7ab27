from __future__ import annotations

import contextlib
import dataclasses
import io

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from embedder import Header, Limits, errors, open_rgb, read_header
from embedder.header import MODES
from embedder.mpp import from_dpi
from tests.embedder.dicoms import dicom
from tests.embedder.test_images import LOSSLESS, PICTURE, coded, tiff

OME = (  # without the sizes that the standard wants, as many exporters write it
    '<?xml version="1.0"?><OME xmlns="http://x"><Image>'
    '<Pixels DimensionOrder="XYZCT" Type="uint8" SizeX="64" SizeY="48" {}/></Image></OME>'
)

FIVE_CHANNELS = tiff(np.zeros((32, 32, 5), np.uint8), photometric="minisblack", planarconfig="contig")


def in_cm(um: float) -> dict[str, object]:
    return {"resolution": (10_000 / um, 10_000 / um), "resolutionunit": "CENTIMETER"}


@pytest.mark.parametrize("coding", LOSSLESS)
def test_the_header_says_size_and_mode(coding):
    header = read_header(LOSSLESS[coding])
    assert (header.width, header.height, header.mode, header.whole_slide) == (64, 48, "RGB", False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (coded("PNG", Image.new("1", (32, 16))), ("PNG", "grey", 1)),
        (coded("PNG", Image.new("I;16", (32, 16))), ("PNG", "grey", 16)),
        (coded("PNG", Image.new("RGBA", (32, 16))), ("PNG", "RGB+alpha", 8)),
        (coded("GIF", Image.new("P", (32, 16))), ("GIF", "palette", 8)),
        (coded("JPEG", Image.new("CMYK", (32, 16))), ("JPEG", "CMYK", 8)),
        (coded("TIFF", Image.new("CMYK", (32, 16))), ("TIFF", "CMYK", 8)),
        (coded("TIFF", Image.new("LAB", (32, 16))), ("TIFF", "LAB", 8)),
        (coded("TIFF", Image.new("1", (32, 16))), ("TIFF", "grey", 1)),
        (tiff(np.zeros((32, 32), np.float32)), ("TIFF", "grey", 32)),
        (tiff(PICTURE.astype(np.uint16), photometric="rgb"), ("TIFF", "RGB", 16)),
        (dicom(PICTURE), ("DICOM", "RGB", 8)),
        (dicom(PICTURE[..., 0].astype(np.uint16), BitsStored=12), ("DICOM", "grey", 12)),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_mode_and_depth(content, said):
    header = read_header(content)
    assert (header.format, header.mode, header.depth) == said
    assert header.mode in MODES


def test_frames_are_counted():
    assert read_header(LOSSLESS["multi-page tiff"]).frames == 2
    assert read_header(LOSSLESS["png"]).frames == 1


@pytest.mark.parametrize("dpi", [0, 1, 72, 96, 150, 300, 600, 1200, 2400, 4800, 10**9])
def test_the_dots_of_screens_and_printers_are_no_scale(dpi):
    assert from_dpi((dpi, dpi)) is None
    assert read_header(coded("PNG", dpi=(dpi, dpi))).mpp is None if dpi < 10**6 else True


def test_a_camera_that_writes_its_scale_as_dots_is_believed():
    assert read_header(coded("PNG", dpi=(50_800, 50_800))).mpp == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("dpi", [None, "x", (1,), (float("nan"), 5.0), (-50_800, -50_800), (50_800, 40_000)])
def test_dots_that_make_no_sense_are_no_scale(dpi):
    assert from_dpi(dpi) is None


@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        (in_cm(0.25), 0.25),
        ({"resolution": (50_800, 50_800), "resolutionunit": "INCH"}, 0.5),
        ({"resolution": (2, 2), "resolutionunit": "NONE"}, None),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (0, 0), "resolutionunit": "INCH"}, None),
        ({"resolution": (40_000, 20_000), "resolutionunit": "CENTIMETER"}, None),
        ({}, None),
    ],
)
def test_tiff_resolution_is_a_scale_where_believable(options, mpp):
    assert read_header(tiff(PICTURE, photometric="rgb", **options)).mpp == (mpp and pytest.approx(mpp, rel=1e-4))


@pytest.mark.parametrize(
    ("unit", "mpp"), [("micron", 0.5), ("um", 0.5), ("\\u00B5m", 0.5), ("pixel", None), ("inch", None), (None, None)]
)
def test_imagej_says_its_unit(unit, mpp):
    metadata = {} if unit is None else {"unit": unit}
    assert read_header(tiff(PICTURE[..., 0], imagej=True, resolution=(2.0, 2.0), metadata=metadata)).mpp == mpp


@pytest.mark.parametrize(
    ("attributes", "mpp"),
    [
        ('PhysicalSizeX="0.5" PhysicalSizeY="0.5"', 0.5),
        ('PhysicalSizeX="0.5"', 0.5),
        ('PhysicalSizeX="500" PhysicalSizeXUnit="nm"', 0.5),
        ('PhysicalSizeX="0.0005" PhysicalSizeXUnit="mm"', 0.5),
        ('PhysicalSizeX="0.5" PhysicalSizeXUnit="&#181;m"', 0.5),
        ('PhysicalSizeX="0.5" PhysicalSizeXUnit="pixel"', None),
        ('PhysicalSizeX="0.5" PhysicalSizeY="0.7"', None),
        ('PhysicalSizeX="0"', None),
        ('PhysicalSizeX="-1"', None),
        ('PhysicalSizeX="nan"', None),
        ('PhysicalSizeX="much"', None),
        ("", None),
    ],
)
def test_ome_says_the_physical_size(attributes, mpp):
    content = tiff(PICTURE[..., 0], description=OME.format(attributes), metadata=None, **in_cm(0.1))
    assert read_header(content).mpp == (mpp and pytest.approx(mpp))


@pytest.mark.parametrize(
    ("said", "mpp"), [("|MPP = 0.2525", 0.2525), ("|AppMag = 20", None), ("|MPP = 0", None), ("|MPP = 1.2.3", None)]
)
def test_aperio_says_mpp_in_its_description(said, mpp):
    told = "Aperio Image Library v1\n64x48" + said
    header = read_header(tiff(PICTURE, photometric="rgb", description=told, metadata=None, tile=(16, 16)))
    assert (header.mpp, header.whole_slide, header.has_label) == (mpp, False, True)


@pytest.mark.parametrize(
    ("tags", "mpp"),
    [
        ({"PixelSpacing": [0.0005, 0.0005]}, 0.5),
        ({"ImagerPixelSpacing": [0.0005, 0.0005]}, 0.5),
        ({"shared_spacing": [0.00025, 0.00025], "PixelSpacing": [9, 9]}, 0.25),
        ({"PixelSpacing": [0.0005, 0.0006]}, None),
        ({"PixelSpacing": [0, 0]}, None),
        ({}, None),
    ],
)
def test_dicom_says_millimetres(tags, mpp):
    assert read_header(dicom(PICTURE, **tags)).mpp == (mpp and pytest.approx(mpp))


def test_a_pyramid_is_a_whole_slide_of_any_size():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(PICTURE, photometric="rgb", subifds=1, tile=(16, 16))
        writer.write(PICTURE[::2, ::2], photometric="rgb", subfiletype=1, tile=(16, 16))
    header = read_header(file.getvalue(), limits=Limits(max_pixels=100))
    assert (header.width, header.height, header.whole_slide) == (64, 48, True)


def test_a_header_holds_no_words_of_the_file():
    exif = Image.Exif()
    exif[0x010E] = "ZZPHI-DOE-JANE"
    contents = [
        coded("JPEG", exif=exif.tobytes(), comment=b"ZZPHI-DOE-JANE"),
        tiff(PICTURE, photometric="rgb", description="ZZPHI-DOE-JANE", software="ZZPHI", datetime="2024:01:02 03:04:05"),
        dicom(PICTURE, PatientName="ZZPHI^DOE", StudyDate="20240102"),
    ]
    assert "ZZPHI" not in "".join(str(read_header(content)) for content in contents)
    assert {field.name for field in dataclasses.fields(Header)} == {
        "format", "width", "height", "mode", "depth", "frames", "mpp", "whole_slide", "pages", "has_label",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "limits", "error"),
    [
        (FIVE_CHANNELS, Limits(), errors.UnsupportedChannels),
        (b"", Limits(), errors.EmptyFile),
        (b"<svg/>", Limits(), errors.UnsupportedType),
        (LOSSLESS["png"], Limits(max_bytes=10), errors.TooManyBytes),
        (LOSSLESS["tiff"], Limits(max_pixels=10), errors.TooManyPixels),
        (dicom(PICTURE), Limits(max_pixels=10), errors.TooManyPixels),
        (LOSSLESS["png"], Limits(min_side_px=50), errors.ImageTooSmall),
        (LOSSLESS["png"], Limits(max_aspect=1.1), errors.ImageTooElongated),
        (LOSSLESS["multi-page tiff"], Limits(max_frames=1), errors.TooManyFrames),
    ],
)  # fmt: skip
def test_the_header_is_refused_as_the_picture_would_be(content, limits, error):
    with pytest.raises(error):
        read_header(content, limits=limits)


@pytest.mark.parametrize("coding", LOSSLESS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_cut_file_gives_a_header_or_an_image_error(coding, share):
    content = LOSSLESS[coding][: int(len(LOSSLESS[coding]) * share)]
    with contextlib.suppress(errors.ImageError):
        header = read_header(content)
        assert (header.width, header.height) == (64, 48)


SLIDE = dicom(np.stack([PICTURE[:20, :20]] * 12), positions=[(1, 1)] * 12, TotalPixelMatrixColumns=64, TotalPixelMatrixRows=48)
DAMAGED = LOSSLESS | {"dicom": dicom(PICTURE, shared_spacing=[0.0005, 0.0005]), "dicom slide": SLIDE}


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom tells what it repairs
@pytest.mark.parametrize("coding", DAMAGED)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_damage_never_raises_anything_but_an_image_error(coding, data):
    content = bytearray(DAMAGED[coding])
    for position in data.draw(st.lists(st.integers(0, min(1500, len(content)) - 1), min_size=1, max_size=6)):
        content[position] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(len(content) // 2, len(content)))]
    for read in (read_header, open_rgb):
        with contextlib.suppress(errors.ImageError):
            read(bytes(content), limits=Limits(max_pixels=1_000_000))
