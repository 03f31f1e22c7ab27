"""Every file of the shared data goes the whole way, and nothing but pixels comes out."""

from __future__ import annotations

import struct

import pytest

from tests.webapp.conftest import add, on_disk, run_tasks
from tests.webapp.expected import FOLDERS, NO_IMAGES, PIXELS_ALONE, data, names, outcomes
from webapp.library import files
from webapp.library.models import Image, Kept, Kind, State
from webapp.library.receipts import receipt

pytestmark = [pytest.mark.shared, pytest.mark.filterwarnings("ignore::UserWarning:PIL"), pytest.mark.timeout(300)]
SENTINELS = (b"ZZPHI", b"DOE-JANE", b"MRN00417")
JPEG_NEEDS = {0xDB, 0xC0, 0xC4, 0xDA}  # tables, frame, scan; 0xE0 with nothing in it but "JFIF"


def jpeg_markers(content: bytes) -> set[int]:
    """The segments before the scan. Anything else than a JPEG raises."""
    assert content[:2] == b"\xff\xd8"
    markers: set[int] = set()
    at = 2
    while 0xDA not in markers:
        assert content[at] == 0xFF
        marker, length = content[at + 1], struct.unpack(">H", content[at + 2 : at + 4])[0]
        if marker == 0xE0:
            assert content[at + 4 : at + 9] == b"JFIF\0"
            assert length == 16
        else:
            markers.add(marker)
        at += 2 + length
    return markers


def png_chunks(content: bytes) -> set[bytes]:
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = set(), 8
    while at < len(content):
        length = struct.unpack(">I", content[at : at + 4])[0]
        chunks.add(content[at + 4 : at + 8])
        at += 12 + length
    return chunks


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_ends_as_expected_and_its_pictures_carry_no_metadata(folder, collection):
    wanted = [name for name in names(folder) if name not in NO_IMAGES]
    if not wanted:
        pytest.skip("the shared images are not beside this repository")
    upload = add(collection, {name: data(name).read_bytes() for name in wanted})
    run_tasks()
    found = {item.name: item for item in receipt(upload).items}
    said = {name: (found[name].state, found[name].reason) for name in wanted}
    assert said == {name: (each.state, each.reason) for name, each in outcomes(wanted).items()}
    assert all(item.reason_text for item in found.values() if item.state == "failed")
    counts = receipt(upload).counts
    assert counts["ready"] + counts["held"] == sum(each.images for each in outcomes(wanted).values())
    pages = upload.items.filter(kind=Kind.PAGE)
    assert pages.count() == sum(each.images - 1 for each in outcomes(wanted).values() if each.images)
    for image in Image.objects.filter(state=State.READY):
        check_what_is_shown(image)
    kept_as_pixels = Image.objects.filter(kept=Kept.PIXELS, state=State.READY, page=None).values_list("name", flat=True)
    assert {f"{folder}/{name}" for name in kept_as_pixels} == {name for name in PIXELS_ALONE if name.startswith(folder)}


def check_what_is_shown(image):
    for path in (on_disk(files.display(image.pk)), on_disk(files.thumbnail(image.pk))):
        content = path.read_bytes()
        assert jpeg_markers(content) <= JPEG_NEEDS
        assert not any(sentinel in content for sentinel in SENTINELS)
    if image.kept == Kept.PIXELS:
        assert png_chunks(on_disk(files.pixels_alone(image.pk)).read_bytes()) == {b"IHDR", b"IDAT", b"IEND"}
        assert not on_disk(files.original(image.pk)).exists()
