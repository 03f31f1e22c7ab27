from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from embedder import Limits, errors, open_rgb, read_header, scaling
from embedder.scaling import to_8_bit

PICTURE = np.kron(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))  # 64 × 48


def coded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(PICTURE)).save(file, kind, **options)
    return file.getvalue()


def tiff(samples: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


LOSSLESS = {
    "png": coded("PNG"),
    "bmp": coded("BMP"),
    "webp": coded("WEBP", lossless=True),
    "jpeg2000": coded("JPEG2000"),
    "tiff": tiff(PICTURE, photometric="rgb"),
    "bigtiff": tiff(PICTURE, photometric="rgb", bigtiff=True),
    "big-endian tiff": tiff(PICTURE, photometric="rgb", byteorder=">"),
    "planar tiff": tiff(PICTURE.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
    "tiled deflate tiff": tiff(PICTURE, photometric="rgb", tile=(16, 16), compression="zlib"),
    "16-bit tiff": tiff(PICTURE.astype(np.uint16) * 257, photometric="rgb"),
    "float tiff": tiff(PICTURE.astype(np.float32) / 255, photometric="rgb"),
    "multi-page tiff": tiff(np.stack([PICTURE, 255 - PICTURE]), photometric="rgb"),
}


@pytest.mark.parametrize("coding", LOSSLESS)
def test_every_lossless_coding_gives_the_same_pixels(coding):
    np.testing.assert_array_equal(np.asarray(open_rgb(LOSSLESS[coding])), PICTURE)


@pytest.mark.parametrize("coding", LOSSLESS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_damage_never_raises_anything_but_an_image_error(coding, data):
    content = bytearray(LOSSLESS[coding])
    content = content[: data.draw(st.integers(0, len(content)))]
    for position in data.draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=4)):
        if content:
            content[position] ^= 0xFF
    with contextlib.suppress(errors.ImageError):
        assert open_rgb(bytes(content), limits=Limits(max_pixels=1_000_000)).mode == "RGB"


def test_a_transparent_picture_is_laid_on_white():
    clear = Image.new("RGBA", (32, 32), (200, 0, 0, 0))
    assert open_rgb(coded("PNG", clear)).getpixel((5, 5)) == (255, 255, 255)


def test_a_missing_tile_is_damage_and_not_black_tissue():
    content = tiff(PICTURE, photometric="rgb", tile=(16, 16), compression="zlib")
    with pytest.raises(errors.ImageError):
        open_rgb(content[: len(content) // 2])


def test_five_channels_are_refused():
    with pytest.raises(errors.UnsupportedChannels, match="5 channels"):
        open_rgb(tiff(np.zeros((32, 32, 5), np.uint8), photometric="minisblack", planarconfig="contig"))


def test_an_absurd_number_of_channels_is_refused_before_memory_is_asked_for():
    content = tiff(np.zeros((32, 32, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    with tifffile.TiffFile(io.BytesIO(content)) as tif:
        position = tif.pages[0].tags["SamplesPerPixel"].valueoffset
    content = content[:position] + (60_000).to_bytes(2, "little") + content[position + 2 :]
    with pytest.raises(errors.ImageError):
        open_rgb(content)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_tiff_comes_out_upright(turn):
    lying = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud}
    lying |= {5: lambda a: a.swapaxes(0, 1), 6: np.rot90, 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: lambda a: np.rot90(a, 3)}
    content = tiff(np.ascontiguousarray(lying[turn](PICTURE)), photometric="rgb", extratags=[(274, 3, 1, turn, True)])
    np.testing.assert_array_equal(np.asarray(open_rgb(content)), PICTURE)
    assert (read_header(content).width, read_header(content).height) == (64, 48)


def test_metadata_stays_behind():
    exif = Image.Exif()
    exif[0x010E] = "ZZPHI-DOE-JANE"
    image = open_rgb(coded("JPEG", exif=exif.tobytes(), comment=b"ZZPHI-DOE-JANE"))
    assert image.info == {}
    assert b"ZZPHI" not in coded("JPEG", image)


@pytest.mark.parametrize(
    ("size", "error"),
    [((8, 64), errors.ImageTooSmall), ((16, 400), errors.ImageTooElongated), ((1100, 1000), errors.TooManyPixels)],
)
def test_limits_are_checked_before_decoding(size, error):
    with pytest.raises(error):
        open_rgb(coded("PNG", Image.new("1", size)), limits=Limits(max_pixels=1_000_000))


def test_too_many_bytes_are_refused():
    with pytest.raises(errors.TooManyBytes):
        open_rgb(LOSSLESS["bmp"], limits=Limits(max_bytes=100))


@pytest.mark.parametrize("content", [b"<svg/>", b"%!PS-Adobe-3.0 EPSF", b"%PDF-1.7", b"\x00" * 200])
def test_other_kinds_of_file_are_refused(content):
    with pytest.raises(errors.UnsupportedType):
        open_rgb(content)


def test_an_empty_file_is_told():
    with pytest.raises(errors.EmptyFile):
        open_rgb(b"")


def test_twelve_bits_in_sixteen_use_the_whole_range():
    assert to_8_bit(np.array([0, 2048, 4080], np.uint16)).tolist() == [0, 128, 254]


def test_eight_bits_in_sixteen_are_kept():
    assert to_8_bit(np.array([0, 128, 255], np.uint16)).tolist() == [0, 128, 255]


def test_scaling_in_slabs_is_scaling_at_once(monkeypatch):
    samples = np.random.default_rng(0).normal(size=(50, 7, 3))
    counts = np.abs(samples * 900).astype(np.uint16)
    samples[3, 2] = np.nan
    at_once = to_8_bit(samples), to_8_bit(counts)
    monkeypatch.setattr(scaling, "SLAB_SAMPLES", 64)
    np.testing.assert_array_equal(to_8_bit(samples), at_once[0])
    np.testing.assert_array_equal(to_8_bit(counts), at_once[1])


def test_what_is_no_number_becomes_glass():
    assert to_8_bit(np.array([0.0, np.nan, np.inf, 1.0], np.float32)).tolist() == [0, 255, 255, 255]


def test_a_flat_picture_of_unknown_scale_becomes_grey():
    assert to_8_bit(np.full(3, -7, np.int32)).tolist() == [128, 128, 128]
