from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from django import db
from django.db import IntegrityError, transaction
from kombu.exceptions import OperationalError

from search import Scope
from tests.webapp.conftest import add, added, on_disk, picture, run_tasks, stored
from webapp import wiring
from webapp.library import files, ingest, leases, quotas, removal, tasks
from webapp.library.coverage import coverage, coverage_by_collection, failures
from webapp.library.metadata import BadMetadata, Metadata
from webapp.library.models import Caption, Image, ItemState, State
from webapp.library.receipts import receipt

EVERYTHING = Scope.everything()

pytestmark = pytest.mark.django_db


def test_every_announced_file_has_a_row_before_its_bytes_come(collection, alice):
    announced = [ingest.NewFile("a.png", 3), ingest.NewFile("b.png")]
    upload = ingest.start_upload(user=alice, collection=collection, source="api", files=announced)
    assert receipt(upload).counts["pending"] == 2


def test_the_same_bytes_again_are_a_duplicate_of_the_first(collection):
    first, second = added(collection, picture()), added(collection, picture(), name="again.png")
    assert (second.state, second.reason, second.image) == (ItemState.DUPLICATE, "duplicate", first.image)
    assert Image.objects.count() == 1


def test_another_teams_copy_is_not_told_and_not_shared(collection, foreign_collection):
    added(foreign_collection, picture())
    assert added(collection, picture()).state == ItemState.ACCEPTED


def test_two_uploads_of_the_same_bytes_at_once_make_one_image(collection, monkeypatch):
    first = added(collection, picture())
    look, looks = ingest._same_bytes, []

    def looks_too_early(*arguments):
        looks.append(arguments)
        return None if len(looks) == 1 else look(*arguments)

    monkeypatch.setattr(ingest, "_same_bytes", looks_too_early)
    second = added(collection, picture())
    assert (second.state, second.image) == (ItemState.DUPLICATE, first.image)
    assert [image for image, _ in files.listed(files.ORIGINALS)] == [first.image_id]


def test_the_database_itself_refuses_a_second_image_of_the_same_bytes(collection):
    row = {"collection": collection, "name": "a", "sha256": "0" * 64, "bytes": 1}
    Image.objects.create(**row)
    with pytest.raises(IntegrityError):
        Image.objects.create(**row)


def test_a_database_that_is_lost_before_the_commit_leaves_no_file(collection, monkeypatch):
    def lost(*_):
        raise db.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(ingest, "_write", lost)
    with pytest.raises(db.OperationalError):
        added(collection, picture())
    assert list(files.listed(files.ORIGINALS)) == []


def test_a_database_that_is_lost_in_the_commit_may_have_the_row_so_that_the_file_stays(collection, monkeypatch):
    written = []
    write = ingest._write

    def writes(*arguments):
        write(*arguments)
        written.append(True)

    @contextmanager
    def atomic():
        with transaction.atomic():
            yield
        if written:
            raise db.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(ingest, "_write", writes)
    monkeypatch.setattr(ingest, "transaction", SimpleNamespace(atomic=atomic, on_commit=transaction.on_commit))
    with pytest.raises(db.OperationalError):
        added(collection, picture())
    assert [image for image, _ in files.listed(files.ORIGINALS)] == [Image.objects.get().pk]


def test_a_file_that_failed_may_be_sent_again(collection):
    added(collection, b"broken")
    run_tasks()
    assert added(collection, b"broken").state == ItemState.ACCEPTED


def test_a_file_that_failed_may_be_tried_again(collection, settings):
    settings.MAX_PIXELS = 10
    image = stored(collection, picture())
    run_tasks()
    settings.MAX_PIXELS = 10_000
    assert leases.retry(Image.objects.all()) == 1
    run_tasks()
    image.refresh_from_db()
    assert (image.state, image.reason) == (State.READY, "")


def test_a_failed_file_that_came_in_again_is_not_tried_again(collection):
    added(collection, b"broken")
    run_tasks()
    added(collection, b"broken")
    assert leases.retry(Image.objects.all()) == 0


@pytest.mark.parametrize(("data", "reason"), [(b"", "empty"), (b"x" * 101, "too_many_bytes")])
def test_what_is_refused_leaves_no_image_and_no_file(collection, settings, data, reason):
    settings.MAX_FILE_BYTES = 100
    item = added(collection, data)
    assert (item.state, item.reason, item.image) == (ItemState.FAILED, reason, None)
    assert not list(files.listed(files.ORIGINALS)) + list(files.listed(files.INCOMING))


def test_a_path_that_is_no_file_is_refused(collection, tmp_path):
    upload = ingest.start_upload(user=None, collection=collection, source="api", files=[ingest.NewFile("x")])
    item = ingest.accept(upload.items.get(), tmp_path)
    assert (item.state, item.reason) == (ItemState.FAILED, "unreadable")


def test_a_nearly_full_disk_takes_no_upload_and_names_its_setting(collection, settings):
    settings.FREE_SPACE_BYTES, settings.FREE_SPACE_SHARE = 10**18, 1.0
    with pytest.raises(quotas.NoRoom, match="FREE_SPACE_BYTES"):
        added(collection, picture())


def test_a_disk_that_fills_up_meanwhile_refuses_with_a_reason(collection, settings):
    upload = ingest.start_upload(user=None, collection=collection, source="api", files=[ingest.NewFile("x")])
    settings.FREE_SPACE_BYTES, settings.FREE_SPACE_SHARE = 10**18, 1.0
    assert ingest.accept(upload.items.get(), io.BytesIO(picture())).reason == "no_space"


def test_a_transfer_that_breaks_off_leaves_a_pending_item_and_no_file(collection):
    class Cut(io.BytesIO):
        def read(self, size=-1):
            raise ConnectionResetError("the browser is gone")

    upload = ingest.start_upload(user=None, collection=collection, source="api", files=[ingest.NewFile("x")])
    with pytest.raises(ConnectionResetError):
        ingest.accept(upload.items.get(), Cut())
    assert receipt(upload).counts["pending"] == 1
    assert not list(files.listed(files.INCOMING))


def test_sending_an_item_twice_changes_nothing(collection):
    item = added(collection, picture())
    assert ingest.accept(item, io.BytesIO(b"other")).image == item.image
    assert Image.objects.count() == 1


def test_a_file_name_is_kept_as_text_only(collection):
    image = stored(collection, picture(), name="../../etc/passwd\x00\n.png")
    assert image.name == "passwd��.png"
    assert on_disk(files.original(image.pk)).name == str(image.pk)


def test_the_queue_hears_of_a_file_once_it_is_committed(collection, monkeypatch, django_capture_on_commit_callbacks):
    sent = []
    monkeypatch.setattr(tasks.prepare, "apply_async", lambda arguments, **options: sent.append(arguments))
    with django_capture_on_commit_callbacks(execute=True):
        image = stored(collection, picture())
        assert sent == []
    assert sent == [([str(image.pk)],)]


def test_a_file_is_accepted_while_the_broker_is_away(collection, monkeypatch, django_capture_on_commit_callbacks):
    def away(arguments, **options):
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks.prepare, "apply_async", away)
    with django_capture_on_commit_callbacks(execute=True):
        item = added(collection, picture())
    run_tasks()
    assert receipt(item.upload).counts["ready"] == 1


def test_what_a_file_says_goes_over_the_uploads_defaults(collection):
    defaults = Metadata(stain="H&E", organ="kidney", tags=("2026",))
    upload = ingest.start_upload(
        user=None, collection=collection, source="api", files=[ingest.NewFile("x")], defaults=defaults
    )  # fmt: skip
    said = Metadata.from_mapping({"Organ": "liver", "tags": "a; b", "caption": "A field", "mpp": "0,25", "ward": 7})
    ingest.accept(upload.items.get(), io.BytesIO(picture()), metadata=said)
    image = Image.objects.get()
    assert (image.stain, image.organ, image.mpp, image.tags) == ("H&E", "liver", 0.25, ["2026", "a", "b"])
    assert image.metadata == {"ward": "7"}
    assert Caption.objects.get().text == "A field"


@pytest.mark.parametrize(
    "said", [{"mpp": "wide"}, {"mpp": "-1"}, {"mpp": "nan"}, {"stain": "x" * 81}, {"tags": 7}, {"extra": "no mapping"}]
)
def test_what_cannot_be_kept_is_refused_by_name(said):
    with pytest.raises(BadMetadata, match=next(iter(said)) + "|metadata"):
        Metadata.from_mapping(said)


def test_metadata_reads_back_what_it_wrote():
    said = Metadata(caption="A", stain="H&E", mpp=0.5, tags=("a",), extra={"b": "c"})
    assert Metadata.from_mapping(said.as_dict()) == said


def test_a_receipt_adds_up_with_every_fate(collection):
    upload = add(collection, {"a": picture(seed=1), "b": picture(seed=1), "c": b"", "d": b"broken", "e": picture(seed=2)})
    run_tasks()
    running = add(collection, {"f": picture(seed=3)})
    removal.remove(Image.objects.filter(upload_items__name="e"))
    counts = receipt(upload).counts
    assert {state: n for state, n in counts.items() if n} == {"ready": 1, "duplicate": 1, "failed": 2, "deleted": 1}
    assert receipt(running).counts["running"] == 1
    assert not receipt(running).done


def test_coverage_counts_what_the_user_may_see(collection, foreign_collection, bob, charlie):
    add(collection, {"a": picture(seed=1), "b": b"broken"})
    add(foreign_collection, {"c": picture(seed=2)})
    run_tasks()
    add(collection, {"d": picture(seed=3)})
    told = coverage(bob)
    assert (told.total, told.ready, told.running, told.failed, told.collections) == (3, 1, 1, 1, 1)
    assert list(coverage_by_collection(charlie)) == [foreign_collection.pk]
    assert list(failures(Image.objects.visible_to(bob)).values()) == [1]


def test_deleting_an_image_deletes_its_files_and_points(make_image):
    kept, gone = make_image(caption="one"), make_image(caption="two")
    removal.remove(Image.objects.filter(pk=gone.pk))
    removal.remove_rest([gone.pk, kept.pk])
    assert {image for image, _ in files.listed("")} == {kept.pk}

    points = [index.scroll(scope=EVERYTHING).points for index in (wiring.get_image_index(), wiring.get_text_index())]
    assert [point.payload.image for some in points for point in some] == [str(kept.pk)] * 2


def test_paths_stay_inside_the_data_folder(collection, data_folder: Path):
    image = stored(collection, picture())
    assert all(path.is_relative_to(data_folder) for path in (*map(on_disk, files.lasting(image.pk)), files.pixels(image.pk)))
