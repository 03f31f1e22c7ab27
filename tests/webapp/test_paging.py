from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from django.urls import reverse
from PIL import Image as Pictures

from tests.embedder.test_tiff_pages import BLUE, GREEN, RED, pages
from tests.webapp.conftest import add, added, on_disk, picture, run_tasks, stored
from webapp.library import files, paging, pipeline, pixels, removal, verify
from webapp.library.leases import retry
from webapp.library.models import Image, ItemState, Kept, Kind, State, UploadItem
from webapp.library.receipts import receipt

THREE = pages((RED, {}), (GREEN, {}), (BLUE, {}))
COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]


def colour(image):
    return pixels.load(image).getpixel((5, 5))


def in_order():
    return list(Image.objects.order_by("page"))


def one_page_broken():
    """The second page's strip is no deflate stream."""
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    content = bytearray(pages((RED, {}), (noise, {"compression": "zlib"}), (BLUE, {})))
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as tif:
        start = tif.pages[1].dataoffsets[0]
    content[start : start + 200] = b"\xff" * 200
    return bytes(content)


def test_each_page_becomes_an_image_of_one_slide(collection, alice):
    add(collection, {"ZZPHI-DOE.tif": THREE}, user=alice, stain="PAS", case="C1", tags=["x"], caption="Glomeruli.")
    run_tasks()
    images = in_order()
    assert [image.page for image in images] == [1, 2, 3]
    assert [colour(image) for image in images] == COLOURS
    assert {image.state for image in images} == {State.READY}
    assert {(image.collection_id, image.stain, image.case, *image.tags) for image in images} == {
        (collection.pk, "PAS", "C1", "x")
    }
    assert {image.slide for image in images} == {images[0].pk.hex[:8]}
    assert [[caption.text for caption in image.captions.all()] for image in images] == [["Glomeruli."]] * 3
    assert {image.added_by for image in images} == {alice}


def test_a_slide_that_was_said_stays(collection):
    add(collection, {"three.tif": THREE}, slide="S7")
    run_tasks()
    assert {image.slide for image in in_order()} == {"S7"}


def test_each_further_page_has_a_file_of_nothing_but_its_pixels(collection):
    add(collection, {"three.tif": THREE})
    run_tasks()
    first, second, _ = in_order()
    assert on_disk(files.original(first.pk)).read_bytes() == THREE
    assert (first.kept, second.kept) == (Kept.ORIGINAL, Kept.PIXELS)
    with Pictures.open(on_disk(files.pixels_alone(second.pk))) as kept:
        assert kept.getpixel((5, 5)) == COLOURS[1]
        assert kept.info == {}
    assert second.bytes == on_disk(files.pixels_alone(second.pk)).stat().st_size
    assert verify.verify(deep=True).clean


def test_the_receipt_has_a_line_for_each_page(collection):
    upload = add(collection, {"three.tif": THREE, "one.png": picture()})
    run_tasks()
    told = receipt(upload)
    assert [item.name for item in told.items] == ["three.tif", "one.png", "three.tif, page 2", "three.tif, page 3"]
    assert (told.total, told.counts["ready"], told.done) == (4, 4, True)
    parent = upload.items.get(name="three.tif")
    assert set(upload.items.filter(kind=Kind.PAGE).values_list("parent", flat=True)) == {parent.pk}


def test_a_page_that_cannot_be_decoded_fails_alone(collection):
    upload = add(collection, {"three.tif": one_page_broken()})
    run_tasks()
    assert [(image.page, image.state) for image in in_order()] == [(1, "ready"), (2, "failed"), (3, "ready")]
    assert receipt(upload).counts["failed"] == 1
    assert verify.verify().clean


def test_a_worker_that_dies_between_the_pages_loses_none(collection):
    add(collection, {"three.tif": THREE})
    pipeline.prepare(limit=1)
    assert [image.state for image in in_order()] == [State.DECODED, State.STORED, State.STORED]
    run_tasks()
    assert [colour(image) for image in in_order()] == COLOURS


def test_a_crash_while_pages_are_made_makes_none_and_then_all(collection, monkeypatch):
    add(collection, {"three.tif": THREE})

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(paging, "send_prepare", die)
        patched.setattr(UploadItem.objects, "bulk_create", die)
        with pytest.raises(KeyboardInterrupt):
            pipeline.prepare(limit=1)
    assert [image.state for image in Image.objects.all()] == [State.STORED]
    Image.objects.update(lease_until=None, lease_token=None)
    run_tasks()
    assert [image.state for image in in_order()] == [State.READY] * 3


def test_a_file_that_is_decoded_again_makes_no_page_twice(collection):
    add(collection, {"three.tif": THREE})
    run_tasks()
    Image.objects.filter(page=1).update(state=State.FAILED)
    retry(Image.objects.all())
    run_tasks()
    assert [image.page for image in in_order()] == [1, 2, 3]
    assert UploadItem.objects.filter(kind=Kind.PAGE).count() == 2


def test_a_page_is_decoded_again_from_the_file_or_from_its_pixels(collection):
    add(collection, {"three.tif": THREE})
    run_tasks()
    second = Image.objects.get(page=2)
    Image.objects.filter(pk=second.pk).update(state=State.STORED)
    run_tasks()
    again = Image.objects.get(pk=second.pk)
    assert (again.state, again.format, again.pixels_sha256) == (State.READY, "TIFF", second.pixels_sha256)
    on_disk(files.pixels_alone(second.pk)).unlink()
    assert colour(second) == COLOURS[1]


def test_the_same_file_again_brings_no_page_again(collection):
    add(collection, {"three.tif": THREE})
    run_tasks()
    assert added(collection, THREE).state == ItemState.DUPLICATE
    removal.remove(Image.objects.filter(page=1))
    again = add(collection, {"three.tif": THREE})
    run_tasks()
    counts = receipt(again).counts
    assert (counts["ready"], counts["duplicate"]) == (1, 2)
    assert Image.objects.count() == 3


def test_a_page_whose_file_was_deleted_first_says_so(collection):
    add(collection, {"three.tif": THREE})
    pipeline.prepare(limit=1)
    removal.remove(Image.objects.filter(page=1))
    run_tasks()
    assert {(image.state, image.reason) for image in in_order()} == {("failed", "original_lost")}


def test_the_bytes_stay_until_the_last_page_is_taken_out_of_them(collection, settings):
    settings.ORIGINALS = "pixels"
    add(collection, {"three.tif": THREE})
    first = Image.objects.get()
    for left in (True, True, False):
        pipeline.prepare(limit=1)
        assert on_disk(files.original(first.pk)).is_file() == left
    run_tasks()
    assert [colour(image) for image in in_order()] == COLOURS
    assert {image.kept for image in in_order()} == {Kept.PIXELS}


def test_the_last_page_that_fails_lets_the_bytes_go(collection, settings):
    settings.ORIGINALS = "pixels"
    add(collection, {"three.tif": one_page_broken()})
    run_tasks()
    assert not on_disk(files.original(Image.objects.get(page=1).pk)).is_file()
    retry(Image.objects.filter(page=2))
    run_tasks()
    assert "send it again" in Image.objects.get(page=2).reason_text


def test_more_pages_than_allowed_are_refused_together(collection, settings):
    settings.MAX_PAGES = 2
    image = stored(collection, THREE)
    run_tasks()
    image.refresh_from_db()
    assert (image.state, image.reason) == (State.FAILED, "too_many_pages")
    assert "at most 2" in image.reason_text


# --- the image's page -------------------------------------------------------------------------------------------------


@pytest.fixture
def three(collection):
    add(collection, {"three.tif": THREE})
    run_tasks()
    return in_order()


def test_an_image_of_several_pages_links_to_the_others(three, bob, signed_in):
    page = signed_in(bob).get(reverse("image", args=[three[1].pk])).content.decode()
    assert "Page 2 of 3" in page
    assert all(reverse("image", args=[other.pk]) in page for other in (three[0], three[2]))


def test_a_page_in_the_trash_is_not_linked_to(three, bob, signed_in):
    Image.objects.filter(pk=three[2].pk).update(state=State.TRASHED)
    page = signed_in(bob).get(reverse("image", args=[three[1].pk])).content.decode()
    assert reverse("image", args=[three[2].pk]) not in page


def test_an_image_of_a_file_with_one_picture_shows_no_pages(make_image, bob, signed_in):
    image = make_image()
    assert "of one file" not in signed_in(bob).get(reverse("image", args=[image.pk])).content.decode()


def test_pages_are_hidden_from_others(three, charlie):
    seen = paging.pages_of(three[1], charlie)
    assert seen is not None
    assert seen.seen == []
