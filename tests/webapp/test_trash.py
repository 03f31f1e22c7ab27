"""The trash: out of everybody's sight at once, brought back whole, and deleted for good after its days."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

import search.errors
from search import Filters, Keyword, Scope
from tests.webapp.conftest import add, on_disk, picture, run_tasks, stored, told
from webapp.accounts.models import AuditEvent
from webapp.library import bulk, files, index, pipeline, reconcile, removal, shelves, tasks, trash, verify
from webapp.library.coverage import coverage
from webapp.library.models import Caption, Embedding, Image, State, UploadItem
from webapp.library.receipts import receipt

pytestmark = pytest.mark.django_db


def points_of(image: Image) -> int:
    filters = Filters(keywords=(Keyword(field="image", any_of=(str(image.pk),)),))
    return sum(each.count(scope=Scope.everything(), filters=filters) for each in index.both().values())


@pytest.fixture
def throw_away(alice, django_capture_on_commit_callbacks):
    def thrown(*images: Image, user=alice):
        with django_capture_on_commit_callbacks(execute=True):
            return trash.throw_away(Image.objects.filter(pk__in=[image.pk for image in images]), user=user)

    return thrown


def these(*images: Image):
    return Image.objects.filter(pk__in=[image.pk for image in images])


# --- throwing away ----------------------------------------------------------------------------------------------------


def test_what_is_thrown_away_leaves_both_indexes_and_keeps_its_files_and_vectors(make_image, throw_away, alice):
    image = make_image(caption="A pink field")
    assert points_of(image) == 2
    assert throw_away(image) == [image.pk]
    image.refresh_from_db()
    assert (image.state, image.trashed_from, image.trashed_by) == (State.TRASHED, State.READY, alice)
    assert points_of(image) == 0
    assert on_disk(files.original(image.pk)).is_file()
    assert Embedding.objects.filter(region__image=image, indexed_at=None).exists()
    assert verify.verify().clean
    assert AuditEvent.objects.get(action="images-thrown-away").details == {"images": [str(image.pk)]}


def test_only_editors_throw_away_and_only_what_they_may_change(make_image, throw_away, bob, charlie, carol):
    image = make_image()
    assert throw_away(image, user=bob) == throw_away(image, user=charlie) == []
    assert throw_away(image, user=carol) == [image.pk]
    assert throw_away(image, user=carol) == []


def test_a_thrown_away_image_appears_nowhere(signed_in, alice, make_image, throw_away, collection):
    gone, kept = make_image("pink", caption="Sinistra", case="K1", stain="rare"), make_image("pink", caption="Right", case="K2")
    throw_away(gone)
    browser = signed_in(alice)
    pages = ["/?q=pink", f"/?image={kept.pk}", "/collections", f"/collections/{collection.pk}", "/not-searchable", "/describe"]
    pages += [f"/images/{kept.pk}", f"/images/{kept.pk}/neighbours", f"/selected?images={gone.pk},{kept.pk}"]
    for page in pages:
        assert str(gone.pk) not in told(browser.get(page)), page
    for address in (
        f"/images/{gone.pk}",
        f"/images/{gone.pk}/facts",
        f"/images/{gone.pk}/thumbnail",
        f"/images/{gone.pk}/original",
    ):
        assert browser.get(address).status_code == 404, address
    assert browser.get("/", {"image": str(gone.pk)}).status_code == 404
    assert "Sinistra" not in told(browser.get("/describe", {"image": str(kept.pk)}))
    assert (coverage(alice).total, shelves.tabs(collection, shelves.Tab.ALL, alice)[0].count) == (1, 1)
    rows = browser.post("/selected/csv", {"images": f"{gone.pk},{kept.pk}"}).getvalue().decode()
    assert str(kept.pk) in rows
    assert str(gone.pk) not in rows


def test_sql_keeps_it_out_while_the_index_still_has_it(signed_in, alice, make_image, monkeypatch):
    gone, kept = make_image("pink", caption="Sinistra"), make_image("pink", caption="Right")
    trash.throw_away(these(gone), user=alice)
    assert points_of(gone) == 2
    browser = signed_in(alice)
    for page in ("/?q=pink", f"/?image={kept.pk}", f"/images/{kept.pk}/neighbours", f"/describe?image={kept.pk}"):
        answer = told(browser.get(page))
        assert str(gone.pk) not in answer, page
        assert "Sinistra" not in answer, page


def test_points_that_could_not_be_removed_are_found_again(make_image, throw_away, monkeypatch):
    image = make_image(caption="A pink field")

    def away(*_):
        raise search.errors.IndexUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(index, "delete_images", away)
        throw_away(image)
    assert points_of(image) == 2
    assert reconcile.reconcile().to_forget == [image.pk]
    tasks.reconcile()
    tasks.forget_points([str(image.pk)])
    assert (points_of(image), reconcile.reconcile().to_forget) == (0, [])


def test_verify_finds_points_of_the_trash_and_repairs_them(make_image, alice):
    image = make_image(caption="A pink field")
    trash.throw_away(these(image), user=alice)
    counts = verify.verify().counts
    assert (counts["points_surplus"], counts["texts_surplus"]) == (1, 1)
    verify.repair()
    assert points_of(image) == 0


def test_whoever_works_on_it_is_no_longer_listened_to(collection, alice, make_image, monkeypatch):
    make_image()
    image = stored(collection, picture("brown"))
    pipeline.prepare([image.pk])
    publish = pipeline._store_vectors

    def thrown_away_meanwhile(*arguments):
        trash.throw_away(these(image), user=alice)
        return publish(*arguments)

    monkeypatch.setattr(pipeline, "_store_vectors", thrown_away_meanwhile)
    run_tasks()
    image.refresh_from_db()
    assert image.state == State.TRASHED
    assert not Embedding.objects.filter(region__image=image).exists()


# --- bringing back ----------------------------------------------------------------------------------------------------


def test_what_comes_back_is_searchable_again_without_an_encoder(make_image, throw_away, alice, monkeypatch):
    image = make_image(caption="A pink field")
    throw_away(image)
    assert trash.bring_back(these(image), user=alice).back == [image.pk]
    image.refresh_from_db()
    assert (image.state, image.trashed_by, image.trashed_at, image.trashed_from) == (State.EMBEDDED, None, None, "")
    pipeline.publish(pipeline.unpublished(limit=10))
    run_tasks()
    image.refresh_from_db()
    assert (image.state, points_of(image), verify.verify().clean) == (State.READY, 2, True)


def test_what_was_stored_failed_or_held_is_so_again(collection, alice):
    waiting, failed, held = (stored(collection, picture(seed=seed)) for seed in range(3))
    these(failed).update(state=State.FAILED, reason="truncated", reason_text="It is cut off.")
    these(held).update(state=State.HELD, decoded_at=Now())
    trash.throw_away(these(waiting, failed, held), user=alice)
    trash.bring_back(these(waiting, failed, held), user=alice)
    states = [Image.objects.get(pk=image.pk).state for image in (waiting, failed, held)]
    assert states == [State.STORED, State.FAILED, State.HELD]
    run_tasks()
    assert Image.objects.get(pk=held.pk).state == State.HELD


def test_what_another_encoder_has_to_see_first_is_embedded(make_image, throw_away, alice, other_encoder):
    image = make_image()
    throw_away(image)
    other_encoder()
    run_tasks()
    trash.bring_back(these(image), user=alice)
    assert Image.objects.get(pk=image.pk).state == State.DECODED
    run_tasks()
    assert Image.objects.get(pk=image.pk).state == State.READY


def test_an_image_whose_file_came_in_again_stays_in_the_trash(collection, alice):
    first = stored(collection, picture())
    trash.throw_away(these(first), user=alice)
    second = stored(collection, picture())
    assert second.pk != first.pk
    brought = trash.bring_back(these(first), user=alice)
    assert (brought.back, brought.same) == ([], [first.pk])
    trash.throw_away(these(second), user=alice)
    both = trash.bring_back(these(first, second), user=alice)
    assert (both.back, both.same) == ([second.pk], [first.pk])


def test_only_editors_bring_back(make_image, throw_away, bob, charlie):
    image = make_image()
    throw_away(image)
    for person in (bob, charlie):
        assert trash.bring_back(these(image), user=person) == trash.Brought()
        assert trash.delete_for_good(these(image), user=person) == 0


def test_throwing_away_is_taken_back_as_other_changes_are(make_image, alice):
    image = make_image()
    done = bulk.throw_away(alice, [image.pk])
    assert (done.changed, done.undo is not None) == (1, True)
    assert done.undo is not None
    assert bulk.take_back(alice, bulk.Undo.from_json(done.undo.as_json())).changed == 1
    assert bulk.take_back(alice, done.undo).changed == 0


# --- the end ----------------------------------------------------------------------------------------------------------


def left_of(image: Image) -> list[bool]:
    return [path.exists() for path in (*map(on_disk, files.lasting(image.pk)), files.pixels(image.pk))]


def test_after_its_days_nothing_is_left(make_image, throw_away, settings, django_capture_on_commit_callbacks, monkeypatch):
    old, new = make_image(caption="A pink field"), make_image()
    throw_away(old, new)
    these(old).update(trashed_at=Now() - timedelta(days=settings.TRASH_DAYS, seconds=1))
    monkeypatch.setattr(removal, "send_remove", removal.remove_rest)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.empty_trash()
    assert list(Image.objects.values_list("pk", flat=True)) == [new.pk]
    assert (any(left_of(old)), points_of(old), Caption.objects.count()) == (False, 0, 0)
    assert UploadItem.objects.filter(image=old.pk).count() == 0
    assert verify.verify().clean


def test_many_are_purged_in_slices(collection, alice, settings, monkeypatch):
    monkeypatch.setattr(trash, "PURGED_AT_ONCE", 2)
    add(collection, {f"{seed}.png": picture(seed=seed) for seed in range(5)})
    trash.throw_away(Image.objects.all(), user=alice)
    Image.objects.update(trashed_at=Now() - timedelta(days=31))
    assert (trash.purge(limit=1), trash.purge()) == (2, 3)
    assert not Image.objects.exists()


def test_a_receipt_says_deleted_of_the_trash_and_of_what_is_gone(collection, alice):
    upload = add(collection, {"a.png": picture(seed=1), "b.png": picture(seed=2)})
    trash.throw_away(Image.objects.all(), user=alice)
    assert receipt(upload).counts["deleted"] == 2
    assert trash.delete_for_good(Image.objects.all(), user=alice) == 2
    assert receipt(upload).counts["deleted"] == 2
