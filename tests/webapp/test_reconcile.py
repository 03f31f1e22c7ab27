from __future__ import annotations

import os
import shutil
import time
from datetime import timedelta

import pytest
from django.utils import timezone

import search
from tests.webapp.conftest import add, picture, run_tasks
from webapp import wiring
from webapp.library import files, ingest, leases, pipeline, reconcile, tasks, versions
from webapp.library.models import Image, ItemState, State, Upload
from webapp.library.receipts import receipt

pytestmark = pytest.mark.django_db
EVERYTHING = search.Scope.everything()


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, tuple[object, ...]]]:
    """Hints, instead of a queue."""
    hints: list[tuple[str, tuple[object, ...]]] = []
    monkeypatch.setattr("webapp.library.sending.hint", lambda task, *given: hints.append((task.name.split(".")[-1], given)))
    return hints


def test_a_lost_queue_is_found_again(collection, sent):
    upload = add(collection, {"a": picture(seed=1), "b": picture(seed=2)})
    tasks.reconcile()
    assert ("prepare_waiting", ()) in sent
    tasks.prepare_waiting()
    tasks.reconcile()
    assert ("embed", ([],)) in sent
    tasks.embed([])
    assert receipt(upload).counts["ready"] == 2


def test_a_message_leads_to_the_next_one(make_image, sent):
    image = make_image(ready=False)
    tasks.prepare([str(image.pk)])
    assert sent == [("embed", ([str(image.pk)],))]


def test_a_message_about_a_deleted_image_does_nothing(make_image, sent):
    image = make_image(ready=False)
    Image.objects.all().delete()
    tasks.prepare([str(image.pk)])
    tasks.embed([str(image.pk)])
    assert not [hint for hint in sent if hint[0] != "find_near"]  # which asks SQL what there is to compare


def test_work_of_a_dead_process_is_taken_up_when_its_lease_ends(make_image, settings):
    settings.LEASE_S = -1
    image = make_image(ready=False)
    leases.claim(leases.waiting(State.STORED), limit=1)
    settings.LEASE_S = 120
    run_tasks()
    image.refresh_from_db()
    assert image.state == State.READY


def test_an_image_that_interrupts_work_three_times_fails(make_image, settings):
    settings.LEASE_S = -1
    image = make_image(ready=False)
    for _ in range(3):
        assert len(leases.claim(leases.waiting(State.STORED), limit=1)) == 1
    assert leases.claim(leases.waiting(State.STORED), limit=1) == []
    assert reconcile.reconcile().gave_up == 1
    image.refresh_from_db()
    assert (image.state, image.reason) == (State.FAILED, "interrupted")


def test_a_process_that_starts_alone_takes_over_at_once(make_image):
    make_image(ready=False)
    leases.claim(leases.waiting(State.STORED), limit=1)
    assert leases.end_all() == 1
    assert len(leases.claim(leases.waiting(State.STORED), limit=1)) == 1


def test_files_that_never_came_end_as_failed(collection, settings):
    upload = ingest.start_upload(user=None, collection=collection, source="api", files=[ingest.NewFile("a")])
    Upload.objects.update(made_at=timezone.now() - timedelta(hours=settings.TUS_EXPIRES_H + 1))
    reconcile.reconcile()
    assert (upload.items.get().state, upload.items.get().reason) == (ItemState.FAILED, "not_received")


def test_a_lost_index_is_rebuilt_from_sql_without_the_encoder(make_image, settings, monkeypatch):
    make_image("brown", caption="brown nuclei")
    image = make_image("pink")
    before = _points()
    wiring.forget()
    shutil.rmtree(settings.CONCHIVE_DATA / "vectors")
    with monkeypatch.context() as patched:
        patched.setattr(wiring, "get_encoder", lambda: pytest.fail("the encoder was asked"))
        reconcile.reconcile()
        image.refresh_from_db()
        assert image.state == State.EMBEDDED
        tasks.publish()
    image.refresh_from_db()
    assert image.state == State.READY
    assert _points() == before
    run_tasks()
    assert wiring.get_text_index().count(scope=EVERYTHING) == 1


def test_points_that_the_index_lost_are_sent_again(make_image):
    lost, kept = make_image("brown"), make_image("pink")
    before = _points()
    wiring.get_image_index().delete(scope=EVERYTHING, ids=[str(lost.regions.get().pk)])
    assert reconcile.reconcile().lost == 1
    assert [Image.objects.get(pk=image.pk).state for image in (lost, kept)] == [State.EMBEDDED, State.READY]
    run_tasks()
    assert _points() == before


def test_an_index_that_refuses_leaves_images_waiting(make_image, monkeypatch, caplog, sent):
    make_image()
    image = make_image(ready=False)
    pipeline.prepare()

    def away():
        raise search.errors.IndexUnavailable("the engine does not answer")

    monkeypatch.setattr(wiring.get_image_index(), "versions", away)
    tasks.embed([str(image.pk)])
    tasks.reconcile()
    image.refresh_from_db()
    assert (image.state, image.attempts) == (State.DECODED, 0)
    assert "has to wait" in caplog.text


def test_half_received_files_are_removed_after_an_hour(data_folder):
    with files.incoming() as (path, file):
        file.write(b"half")
        kept = path.with_name("half")
        os.link(path, kept)
    reconcile.remove_leftovers()
    assert kept.exists()
    os.utime(kept, (0, time.time() - 2 * reconcile.LEFTOVERS_AFTER_S))
    reconcile.remove_leftovers()
    assert not kept.exists()


def test_settle_is_all_that_a_new_encoder_needs(make_image, other_encoder, sent):
    image = make_image("brown", caption="brown nuclei")
    other_encoder()
    tasks.settle()
    assert not versions.changing()
    assert image.regions.get().embeddings.count() == 2


def _points() -> dict[str, bytes]:
    batches = wiring.get_image_index().scroll_all(scope=EVERYTHING, vectors=True)
    return {point.id: point.vector.tobytes() for batch in batches for point in batch.points}
