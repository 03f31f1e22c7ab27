"""Archives on their way in: every file of them ends in a known state, whatever dies meanwhile."""

from __future__ import annotations

import io
import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from django.utils import timezone

from tests.webapp import hostile_zips as made
from tests.webapp.conftest import added, picture, run_jobs, run_tasks
from webapp.library import cancelling, files, ingest, jobs, quotas, reconcile
from webapp.library.archives import ending, tables, taking
from webapp.library.metadata import Metadata
from webapp.library.models import Image, ItemState, Job, JobState, Kind, Upload, UploadItem
from webapp.library.receipts import receipt

pytestmark = pytest.mark.django_db

PICTURES = {f"sub/{n:02}.png": picture("pink", seed=n) for n in range(12)}


@pytest.fixture(autouse=True)
def look_often(monkeypatch):
    """Progress is written, and a cancel heard of, at each step."""
    monkeypatch.setattr(jobs, "KEPT_S", 0.0)


def sent(collection, data: bytes, *, name: str = "slides.zip", user=None, source: str = "api", **more) -> UploadItem:
    announced = [ingest.NewFile(name, len(data))]
    upload = ingest.start_upload(user=user, collection=collection, source=source, files=announced, **more)
    return ingest.accept(upload.items.get(), io.BytesIO(data))


def unpacked(collection, data: bytes, **more) -> UploadItem:
    item = sent(collection, data, **more)
    run_jobs()
    item.refresh_from_db()
    return item


def members(item: UploadItem) -> dict[str, str]:
    return {row.name: row.state for row in item.members.all()}


def all_files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def test_an_archive_that_has_arrived_waits_for_its_job(collection, alice):
    item = sent(collection, made.packed(), user=alice)
    assert (item.state, item.kind) == (ItemState.RECEIVED, Kind.ARCHIVE)
    assert files.archive(item.key).is_file()
    assert receipt(item.upload).counts["running"] == 1


def test_its_files_become_images_and_it_goes(collection):
    item = unpacked(collection, made.packed())
    assert item.state == ItemState.UNPACKED
    run_tasks()
    counts = receipt(item.upload).counts
    assert (counts["ready"], counts["running"]) == (2, 0)
    assert not files.archive(item.key).exists()
    assert Job.objects.get().message == "2 files taken out."


def test_the_receipt_counts_the_files_and_not_the_archive(collection):
    told = receipt(unpacked(collection, made.packed()).upload)
    assert sorted(line.name for line in told.items) == ["a.png", "sub/b.png"]


def test_a_bad_file_fails_alone_and_every_file_ends(collection):
    taken = {"broken.png": b"no picture"}
    refused = {"empty.png": b"", "notes.docx": b"x", "zipped.png": made.packed()}
    item = unpacked(collection, made.packed(made.GOOD | taken | {"again.png": made.GOOD["a.png"]} | refused))
    run_tasks()
    assert members(item) == {
        **dict.fromkeys([*made.GOOD, *taken], ItemState.ACCEPTED),
        "again.png": ItemState.DUPLICATE,
        **dict.fromkeys(refused, ItemState.FAILED),
    }
    assert item.members.get(name="zipped.png").reason == "nested"
    told = receipt(item.upload)
    assert (told.counts["ready"], told.counts["failed"], told.done) == (2, 4, True)


@pytest.mark.parametrize("real", [(10, None), (10_000, None), (len(made.GOOD["a.png"]), 7)])
def test_a_member_that_lies_fails_alone(collection, real):
    item = unpacked(collection, made.lying(real[0], crc=real[1]))
    row = item.members.get()
    assert row.state == ItemState.FAILED
    assert row.reason in ("lying_size", "checksum")
    assert not Image.objects.exists()


@pytest.mark.parametrize("what", made.REFUSED)
def test_a_hostile_archive_ends_as_refused_and_leaves_nothing(collection, data_folder, tmp_path, what):
    build, reason = made.REFUSED[what]
    before = all_files(tmp_path.parent)
    item = unpacked(collection, build())
    assert (item.state, item.reason) == (ItemState.FAILED, reason)
    assert receipt(item.upload).counts["failed"] == 1
    assert receipt(item.upload).done
    assert not Image.objects.exists()
    assert all_files(files.root()) == set()
    assert all_files(tmp_path.parent) == before
    with suppress(FileNotFoundError):
        assert list(Path("/tmp/evil.png").parent.glob("evil*")) == []  # noqa: S108


@pytest.mark.parametrize("what", ["overlap bomb", "climbs", "cut at 60 %", "no zip", "ten million entries"])
def test_the_upload_page_answers_hostile_archives_calmly(signed_in, alice, collection, what):
    client = signed_in(alice)
    file = io.BytesIO(made.REFUSED[what][0]())
    file.name = "slides.zip"
    answer = client.post(f"/collections/{collection.pk}/upload", {"files": [file]})
    assert answer.status_code == 302
    run_jobs()
    assert client.get(answer["Location"]).status_code == 200


def test_a_comment_and_the_archives_own_fields_are_kept_nowhere(collection):
    item = unpacked(collection, made.packed(comment=b"Doe^Jane 1970"))
    told = json.dumps(
        [list(UploadItem.objects.values_list("name", "reason_text", "metadata")), list(Job.objects.values_list("report"))]
    )
    assert "Doe" not in told
    assert item.state == ItemState.UNPACKED


def test_odd_names_are_shown_without_what_they_hide(collection):
    item = unpacked(collection, made.packed({"a\u202egnp.png": picture(), "b\r\nSet-Cookie: x.png": picture(seed=2)}))
    assert set(members(item)) == {"a�gnp.png", "b��Set-Cookie: x.png"}


def test_what_came_by_the_upload_page_may_hold_less(collection, settings):
    settings.MAX_ARCHIVE_FILES_FORM = 1
    assert unpacked(collection, made.packed(), source="form").reason == "too_many_files"
    assert unpacked(collection, made.packed(), source="api").state == ItemState.UNPACKED


def test_an_archive_that_is_more_than_the_team_may_have_is_refused_whole(collection, team_a):
    item = sent(collection, made.packed())
    team_a.max_files = 1
    team_a.save()
    run_jobs()
    item.refresh_from_db()
    assert (item.state, item.reason) == (ItemState.FAILED, "team_files")
    assert not item.members.exists()


# --- cut off ------------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """As SIGKILL: nothing catches it and nothing is tidied."""


@pytest.mark.parametrize("seed", range(4))
def test_an_unpacking_that_is_killed_again_and_again_takes_each_file_once(collection, monkeypatch, seed):
    item = sent(collection, made.packed(PICTURES))
    accept, calls = ingest.accept, [0]

    def dies(row, source, metadata=None):
        calls[0] += 1
        if (calls[0] + seed) % 4 == 0:
            raise Killed
        accepted = accept(row, source, metadata)
        if (calls[0] + seed) % 5 == 0:
            raise Killed
        return accepted

    monkeypatch.setattr(ingest, "accept", dies)
    job = Job.objects.get()
    for _ in range(30):
        Job.objects.update(lease_until=None, lease_token=None, attempts=0)
        with suppress(Killed):
            jobs.run(job.pk)
            break
    item.refresh_from_db()
    assert item.state == ItemState.UNPACKED
    assert set(members(item).values()) == {ItemState.ACCEPTED}
    assert Image.objects.count() == item.members.count() == len(PICTURES)


def test_a_kill_while_rows_are_written_leaves_none_twice(collection, monkeypatch):
    monkeypatch.setattr(taking, "slices", lambda rows, size=5: slices_of(rows, 5))
    item = sent(collection, made.packed(PICTURES))
    step, calls = jobs.Work.step, [0]

    def dies(self, n=1):
        calls[0] += 1
        if calls[0] == 2:
            raise Killed
        step(self, n)

    monkeypatch.setattr(jobs.Work, "step", dies)
    with suppress(Killed):
        jobs.run(Job.objects.get().pk)
    assert 0 < item.members.count() < len(PICTURES)
    Job.objects.update(lease_until=None, lease_token=None)
    run_jobs()
    assert item.members.count() == Image.objects.count() == len(PICTURES)


def slices_of(rows, size):
    ordered = list(rows)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def test_a_cancelled_unpacking_keeps_what_was_taken_and_ends_the_rest(collection, monkeypatch):
    item = sent(collection, made.packed(PICTURES))
    job, accept, calls = Job.objects.get(), ingest.accept, [0]

    def cancels(row, source, metadata=None):
        calls[0] += 1
        if calls[0] == 3:
            jobs.cancel(job)
        return accept(row, source, metadata)

    monkeypatch.setattr(ingest, "accept", cancels)
    jobs.run(job.pk)
    counts = receipt(item.upload).counts
    assert (counts["running"], counts["cancelled"]) == (3, len(PICTURES) - 3)
    assert not files.archive(item.key).exists()


def test_an_upload_that_is_cancelled_while_it_is_unpacked_counts_files_only(collection, monkeypatch):
    item = sent(collection, made.packed(PICTURES))
    accept, calls = ingest.accept, [0]

    def cancels(row, source, metadata=None):
        calls[0] += 1
        if calls[0] == 3:
            cancelling.cancel(item.upload)
        return accept(row, source, metadata)

    monkeypatch.setattr(ingest, "accept", cancels)
    run_jobs()
    counts = receipt(item.upload).counts
    assert (counts["running"], counts["cancelled"]) == (2, len(PICTURES) - 2)
    assert not files.archive(item.key).exists()


def test_an_unpacking_ends_with_its_upload(collection, monkeypatch):
    item = sent(collection, made.packed(PICTURES))
    Upload.objects.update(cancelled_at=timezone.now())
    run_jobs()
    assert set(members(item).values()) == {ItemState.CANCELLED}
    assert Job.objects.get().state == JobState.CANCELLED
    assert not files.archive(item.key).exists()


def test_an_unpacking_that_is_cancelled_before_it_begins_ends_by_the_reconciler(collection):
    item = sent(collection, made.packed())
    jobs.cancel(Job.objects.get())
    reconcile.reconcile()
    item.refresh_from_db()
    assert item.state == ItemState.CANCELLED
    assert not files.archive(item.key).exists()


def test_a_full_disk_stops_the_unpacking_and_it_can_be_resumed(collection, monkeypatch):
    item = sent(collection, made.packed(PICTURES))

    def full(wanted=0):
        if Image.objects.count() >= 4:
            raise quotas.NoRoom("no_space", "The archive's disk is nearly full.")

    with monkeypatch.context() as patched:
        patched.setattr(quotas, "check_disk", full)
        jobs.run(Job.objects.get().pk)
    assert Job.objects.get().state == JobState.FAILED
    counts = receipt(item.upload).counts
    assert (counts["running"], counts["pending"], counts["failed"]) == (5, 8, 0)  # the archive itself among the first
    assert ending.resume(item.upload) == 1
    run_tasks()
    assert receipt(item.upload).counts["ready"] == len(PICTURES)


def test_what_nobody_resumes_ends_in_a_day(collection, monkeypatch):
    item = sent(collection, made.packed())
    Job.objects.update(state=JobState.FAILED, ended_at="2020-01-01T00:00Z")
    reconcile.reconcile()
    item.refresh_from_db()
    assert (item.state, item.reason) == (ItemState.FAILED, "interrupted")


def test_whoever_loses_the_right_meanwhile_adds_nothing_more(collection, alice):
    item = sent(collection, made.packed(), user=alice)
    alice.memberships.all().delete()
    run_jobs()
    item.refresh_from_db()
    assert item.reason == "not_allowed"
    assert not Image.objects.exists()


def test_an_archive_whose_bytes_were_lost_says_so(collection):
    item = sent(collection, made.packed())
    files.archive(item.key).unlink()
    run_jobs()
    item.refresh_from_db()
    assert (item.state, item.reason) == (ItemState.FAILED, "archive_lost")


def test_bytes_that_belong_to_no_upload_are_removed(collection):
    item = sent(collection, made.packed())
    old = files.archive(item.key)
    os.utime(old, (0, 0))
    ending.remove_leftovers()
    assert old.exists()
    Upload.objects.all().delete()
    ending.remove_leftovers()
    assert not old.exists()


# --- words --------------------------------------------------------------------------------------------------------------

TABLE = "file,caption,stain,mpp\na.png,A glomerulus,PAS,0.5\nsub/b.png,A tubule,H&E,much\n"


def image_of(item: UploadItem, name: str) -> Image:
    image = item.members.get(name=name).image
    assert image is not None
    return image


def test_a_table_inside_speaks_of_the_files_beside_it(collection):
    item = unpacked(collection, made.packed(made.GOOD | {"captions.csv": TABLE.encode()}))
    assert image_of(item, "a.png").stain == "PAS"
    assert image_of(item, "a.png").captions.get().text == "A glomerulus"
    assert item.members.get(name="captions.csv").state == ItemState.ATTACHED
    assert [error["row"] for error in Upload.objects.get().table_errors] == [3]


def test_a_table_that_came_beside_the_archive_is_remembered_and_goes_first(collection):
    said = tables.said_by(b"file,stain\na.png,Masson\n", "t.csv", collection, list(made.GOOD))
    item = sent(collection, made.packed(made.GOOD | {"captions.csv": TABLE.encode()}), said=said)
    run_jobs()
    assert (image_of(item, "a.png").stain, image_of(item, "a.png").mpp) == ("Masson", 0.5)
    assert not files.archive(item.upload_id).exists()


def test_a_table_that_cannot_be_read_fails_alone(collection):
    item = unpacked(collection, made.packed(made.GOOD | {"captions.csv": b"\x00\x01" * 400}))
    assert item.members.get(name="captions.csv").reason == "bad_table"
    assert Image.objects.count() == 2


def test_words_beside_an_image_are_read_in_an_archive_too(collection):
    item = unpacked(collection, made.packed(made.GOOD | {"sub/b.txt": b"A tubule", "lonely.txt": b"x"}))
    assert image_of(item, "sub/b.png").captions.get().text == "A tubule"
    assert members(item) == members(item) | {"sub/b.txt": ItemState.ATTACHED, "lonely.txt": ItemState.FAILED}


def test_the_defaults_of_the_upload_hold_for_its_archives(collection):
    item = unpacked(collection, made.packed(), defaults=Metadata(organ="kidney"))
    assert image_of(item, "a.png").organ == "kidney"


def test_a_picture_with_an_archive_behind_it_is_a_picture(collection):
    assert added(collection, picture() + made.packed(), name="a.png").state == ItemState.ACCEPTED
