from __future__ import annotations

import os
import uuid

import numpy as np
import pytest

import search
from tests.webapp.conftest import on_disk, run_tasks
from webapp import wiring
from webapp.library import files, upkeep, verify
from webapp.library.models import Caption, Embedding, Image, Region, State

pytestmark = pytest.mark.django_db
EVERYTHING = search.Scope.everything()


def _disagreements() -> dict[str, int]:
    return {name: n for name, n in verify.verify().counts.items() if n}


def test_what_came_in_agrees_with_itself(make_image):
    make_image("brown", caption="brown nuclei", size=(1000, 1000), stain="IHC", tags="a;b", mpp=0.5)
    assert _disagreements() == {}


def test_an_empty_archive_agrees_with_itself(db):
    assert verify.verify().clean


@pytest.mark.parametrize("kind", [files.display, files.thumbnail])
def test_lost_pictures_are_drawn_again(make_image, kind):
    image = make_image()
    on_disk(kind(image.pk)).unlink()
    assert _disagreements() == {"derivatives_missing": 1}
    assert upkeep.repaired().clean
    assert on_disk(kind(image.pk)).stat().st_size


def test_files_that_belong_to_nobody_are_removed(make_image):
    image = make_image()
    for path in (on_disk(files.original(uuid.uuid4())), on_disk(files.display(image.pk)).with_name("stray.jpg")):
        files.write_atomically(path, b"stray")
        os.utime(path, (0, 0))
    assert _disagreements() == {"files_without_row": 2}
    assert upkeep.repaired().clean


def test_a_file_whose_row_is_just_being_committed_is_left_alone(make_image):
    files.write_atomically(on_disk(files.original(uuid.uuid4())), b"fresh")
    assert verify.verify().clean


def test_a_lost_original_is_told_until_a_backup_brings_it_back(make_image):
    image = make_image()
    data = on_disk(files.original(image.pk)).read_bytes()
    on_disk(files.original(image.pk)).unlink()
    assert upkeep.repaired().counts["originals_missing"] == 1
    files.write_atomically(on_disk(files.original(image.pk)), data)
    assert verify.verify().clean


def test_a_changed_original_is_told(make_image):
    image = make_image()
    data = on_disk(files.original(image.pk)).read_bytes()
    on_disk(files.original(image.pk)).write_bytes(data[:-1] + b"x")
    assert verify.verify().clean
    assert verify.verify(deep=True).counts["originals_changed"] == 1
    on_disk(files.original(image.pk)).write_bytes(data + b"x")
    assert verify.verify().counts["originals_changed"] == 1


def test_a_searchable_image_without_its_vector_is_embedded_again(make_image):
    image = make_image()
    Embedding.objects.all().delete()
    assert _disagreements() == {"vectors_missing": 1, "points_surplus": 1}
    assert upkeep.repaired().clean
    assert Image.objects.get(pk=image.pk).state == State.READY


def test_a_searchable_image_without_regions_is_decoded_again(make_image):
    make_image()
    Region.objects.all().delete()
    assert upkeep.repaired().clean
    assert Region.objects.count() == 1


@pytest.mark.parametrize("vector", [np.zeros(512), np.full(512, np.nan), np.ones(512), np.eye(1, 511)[0]])
def test_a_damaged_vector_is_computed_again(make_image, vector):
    make_image()
    before = bytes(Embedding.objects.get().search)
    Embedding.objects.update(search=vector.astype("<f4").tobytes())
    assert verify.verify().counts["vectors_damaged"] == 1
    assert upkeep.repaired().clean
    assert bytes(Embedding.objects.get().search) == before


def test_a_lost_point_is_sent_again(make_image):
    image = make_image()
    wiring.get_image_index().delete(scope=EVERYTHING, ids=[str(image.regions.get().pk)])
    assert _disagreements() == {"points_missing": 1}
    assert upkeep.repaired().clean


def test_points_of_deleted_images_are_removed(make_image):
    make_image(caption="gone")
    make_image(caption="kept")
    gone = Image.objects.order_by("stored_at").first()
    assert gone is not None
    gone.delete()
    assert _disagreements() == {"points_surplus": 1, "texts_surplus": 1}
    upkeep.repaired()
    assert "points_surplus" not in _disagreements()
    assert wiring.get_text_index().count(scope=EVERYTHING) == 1


def test_a_point_that_says_something_else_than_sql_is_written_again(make_image, foreign_collection):
    make_image()
    Image.objects.update(collection=foreign_collection, organ="liver")
    assert _disagreements() == {"points_outdated": 1}
    assert upkeep.repaired().clean
    assert wiring.get_image_index().count(scope=search.Scope.of([str(foreign_collection.pk)])) == 1


def test_a_lost_caption_is_sent_again(make_image):
    make_image(caption="brown nuclei")
    wiring.get_text_index().delete(scope=EVERYTHING, ids=[str(Caption.objects.get().pk)])
    assert _disagreements() == {"texts_missing": 1}
    assert upkeep.repaired().clean


def test_work_that_was_given_up_by_nobody_is_ended(make_image, settings):
    make_image(ready=False)
    Image.objects.update(attempts=settings.MAX_ATTEMPTS)
    assert _disagreements() == {"work_stuck": 1}
    assert upkeep.repaired().clean
    assert Image.objects.get().state == State.FAILED


def test_images_on_their_way_are_no_disagreement(make_image):
    make_image()
    make_image(ready=False)
    report = verify.verify()
    assert (report.clean, report.waiting) == (True, 1)
    run_tasks()
    assert verify.verify().waiting == 0
