"""A whole site whose files lie in a bucket, what it does while the bucket is away, and the way from one store to the other."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import override_settings

from tests.webapp.buckets import Breaking, Bucket
from tests.webapp.conftest import added, on_disk, picture, run_tasks, stored
from tests.webapp.test_media import _address, _get
from webapp import safety
from webapp.accounts.models import AuditEvent
from webapp.explore import queries, warmup
from webapp.explore.asking import SearchQuery
from webapp.library import (
    age,
    bundle,
    choosing,
    files,
    jobs,
    originals,
    reconcile,
    rekeeping,
    removal,
    store,
    tasks,
    transfer,
    trash,
    verify,
    verify_files,
)
from webapp.library.management.commands import verify as verify_command
from webapp.library.models import Image, ItemState, JobState, Kept, State
from webapp.library.store import StoreAway
from webapp.operating import readiness

pytestmark = pytest.mark.django_db
DATA = picture("brown", size=(80, 60))


def key_of(name: str) -> str:
    return f"archive/{name}"


def ready(collection, data: bytes = DATA, name: str = "field.png", **metadata) -> Image:
    image = stored(collection, data, name=name, **metadata)
    run_tasks()
    return Image.objects.get(pk=image.pk)


# --- all of it --------------------------------------------------------------------------------------------------------


def test_an_image_is_taken_in_found_shown_and_deleted(
    bucket: Bucket, collection, signed_in, alice, monkeypatch, django_capture_on_commit_callbacks
):
    image = ready(collection, caption="A brown field")
    names = [files.original(image.pk), files.display(image.pk), files.thumbnail(image.pk)]
    assert sorted(bucket.names()) == sorted(map(key_of, names))
    assert not any(on_disk(name).exists() for name in names)
    warmup.ready_encoder(timeout_s=60)
    assert [hit.image.pk for hit in queries.search(SearchQuery(text="brown field", size=5), user=alice).hits] == [image.pk]
    browser = signed_in(alice)
    for kind, name in zip(("original", "display", "thumbnail"), names, strict=True):
        assert _get(browser, _address(image, kind)).body == bucket.read(key_of(name))
    assert verify.verify(deep=True).clean
    monkeypatch.setattr(removal, "send_remove", removal.remove_rest)
    with django_capture_on_commit_callbacks(execute=True):
        trash.throw_away(Image.objects.filter(pk=image.pk), user=alice)
        Image.objects.filter(pk=image.pk).update(trashed_at=Now() - timedelta(days=365))
        tasks.empty_trash()
    assert (bucket.names(), Image.objects.count(), verify.verify().clean) == ([], 0, True)


@pytest.mark.parametrize("kind", ["thumbnail", "display", "original"])
def test_pictures_are_sent_as_from_a_folder(bucket: Bucket, collection, signed_in, alice, settings, kind):
    settings.ACCEL_PREFIX = "/protected/"  # the proxy has nothing to send
    image, browser = ready(collection), signed_in(alice)
    whole = _get(browser, _address(image, kind))
    assert int(whole.headers["Content-Length"]) == len(whole.body)
    assert "X-Accel-Redirect" not in whole.headers
    tag = whole.headers["ETag"]
    part = _get(browser, _address(image, kind), range="bytes=10-29")
    assert (part.status_code, part.body) == (206, whole.body[10:30])
    assert _get(browser, _address(image, kind), **{"If-None-Match": tag}).status_code == 304
    head = browser.head(_address(image, kind))
    assert (head.status_code, head.headers["Content-Length"]) == (200, whole.headers["Content-Length"])
    head.close()
    assert _get(browser, _address(image, kind), range="bytes=999999-").status_code == 416


def test_a_download_is_written_down(bucket: Bucket, collection, signed_in, alice):
    image = ready(collection)
    _get(signed_in(alice), _address(image, "original"))
    assert AuditEvent.objects.get(action="download").target_id == str(image.pk)


def test_strangers_get_nothing(bucket: Bucket, collection, signed_in, charlie):
    assert _get(signed_in(charlie), _address(ready(collection), "display")).status_code == 404


def test_an_object_that_is_gone_is_not_found(bucket: Bucket, collection, signed_in, alice):
    image, browser = ready(collection), signed_in(alice)
    store.current().delete(files.thumbnail(image.pk), files.original(image.pk))
    assert _get(browser, _address(image, "thumbnail")).status_code == 404
    assert _get(browser, _address(image, "original")).status_code == 404
    counts = verify.verify().counts
    assert (counts["originals_missing"], counts["derivatives_missing"]) == (1, 1)


def test_verify_sees_what_has_changed_and_what_nobody_knows(bucket: Bucket, collection, monkeypatch):
    image = ready(collection)
    data = bucket.read(key_of(files.original(image.pk)))
    store.current().write(files.original(image.pk), data[:-1] + b"x")
    assert (verify.verify().clean, verify.verify(deep=True).counts["originals_changed"]) == (True, 1)
    store.current().write(files.original(image.pk), data)
    stray = files.original(collection.pk)
    store.current().write(stray, b"nobody's")
    assert verify.verify().clean  # it may be arriving
    monkeypatch.setattr(verify_files, "SETTLED_S", -10)
    assert verify.verify().counts["files_without_row"] == 1
    verify.repair()
    assert key_of(stray) not in bucket.names()
    assert verify.verify().clean


def test_verify_does_not_miss_what_has_come_since_it_looked(bucket: Bucket, collection):
    first = ready(collection)
    find = verify_files._finder()
    assert find(files.original(first.pk)) is not None
    late = f"{files.original(first.pk)}.age"  # in the same folder, which was listed
    store.current().write(late, b"since")
    assert find(late) is not None


def test_many_images_are_packed(bucket: Bucket, collection, alice):
    image = ready(collection)
    chosen = choosing.choose(alice, [image.pk])
    with zipfile.ZipFile(io.BytesIO(b"".join(bundle.stream(chosen, user=alice, originals=True)))) as archive:
        assert archive.read(f"originals/{image.pk}-field.png") == DATA


@pytest.mark.parametrize("wanted", ["encrypt", "pixels"])
def test_what_is_kept_can_be_changed(bucket: Bucket, collection, signed_in, alice, settings, tmp_path, wanted):
    image = ready(collection)
    age.new_key(tmp_path / "key")
    settings.ORIGINALS_KEY_FILE, settings.ORIGINALS = str(tmp_path / "key"), wanted
    assert (rekeeping.rekeep().changed, rekeeping.rekeep().changed) == (1, 0)
    image.refresh_from_db()
    kept = [name for name in bucket.names() if "originals" in name]
    assert kept == [key_of(originals.place(image.kept, image.pk))]
    body = _get(signed_in(alice), _address(image, "original")).body
    assert (body == DATA) == (wanted == "encrypt")
    assert verify.verify(deep=True).clean


def test_an_encrypted_original_is_decoded(bucket: Bucket, collection, settings, tmp_path):
    age.new_key(tmp_path / "key")
    settings.ORIGINALS_KEY_FILE, settings.ORIGINALS = str(tmp_path / "key"), "encrypt"
    image = ready(collection)
    assert (image.state, image.kept) == (State.READY, Kept.ENCRYPTED)
    originals.check_key()
    assert not any((files.root() / files.INCOMING).iterdir())


# --- away -------------------------------------------------------------------------------------------------------------


def test_pages_say_that_the_bucket_is_away(bucket: Bucket, collection, signed_in, alice):
    image, browser = ready(collection), signed_in(alice)
    bucket.away()
    answer = browser.get(_address(image, "display"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "15")
    assert "cannot be reached" in answer.content.decode()
    assert browser.get("/").status_code == 200
    bucket.back()
    assert _get(browser, _address(image, "display")).status_code == 200


def test_readyz_says_that_the_bucket_is_away(bucket: Bucket):
    assert readiness._answer(*readiness.PARTS["files"]).ok
    bucket.away()
    told = readiness._answer(*readiness.PARTS["files"])
    assert (told.ok, told.detail) == (False, "The storage that the archive's files lie in does not answer.")
    bucket.back()


def test_what_was_taken_in_waits_and_is_finished_later(bucket: Bucket, collection):
    image = stored(collection, DATA)
    bucket.away()
    with pytest.raises(StoreAway):
        run_tasks()
    tasks.prepare([str(image.pk)])
    image.refresh_from_db()
    assert (image.state, image.attempts) == (State.STORED, 0)
    bucket.back()
    run_tasks()
    image.refresh_from_db()
    assert (image.state, verify.verify(deep=True).clean) == (State.READY, True)


def test_what_is_sent_meanwhile_is_not_promised(bucket: Bucket, collection):
    bucket.away()
    with pytest.raises(StoreAway):
        added(collection, DATA)
    assert not Image.objects.exists()
    bucket.back()
    assert not any((files.root() / files.INCOMING).iterdir())
    assert added(collection, DATA).state == ItemState.ACCEPTED


def test_what_has_come_in_pieces_is_taken_in_when_it_is_back(bucket: Bucket, collection, alice):
    from webapp.library import ingest

    upload = ingest.start_upload(user=alice, collection=collection, source="tus", files=[ingest.NewFile("a.png", len(DATA))])
    item = upload.items.select_related("upload__collection__team").get()
    bucket.away()
    with pytest.raises(StoreAway):
        transfer.append(item, io.BytesIO(DATA), at=0, size=len(DATA))
    reconcile.reconcile()  # the rest of its work is done meanwhile
    item.refresh_from_db()
    assert item.state == ItemState.PENDING
    bucket.back()
    reconcile.reconcile()
    item.refresh_from_db()
    assert (item.state, Image.objects.get().pk) == (ItemState.ACCEPTED, item.image_id)
    assert bucket.read(key_of(files.original(Image.objects.get().pk))) == DATA


def test_a_job_waits_for_the_bucket_without_using_up_its_attempts(bucket: Bucket, collection, alice, settings, tmp_path):
    image = ready(collection)
    age.new_key(tmp_path / "key")
    settings.ORIGINALS_KEY_FILE, settings.ORIGINALS = str(tmp_path / "key"), "encrypt"
    job = jobs.start(rekeeping.JOB, user=alice)
    bucket.away()
    for _ in range(settings.MAX_ATTEMPTS + 1):
        with pytest.raises(StoreAway):
            jobs.run(job.pk)
    bucket.back()
    jobs.run(job.pk)
    job.refresh_from_db()
    image.refresh_from_db()
    assert (job.state, image.kept) == (JobState.DONE, Kept.ENCRYPTED)


def test_a_label_goes_when_the_bucket_is_back(bucket: Bucket, collection):
    image = stored(collection, DATA)
    Image.objects.filter(pk=image.pk).update(state=State.FAILED, reason="label_only", failed_at=Now())
    bucket.away()
    reconcile.reconcile()
    bucket.back()
    assert key_of(files.original(image.pk)) in bucket.names()
    reconcile.reconcile()
    assert bucket.names() == []


def test_an_outage_while_it_is_decrypted_damages_nothing(bucket: Bucket, collection, settings, tmp_path, monkeypatch):
    age.new_key(tmp_path / "key")
    settings.ORIGINALS_KEY_FILE, settings.ORIGINALS = str(tmp_path / "key"), "encrypt"
    image = stored(collection, np.random.default_rng(1).bytes(3_000_000), name="noise.png")
    kept = store.current()
    monkeypatch.setattr(kept, "stream", Breaking(kept.stream, good=2, times=2))  # type: ignore[attr-defined]
    with pytest.raises(StoreAway):
        verify_files.digest_of(originals.opened(image)[0])


def test_commands_say_it_in_a_sentence(bucket: Bucket, collection):
    ready(collection)
    bucket.away()
    with pytest.raises(CommandError, match="the store of files is out"):
        call_command(verify_command.Command())
    bucket.back()


# --- from one to the other --------------------------------------------------------------------------------------------


def moved(*options: str, capsys) -> dict[str, Any]:
    call_command("move_files", *options, "--json")
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


@pytest.fixture
def in_folder(bucket: Bucket, collection, settings):
    """An image that came in before there was a bucket."""
    with override_settings(S3_BUCKET=""):
        return ready(collection)


def test_an_archive_moves_into_a_bucket_and_back(bucket: Bucket, in_folder, capsys):
    names = [files.display(in_folder.pk), files.original(in_folder.pk), files.thumbnail(in_folder.pk)]
    assert verify.verify().counts["originals_missing"] == 1
    assert moved("--to", "s3", "--dry-run", capsys=capsys)["copied"] == 3
    assert bucket.names() == []
    assert moved("--to", "s3", capsys=capsys)["copied"] == 3
    assert (sorted(bucket.names()), verify.verify(deep=True).clean) == (list(map(key_of, names)), True)
    again = moved("--to", "s3", capsys=capsys)
    assert (again["copied"], again["there"], again["removed"]) == (0, 3, 0)
    assert all(on_disk(name).exists() for name in names)
    assert moved("--to", "s3", "--remove", capsys=capsys)["removed"] == 3
    assert not any(on_disk(name).exists() for name in names)
    assert moved("--to", "folder", "--remove", capsys=capsys)["removed"] == 3
    with override_settings(S3_BUCKET=""):
        assert (bucket.names(), verify.verify(deep=True).clean) == ([], True)


def test_what_is_not_the_same_stays_where_it_was(bucket: Bucket, in_folder, capsys):
    moved("--to", "s3", capsys=capsys)
    name = files.original(in_folder.pk)
    data = bucket.read(key_of(name))
    store.current().write(name, data[:-1] + b"x")
    with pytest.raises(SystemExit):
        moved("--to", "s3", "--remove", capsys=capsys)
    assert on_disk(name).read_bytes() == data
    assert not on_disk(files.display(in_folder.pk)).exists()


def test_what_is_newer_is_carried_again(bucket: Bucket, in_folder, capsys):
    moved("--to", "s3", capsys=capsys)
    store.folder().write(files.thumbnail(in_folder.pk), b"drawn again, and larger or smaller")
    assert moved("--to", "s3", capsys=capsys)["copied"] == 1
    assert bucket.read(key_of(files.thumbnail(in_folder.pk))).startswith(b"drawn again")


def test_a_move_that_the_bucket_ends_is_told(bucket: Bucket, in_folder, capsys):
    bucket.away()
    with pytest.raises(CommandError, match="out"):
        moved("--to", "s3", capsys=capsys)
    bucket.back()


def test_a_move_needs_a_bucket(settings):
    with pytest.raises(CommandError, match="S3_BUCKET"):
        call_command("move_files", "--to", "s3")


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"S3_ENDPOINT": "https://s3.example.org"}, "bucket"),
        ({"S3_BUCKET": "b", "S3_ACCESS_KEY": "a"}, "bucket_key"),
        ({"S3_BUCKET": "b", "S3_SECRET_KEY": "s"}, "bucket_key"),
        ({"S3_BUCKET": "b", "S3_ENDPOINT": "s3.example.org"}, "bucket_address"),
    ],
)
def test_a_bucket_that_is_named_by_half_stops_the_start(settings, changes, name):
    for each, value in changes.items():
        setattr(settings, each, value)
    assert [error.id for error in safety.unsafe_settings()] == [f"conchive.{name}"]


def test_a_bucket_and_a_role_are_enough(settings):
    assert safety.unsafe() == []
    settings.S3_BUCKET = "b"
    assert safety.unsafe() == []
