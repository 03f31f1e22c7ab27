"""Files that look like a patient's: held for review, seen by editors only, in nobody else's numbers."""

from __future__ import annotations

import pytest

from embedder.errors import BadPattern
from tests.embedder.named import NAMED
from tests.webapp.conftest import on_disk, picture, run_tasks, stored
from webapp.library import files, identity, pipeline
from webapp.library.models import Embedding, IdentityPattern, Image, State

pytestmark = pytest.mark.usefixtures("patterns")


def prepared(collection, data: bytes, name: str = "field.png") -> Image:
    image = stored(collection, data, name=name)
    run_tasks()
    return Image.objects.get(pk=image.pk)


def test_a_name_that_looks_like_a_patients_is_found_as_soon_as_the_file_is_there(collection):
    image = stored(collection, picture(), name="biopsies/Doe^Jane/S24-1234.png")
    assert image.found_identity == [["file name", "accession number"], ["file name", "name as DICOM writes it"]]


def test_it_is_decoded_drawn_and_held_and_not_embedded(collection):
    image = prepared(collection, picture(), "MRN00417.png")
    assert image.state == State.HELD
    assert image.decoded_at is not None
    assert on_disk(files.thumbnail(image.pk)).is_file()
    assert not files.pixels(image.pk).exists()
    assert not Embedding.objects.filter(region__image=image).exists()


def test_a_header_that_says_who_the_patient_is_holds_the_image(collection):
    image = prepared(collection, NAMED["EXIF artist"][1](), "field.jpg")
    assert image.state == State.HELD
    assert ["EXIF", "medical record number"] in image.found_identity
    assert "ZZPHI" not in str(image.found_identity)


def test_an_ordinary_picture_goes_its_way(collection):
    image = prepared(collection, picture())
    assert (image.state, image.found_identity) == (State.READY, [])


def test_noted_only_it_goes_its_way_too(collection, settings):
    settings.IDENTITY_CHECK = "note"
    image = prepared(collection, NAMED["PNG tEXt"][1](), "MRN00417.png")
    assert image.state == State.READY
    assert [place for place, _pattern in image.found_identity if place != "EXIF"].count("file name") == 1


def test_switched_off_nothing_is_looked_for(collection, settings):
    settings.IDENTITY_CHECK = "off"
    image = prepared(collection, NAMED["PNG tEXt"][1](), "MRN00417.png")
    assert (image.state, image.found_identity) == (State.READY, [])


def test_what_was_reviewed_is_not_held_again_when_it_is_decoded_again(collection, alice):
    image = stored(collection, picture(), name="MRN00417.png")
    Image.objects.filter(pk=image.pk).update(reviewed_by=alice, reviewed_at="2026-01-01T00:00Z")
    run_tasks()
    image.refresh_from_db()
    assert image.state == State.READY


def test_a_header_that_could_not_be_searched_to_its_end_is_held(collection):
    image = prepared(collection, picture() + b"x" * (17 << 20))
    assert (image.state, image.found_identity) == (State.HELD, [["header", "could not be searched to its end"]])


def test_a_pattern_that_does_not_compile_stops_the_work_and_fails_no_image(collection):
    IdentityPattern.objects.create(name="broken", pattern="(")
    image = Image.objects.create(collection=collection, name="a.png", sha256="0" * 64, bytes=1)
    files.write_atomically(on_disk(files.original(image.pk)), picture())
    with pytest.raises(BadPattern):
        pipeline.prepare([image.pk])
    image.refresh_from_db()
    assert (image.state, image.attempts) == (State.STORED, 0)


def test_each_pair_is_kept_once():
    assert identity.together([["EXIF", "a"]], [["EXIF", "a"], ["XMP", "a"]]) == [["EXIF", "a"], ["XMP", "a"]]
