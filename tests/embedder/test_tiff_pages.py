from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile

from embedder import Limits, Sandbox, Streamed, errors, open_rgb, read_header
from embedder.sandbox import Budget
from tests.embedder.dicoms import dicom
from tests.embedder.test_images import PICTURE

RED, GREEN, BLUE = (np.full((48, 64, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200)))
SHOWN = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}


def pages(*written, **options):
    """A TIFF of (pixels, how to write them)."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as writer:
        for pixels, how in written:
            writer.write(pixels, **({"photometric": "rgb", "metadata": None, "contiguous": False} | how))
    return file.getvalue()


def tiled(pixels, description, **how):
    return pixels, {"tile": (16, 16), "description": description, **how}


def colours(content):
    return [open_rgb(content, page=page).getpixel((5, 5)) for page in range(read_header(content).pages)]


THREE = pages((RED, {}), (GREEN, {}), (BLUE, {}))


def test_each_page_is_a_picture_of_its_own():
    assert colours(THREE) == list(SHOWN.values())


@pytest.mark.parametrize("page", [3, -1])
def test_a_page_that_the_file_does_not_have_is_refused(page):
    with pytest.raises(errors.NoSuchPage):
        open_rgb(THREE, page=page)
    with pytest.raises(errors.NoSuchPage):
        read_header(THREE, page=page)


def test_a_file_that_is_no_tiff_has_one_picture():
    file = io.BytesIO()
    open_rgb(THREE).save(file, "PNG")
    assert read_header(file.getvalue()).pages == 1
    with pytest.raises(errors.NoSuchPage):
        open_rgb(file.getvalue(), page=1)


def test_pages_of_other_sizes_have_headers_of_their_own():
    content = pages((RED, {}), (GREEN[:40, :32], {}))
    assert [(read_header(content, page=page).width, read_header(content, page=page).height) for page in (0, 1)] == [
        (64, 48),
        (32, 40),
    ]


def test_smaller_copies_masks_and_labels_are_no_pages():
    content = pages(
        (RED, {}),
        (RED[:20, :20], {"subfiletype": 1}),
        (GREEN[..., 1] > 0, {"subfiletype": 4, "photometric": "minisblack"}),
        (BLUE, {"description": "Label"}),
        (GREEN, {}),
    )
    assert colours(content) == [SHOWN["red"], SHOWN["green"]]
    assert read_header(content).has_label


def test_a_lone_page_that_calls_itself_a_smaller_copy_is_read():
    assert colours(pages((RED, {"subfiletype": 1}))) == [SHOWN["red"]]


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}], ids=str)
def test_the_slices_of_a_stack_are_one_picture(options):
    file = io.BytesIO()
    tifffile.imwrite(file, np.stack([RED[..., 0], GREEN[..., 0], BLUE[..., 0]]), **options)
    assert read_header(file.getvalue()).pages == 1


def test_a_page_that_is_damaged_leaves_the_others():
    first, second, third = (tifffile.TiffFile(io.BytesIO(THREE)).pages[page].offset for page in range(3))
    damaged = bytearray(THREE)
    damaged[second + 10 : second + 60] = b"\xff" * 50
    assert read_header(bytes(damaged)).pages == 3
    assert open_rgb(bytes(damaged), page=2).getpixel((5, 5)) == SHOWN["blue"]
    with pytest.raises(errors.ImageError):
        open_rgb(bytes(damaged), page=1)
    assert first < second < third


@pytest.mark.parametrize("big", [False, True])
def test_a_file_cut_off_between_its_pages_is_not_one_with_fewer_pages(big):
    content = pages((PICTURE, {}), (PICTURE, {}), (PICTURE, {}), bigtiff=big)
    second = tifffile.TiffFile(io.BytesIO(content)).pages[1].dataoffsets[0]
    with pytest.raises(errors.TruncatedImage):
        open_rgb(content[: second + 100])


def test_too_many_pages_are_refused_with_the_limit():
    with pytest.raises(errors.TooManyPages, match="at most 2"):
        read_header(THREE, limits=Limits(max_pages=2))
    with pytest.raises(errors.TooManyPixels, match="together"):
        open_rgb(THREE, limits=Limits(max_pages_pixels=9000))


# --- slides -----------------------------------------------------------------------------------------------------------

BASE = "Aperio Image Library v1\n64x48 |MPP = 0.5"
LABEL, MACRO = (f"Aperio Image Library v1\n{name} 64x48" for name in ("label", "macro"))


@pytest.mark.parametrize(
    "written",
    [
        [tiled(RED, BASE), (GREEN, {"description": LABEL}), (BLUE, {"description": MACRO, "subfiletype": 9})],
        [(GREEN, {"description": LABEL}), (BLUE, {"description": MACRO, "subfiletype": 9}), tiled(RED, BASE)],
        [tiled(GREEN, LABEL), tiled(BLUE, MACRO), tiled(RED, BASE)],
        [(BLUE, {"description": "Aperio Image Library v1\n64x48 -> 32x24 -"}), tiled(RED, BASE), (GREEN, {"description": LABEL})],
    ],
    ids=["as scanners write it", "label first", "all in tiles", "thumbnail first"],
)
def test_the_picture_of_a_slide_is_its_tissue_wherever_it_lies(written):
    content = pages(*written)
    header = read_header(content)
    assert colours(content) == [SHOWN["red"]]
    assert (header.pages, header.whole_slide, header.has_label, header.mpp) == (1, False, True, 0.5)


@pytest.mark.parametrize(
    "content",
    [
        pages((GREEN, {"description": LABEL})),
        pages(tiled(GREEN, LABEL), (BLUE, {"description": MACRO, "subfiletype": 9})),
        pages((GREEN, {"description": "Macro"}), (GREEN, {"description": "label_image"})),
        pages((GREEN, {"extratags": [(65420, 3, 1, 1, True), (65421, 11, 1, -1.0, True)]})),
        dicom(PICTURE, ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"]),
        dicom(PICTURE, ImageType=["ORIGINAL", "PRIMARY", "OVERVIEW", "NONE"]),
        dicom(PICTURE, SpecimenLabelInImage="YES"),
    ],
    ids=["aperio label", "tiles", "plain", "ndpi overview", "dicom label", "dicom overview", "dicom with its label"],
)
def test_a_label_is_never_pictured(content):
    for reader in (open_rgb, read_header):
        with pytest.raises(errors.LabelOnly):
            reader(content)


def test_a_slide_with_levels_is_not_yet_supported_and_says_what_to_do():
    content = pages(tiled(RED, BASE), tiled(RED[::2, ::2].copy(), BASE), (GREEN, {"description": LABEL}))
    assert read_header(content).whole_slide
    with pytest.raises(errors.WholeSlideImage, match=r"not yet supported.*Export"):
        open_rgb(content)


def test_a_slide_of_one_level_that_is_too_large_is_a_whole_slide():
    with pytest.raises(errors.WholeSlideImage):
        open_rgb(pages(tiled(RED, BASE)), limits=Limits(max_pixels=1000))


# --- in the sandbox ---------------------------------------------------------------------------------------------------


def test_the_sandbox_decodes_the_page_that_is_asked_for():
    with Sandbox() as sandbox:
        header, rows = sandbox.decode(THREE, page=1)
        assert (header.pages, tuple(rows[5, 5])) == (3, SHOWN["green"])
        assert sandbox.open_rgb(THREE, page=2).getpixel((5, 5)) == SHOWN["blue"]
        with pytest.raises(errors.NoSuchPage):
            sandbox.decode(THREE, page=3)


def test_the_sandbox_reads_what_has_no_path():
    streamed = Streamed(len(THREE), lambda: io.BytesIO(THREE))
    assert read_header(streamed).pages == 3
    with Sandbox() as sandbox:
        assert tuple(sandbox.decode(streamed)[1][5, 5]) == SHOWN["red"]
        with pytest.raises(errors.TooManyBytes):
            sandbox.decode(streamed, limits=Limits(max_bytes=100))
        with pytest.raises(errors.TruncatedImage):
            sandbox.decode(Streamed(len(THREE) + 1, lambda: io.BytesIO(THREE)))


def test_large_files_one_after_the_other_do_not_pile_up_in_the_child():
    large = pages(*((np.full((1500, 2000, 3), page, np.uint8), {}) for page in range(8)))  # 72 MB
    with Sandbox(budget=Budget(memory_bytes=200 * 2**20)) as sandbox:
        seen = [int(sandbox.decode(large, page=page)[1][0, 0, 0]) for page in range(8)]
    assert seen == list(range(8))
