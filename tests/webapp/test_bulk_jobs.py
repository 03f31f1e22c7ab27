"""Work on many images at once: of uploads, selections, tabs and the trash; with the rights of the moment, and taken back."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now

from tests.webapp.conftest import OtherEncoder, add, picture, run_tasks, stored
from webapp import wiring
from webapp.accounts.models import Membership, Role
from webapp.library import bulk_jobs, cancelling, jobs, tasks, trash
from webapp.library.bulk_jobs import Which
from webapp.library.job_pages import JobView
from webapp.library.models import Collection, Embedding, Image, Job, JobState, State, Upload, Visibility
from webapp.library.receipts import receipt
from webapp.library.shelves import Tab

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_slices(monkeypatch):
    monkeypatch.setattr(bulk_jobs, "AT_ONCE", 2)
    monkeypatch.setattr(bulk_jobs._each, "__kwdefaults__", {"at_once": 2})
    monkeypatch.setattr(jobs, "KEPT_S", 0.0)


@pytest.fixture
def upload(collection, alice) -> Upload:
    return add(collection, {f"{seed}.png": picture(seed=seed) for seed in range(5)}, user=alice)


@pytest.fixture
def other(team_a, alice) -> Collection:
    return Collection.objects.create(team=team_a, name="Hearts", made_by=alice, visibility=Visibility.TEAM)


def done(job: Job) -> Job:
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def images_of(upload: Upload):
    return Image.objects.filter(upload_items__upload=upload)


def test_an_upload_is_thrown_away_and_brought_back(upload, alice):
    job = done(Which(upload=upload).start("throw-away", user=alice))
    assert (job.state, job.total, job.done, job.message) == (JobState.DONE, 5, 5, "5 images are in the trash.")
    assert receipt(upload).counts["deleted"] == 5
    assert bulk_jobs.can_undo(job)
    back = done(bulk_jobs.undo(job, user=alice))
    assert back.message == "5 images are back."
    assert set(images_of(upload).values_list("state", flat=True)) == {State.STORED}
    job.refresh_from_db()
    assert not bulk_jobs.can_undo(job)


def test_taking_back_leaves_what_was_thrown_away_before_it(upload, alice):
    earlier = images_of(upload).first()
    assert earlier is not None
    trash.throw_away(Image.objects.filter(pk=earlier.pk), user=alice)
    job = done(Which(upload=upload).start("throw-away", user=alice))
    done(bulk_jobs.undo(job, user=alice))
    assert list(Image.objects.trash_of(alice)) == [earlier]


def test_a_job_that_was_cut_off_does_what_is_left(upload, alice, monkeypatch):
    throw_away, calls = trash.throw_away, []

    def dies(images, *, user):
        calls.append(1)
        if len(calls) == 2:
            raise OSError("the machine went down")
        return throw_away(images, user=user)

    monkeypatch.setattr(trash, "throw_away", dies)
    job = Which(upload=upload).start("throw-away", user=alice)
    with pytest.raises(OSError, match="down"):
        jobs.run(job.pk)
    assert done(job).message == "5 images are in the trash."
    assert (job.total, job.done) == (5, 5)


def test_rights_are_asked_again_while_it_runs(upload, alice, monkeypatch):
    throw_away = trash.throw_away

    def then_a_viewer(images, *, user):
        gone = throw_away(images, user=user)
        Membership.objects.filter(user=user).update(role=Role.VIEWER)
        return gone

    monkeypatch.setattr(trash, "throw_away", then_a_viewer)
    job = done(Which(upload=upload).start("throw-away", user=alice))
    assert job.message.startswith("2 images are in the trash. 3 stayed")
    assert Image.objects.filter(state=State.TRASHED).count() == 2


def test_nothing_is_done_for_somebody_who_has_left(upload, alice):
    job = Which(upload=upload).start("throw-away", user=alice)
    alice.is_active = False
    alice.save()
    assert (done(job).state, job.message) == (JobState.FAILED, bulk_jobs.LEFT)
    assert not Image.objects.filter(state=State.TRASHED).exists()


def test_foreign_images_of_a_selection_stay(upload, charlie):
    job = done(Which(images=[image.pk for image in images_of(upload)]).start("throw-away", user=charlie))
    assert job.message.startswith("0 images are in the trash. 5 stayed")


def test_a_cancelled_job_stops_between_two_slices(upload, alice, monkeypatch):
    throw_away = trash.throw_away
    job = Which(upload=upload).start("throw-away", user=alice)

    def cancelled_meanwhile(images, *, user):
        jobs.cancel(job)
        return throw_away(images, user=user)

    monkeypatch.setattr(trash, "throw_away", cancelled_meanwhile)
    assert done(job).state == JobState.CANCELLED
    assert Image.objects.filter(state=State.TRASHED).count() == 2


def test_failed_images_are_tried_again(upload, alice, make_image):
    images_of(upload).update(state=State.FAILED, reason="truncated", failed_at=Now())
    job = done(Which(upload=upload).start("retry", user=alice))
    assert job.message == "5 images are tried again."
    run_tasks()
    assert receipt(upload).counts["ready"] == 5


def test_an_upload_is_moved_and_moved_back(upload, alice, collection, other):
    same = stored(other, picture(seed=3))
    arguments = {"into": str(other.pk), "out_of": str(collection.pk)}
    job = done(Which(upload=upload).start("move", user=alice, **arguments))
    assert job.message.startswith("4 images are moved. 1 stayed: the same file lies there already")
    assert [row["text"] for row in job.report] == ["The same file lies there already."]
    assert images_of(upload).filter(collection=other).count() == 4
    back = done(bulk_jobs.undo(job, user=alice))
    assert [JobView(each).label for each in (job, back)] == ["Move to another collection", "Move back"]
    assert JobView(back).undo_label == "Move there again"
    assert images_of(upload).filter(collection=collection).count() == 5
    assert Image.objects.get(collection=other) == same


def test_a_move_into_a_collection_that_is_not_ones_own_any_more_is_refused(upload, alice, foreign_collection):
    job = done(Which(upload=upload).start("move", user=alice, into=str(foreign_collection.pk)))
    assert job.state == JobState.FAILED
    assert "not yours to change" in job.message


def test_images_are_embedded_again_and_stay_searchable_meanwhile(upload, alice):
    run_tasks()
    before = dict(Embedding.objects.values_list("region", "made_at"))
    job = Which(upload=upload).start("reembed", user=alice)
    assert done(job).message == "5 images are embedded again."
    after = Embedding.objects.values_list("region", "made_at", "region__image__state")
    assert all(made > before[region] and state == State.READY for region, made, state in after)
    assert not Embedding.objects.filter(indexed_at=None).exists()


def test_embedding_again_is_for_a_worker_with_an_encoder(upload, alice, monkeypatch, django_capture_on_commit_callbacks):
    queues = []
    monkeypatch.setattr(tasks.run_job, "apply_async", lambda arguments, **options: queues.append(options["queue"]))
    with django_capture_on_commit_callbacks(execute=True):
        Which(upload=upload).start("reembed", user=alice)
        Which(upload=upload).start("retry", user=alice)
    tasks.reconcile()
    assert queues == ["embed", "jobs", "embed", "jobs"]


def test_an_encoder_that_is_away_is_told(upload, alice, monkeypatch):
    from embedder import errors

    run_tasks()

    def away():
        raise errors.EmbedderError("no device")

    monkeypatch.setattr(wiring, "get_encoder", away)
    job = done(Which(upload=upload).start("reembed", user=alice))
    assert job.state == JobState.FAILED
    assert job.message.startswith("Encoder or index cannot be had")
    assert set(images_of(upload).values_list("state", flat=True)) == {State.READY}


def test_a_tab_means_its_images_as_they_were_when_it_was_asked_for(collection, alice, upload):
    failed = images_of(upload).order_by("pk")[:2]
    Image.objects.filter(pk__in=[image.pk for image in failed]).update(state=State.FAILED)
    job = Which(collection=collection, tab=Tab.FAILED).start("throw-away", user=alice)
    late = stored(collection, picture(seed=9))
    Image.objects.filter(pk=late.pk).update(state=State.FAILED)
    assert done(job).message == "2 images are in the trash."
    assert Image.objects.filter(state=State.FAILED).get() == late


def test_the_whole_trash_is_deleted_for_good(collection, alice, upload, foreign_collection, charlie):
    theirs = stored(foreign_collection, picture())
    trash.throw_away(Image.objects.filter(pk=theirs.pk), user=charlie)
    trash.throw_away(images_of(upload), user=alice)
    assert done(Which(trash=True, collection=collection).start("delete", user=alice)).message == "5 images are deleted for good."
    assert Image.objects.get() == theirs
    job = done(Which(trash=True).start("bring-back", user=alice))
    assert job.message.startswith("0 images are back. 1 stayed in the trash")


def test_a_selection_that_is_too_large_is_refused(alice, upload):
    with pytest.raises(bulk_jobs.TooMany, match="At most 10,000 images"):
        Which(images=[alice.pk] * 10_001).start("retry", user=alice)


def test_work_of_an_unknown_kind_of_choice_touches_nothing(alice, upload):
    job = done(jobs.start("throw-away", user=alice, arguments={"of": "everything"}))
    assert job.state == JobState.FAILED
    assert not Image.objects.filter(state=State.TRASHED).exists()


def test_cancelling_an_upload_ends_what_has_not_come_in_and_its_unpacking(collection, alice):
    upload = add(collection, {"a.png": picture()}, user=alice)
    waiting = upload.items.create(name="b.png")
    archive = upload.items.create(name="c.zip", kind="archive", state="received")
    unpacking = jobs.start("unpack", user=alice, upload=upload, arguments={"item": archive.pk})
    retrying = Which(upload=upload).start("retry", user=alice)
    assert cancelling.cancel(upload) == 2
    assert {upload.items.get(pk=row.pk).state for row in (waiting, archive)} == {"cancelled"}
    upload.refresh_from_db()
    assert upload.cancelled_at is not None
    states = [Job.objects.get(pk=job.pk).state for job in (unpacking, retrying)]
    assert states == [JobState.CANCELLED, JobState.WAITING]
    assert cancelling.cancel(upload) == 0


def test_another_encoder_does_not_keep_embedding_again_from_ending(upload, alice, monkeypatch):
    run_tasks()
    monkeypatch.setitem(wiring._MADE, "get_encoder", OtherEncoder())
    job = done(Which(upload=upload).start("reembed", user=alice))
    assert job.message == "5 images are embedded again."
    run_tasks()
    assert receipt(upload).counts["ready"] == 5
