"""Searching with a part of a picture, and how long a picture is kept for it."""

from __future__ import annotations

import io
import uuid

import numpy as np
import pytest
from celery import current_app
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import Http404
from PIL import Image as Pictures

from embedder.fake import FakeEncoder
from tests.webapp.conftest import on_disk, run_tasks, stored
from webapp.explore import crops, pictures, tasks
from webapp.explore.asking import Crop, SearchQuery
from webapp.explore.encoding import PictureRefused
from webapp.explore.models import QueryPicture
from webapp.explore.queries import describe, search
from webapp.explore.subjects import View, subject_of
from webapp.library import files
from webapp.library.models import Image
from webapp.outages import Outage

pytestmark = pytest.mark.django_db
PRINT = FakeEncoder.spec.fingerprint
LEFT, RIGHT = Crop(0, 0, 500, 1000), Crop(500, 0, 1000, 1000)


def halves(left: str = "red", right: str = "blue", *, size: tuple[int, int] = (200, 100)) -> bytes:
    """A PNG with one colour at the left and one at the right."""
    drawn = Pictures.new("RGB", size, left)
    drawn.paste(right, (size[0] // 2, 0, *size))
    packed = io.BytesIO()
    drawn.save(packed, "PNG")
    return packed.getvalue()


def colour_vector(colour: str):
    return FakeEncoder().encode_images([Pictures.new("RGB", (100, 100), colour)])[0]


@pytest.fixture
def two_coloured(collection) -> Image:
    """A stored image, red at the left and blue at the right."""
    image = stored(collection, halves())
    run_tasks()
    return Image.objects.get(pk=image.pk)


def vector(user, **asked):
    return subject_of(SearchQuery(**asked), user=user, fingerprint=PRINT).vector


def test_a_part_of_a_stored_image_is_encoded_on_its_own(two_coloured, alice):
    np.testing.assert_allclose(vector(alice, image_id=two_coloured.pk, crop=LEFT), colour_vector("red"), atol=1e-5)
    np.testing.assert_allclose(vector(alice, image_id=two_coloured.pk, crop=RIGHT), colour_vector("blue"), atol=1e-5)


def test_a_part_is_encoded_once(two_coloured, alice, monkeypatch):
    first = vector(alice, image_id=two_coloured.pk, crop=LEFT)
    monkeypatch.setattr(crops, "_pixels_of_image", lambda pk: pytest.fail("it was decoded again"))
    np.testing.assert_array_equal(vector(alice, image_id=two_coloured.pk, crop=LEFT), first)


def test_a_part_of_a_query_picture_comes_from_its_kept_copy(make_image, alice):
    red, blue = make_image("red"), make_image("blue")
    kept = pictures.remember(halves(size=(3000, 1500)), user=alice, fingerprint=PRINT)
    page = search(SearchQuery(picture_id=kept.pk, crop=RIGHT), user=alice)
    assert [hit.image for hit in page.hits] == [blue, red]
    assert page.shown is not None
    assert page.shown.view == View(width=3000, height=1500, box=(1500, 0, 3000, 1500), part=(1500, 0, 3000, 1500))


def test_a_part_can_be_described(two_coloured, make_image, alice):
    make_image("blue", caption="a blue field")
    make_image("red", caption="a red field")
    told = describe(SearchQuery(image_id=two_coloured.pk, crop=RIGHT), user=alice)
    assert told.captions[0].text == "a blue field"


def test_a_part_of_a_foreign_image_answers_as_one_of_an_unknown_image_does(two_coloured, alice, charlie):
    vector(alice, image_id=two_coloured.pk, crop=LEFT)  # its vector is in the cache
    for image in (two_coloured.pk, uuid.uuid4()):
        with pytest.raises(Http404):
            search(SearchQuery(image_id=image, crop=LEFT), user=charlie)


def test_a_picture_without_a_kept_copy_has_to_be_chosen_again(make_image, alice):
    make_image("red")
    kept = pictures.remember(halves(), user=alice, fingerprint=PRINT)
    QueryPicture.objects.update(display=None)
    with pytest.raises(PictureRefused) as refused:
        search(SearchQuery(picture_id=kept.pk, crop=LEFT), user=alice)
    assert refused.value.reason == "cannot_crop"


def test_an_original_that_is_gone_is_an_outage(two_coloured, alice):
    on_disk(files.original(two_coloured.pk)).unlink()
    with pytest.raises(Outage):
        search(SearchQuery(image_id=two_coloured.pk, crop=LEFT), user=alice)


def test_a_worker_encodes_the_part_where_the_web_process_has_no_encoder(two_coloured, alice, settings, monkeypatch):
    settings.ENCODE_QUERIES_HERE = False
    sent = []

    def answer_at_once(name, arguments, **options):
        sent.append(name)
        tasks.encode_crop(*arguments)

    monkeypatch.setattr(current_app, "send_task", answer_at_once)
    np.testing.assert_allclose(vector(alice, image_id=two_coloured.pk, crop=LEFT), colour_vector("red"), atol=1e-5)
    assert sent == ["webapp.explore.tasks.encode_crop"]


def test_a_worker_says_why_a_part_has_no_vector(alice, settings, monkeypatch):
    kept = pictures.remember(halves(), user=alice, fingerprint=PRINT)
    QueryPicture.objects.update(display=None)
    settings.ENCODE_QUERIES_HERE = False
    monkeypatch.setattr(current_app, "send_task", lambda name, arguments, **options: tasks.encode_crop(*arguments))
    with pytest.raises(PictureRefused):
        vector(alice, picture_id=kept.pk, crop=LEFT)


def test_a_worker_with_another_encoder_ends_the_waiting(two_coloured, alice, settings, monkeypatch):
    settings.ENCODE_QUERIES_HERE = False
    monkeypatch.setattr(current_app, "send_task", lambda name, arguments, **options: tasks.encode_crop(*arguments))
    with pytest.raises(Outage):
        crops.of_image(two_coloured, LEFT, fingerprint="another")


def test_the_cache_holds_plain_bytes_and_words(two_coloured, alice):
    crops.of_image(two_coloured, LEFT, fingerprint=PRINT)
    key = f"crop:{PRINT}:image:{two_coloured.pk}:{two_coloured.pixels_sha256[:16]}:0,0,500,1000"
    assert [type(part) for part in cache.get(key)] == [bytes, str]


# --- what the model sees ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "crop", "box"),
    [
        ((448, 448), None, (0, 0, 448, 448)),
        ((600, 400), None, (100, 0, 500, 400)),
        ((400, 600), None, (0, 100, 400, 500)),
        ((1000, 1000), Crop(0, 0, 500, 1000), (0, 250, 500, 750)),
        ((1000, 500), Crop(100, 200, 900, 600), (400, 100, 600, 300)),
    ],
)
def test_the_square_in_the_middle_is_what_the_model_sees(size, crop, box):
    width, height = size
    view = View.of(width, height, crop)
    assert view.box == box
    assert view.leaves_something_out == (box != (0, 0, *size))


def test_the_smallest_part_has_a_pixel():
    assert Crop(0, 0, 20, 20).box(1, 1) == (0, 0, 1, 1)


# --- retention --------------------------------------------------------------------------------------------------------


def test_a_small_copy_without_metadata_is_kept_and_shown_to_its_owner(signed_in, alice, bob):
    photographed = io.BytesIO()
    exif = Pictures.Exif()
    exif[0x010E] = "patient Doe"
    Pictures.new("RGB", (2000, 900), "red").save(photographed, "JPEG", exif=exif, comment=b"patient Doe")
    kept = pictures.remember(photographed.getvalue(), user=alice, fingerprint=PRINT)
    answer = signed_in(alice).get(f"/query-pictures/{kept.pk}/display")
    shown = Pictures.open(io.BytesIO(answer.content))
    assert (shown.size, kept.width, kept.height) == ((1024, 461), 2000, 900)
    assert b"Doe" not in answer.content
    assert signed_in(bob).get(f"/query-pictures/{kept.pk}/display").status_code == 404


def test_a_picture_is_gone_for_everybody_when_its_time_is_over(signed_in, alice, settings, make_image):
    make_image("red")
    settings.QUERY_PICTURE_DAYS = 2
    kept = pictures.remember(halves(), user=alice, fingerprint=PRINT)
    QueryPicture.objects.update(made_at="2020-01-01T00:00Z")
    browser = signed_in(alice)
    assert browser.get(f"/query-pictures/{kept.pk}").status_code == 404
    assert browser.get("/", {"picture": kept.pk, "crop": "0,0,500,500"}).status_code == 404
    tasks.forget_query_pictures()
    assert not QueryPicture.objects.exists()


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_draws_the_square_and_offers_fields_without_script(signed_in, two_coloured, make_image, alice):
    make_image("blue")
    page = signed_in(alice).get("/", {"image": two_coloured.pk}).content.decode()
    assert 'viewBox="0 0 200 100"' in page
    assert "M50 0V100H150V0Z" in page
    assert page.count('type="number"') == 4


def test_four_fields_lead_to_the_part(signed_in, two_coloured, make_image, alice):
    make_image("blue")
    fields = {"crop_left": "50", "crop_top": "0", "crop_right": "100", "crop_bottom": "100"}
    answer = signed_in(alice).get("/", {"image": two_coloured.pk, **fields}, follow=True)
    assert answer.redirect_chain[0][0].endswith("crop=500,0,1000,1000")
    assert "Images like this part" in answer.content.decode()


def test_a_new_picture_is_asked_with_a_part_of_it(signed_in, make_image, alice):
    make_image("blue")
    browser = signed_in(alice)
    sent = browser.post("/ask-with-picture", {"picture": SimpleUploadedFile("a.png", halves())})
    answer = browser.get(f"{sent['Location']}&crop=500,0,1000,1000")
    assert "a part of your picture" in answer.content.decode()
