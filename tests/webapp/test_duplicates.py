"""The same file, the same pixels: found among what somebody may change, decided by a person, never shown to anybody else."""

from __future__ import annotations

import io
from uuid import UUID

import pytest
from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo

from tests.webapp.conftest import picture, run_tasks, stored
from webapp.accounts.models import Membership, Role, User
from webapp.library import deciding, duplicates, jobs, keeping_older, trash
from webapp.library.deciding import NotDone, decide
from webapp.library.models import Collection, DuplicatePair, Image, Job, JobState, Likeness, State, Visibility

BYTES, PIXELS, NEAR = Likeness.BYTES, Likeness.PIXELS, Likeness.NEAR


def commented(seed: int, comment: str) -> bytes:
    """Other bytes than picture(seed=seed) has, the same pixels."""
    text, packed = PngInfo(), io.BytesIO()
    text.add_text("Comment", comment)
    Pictures.open(io.BytesIO(picture(seed=seed))).save(packed, "PNG", pnginfo=text)
    return packed.getvalue()


@pytest.fixture
def second(team_a, alice) -> Collection:
    return Collection.objects.create(team=team_a, name="More kidneys", made_by=alice, visibility=Visibility.TEAM)


@pytest.fixture
def third(team_a, alice) -> Collection:
    return Collection.objects.create(team=team_a, name="Still more kidneys", made_by=alice, visibility=Visibility.TEAM)


@pytest.fixture
def same_file(collection, second) -> tuple[Image, Image]:
    """One file in two collections, the older one first."""
    images = stored(collection, picture(seed=1)), stored(second, picture(seed=1))
    run_tasks()
    return images


@pytest.fixture
def three(collection, second, third) -> list[Image]:
    """One file in three collections."""
    images = [stored(each, picture(seed=1)) for each in (collection, second, third)]
    run_tasks()
    return images


def pairs(user: User, likeness: Likeness, **where) -> list[set[UUID]]:
    return [{link.first, link.second} for link in duplicates.links(user, likeness, **where)]


def ids(*images: Image) -> set[UUID]:
    return {image.pk for image in images}


def alive(*images: Image) -> list[bool]:
    return [Image.objects.exclude(state=State.TRASHED).filter(pk=image.pk).exists() for image in images]


# --- finding ----------------------------------------------------------------------------------------------------------


def test_the_same_file_in_two_collections_is_a_pair(alice, collection, second, same_file):
    assert pairs(alice, BYTES) == [ids(*same_file)]
    assert pairs(alice, BYTES, collection=collection) == pairs(alice, BYTES, collection=second) == [ids(*same_file)]
    assert pairs(alice, PIXELS) == []


def test_other_bytes_with_the_same_pixels_are_a_pair_of_their_own_list(alice, collection):
    images = stored(collection, picture(seed=1)), stored(collection, commented(1, "saved again"))
    stored(collection, picture("brown", size=(90, 60)))
    run_tasks()
    assert pairs(alice, PIXELS) == [ids(*images[:2])]
    assert pairs(alice, BYTES) == []
    assert duplicates.counts(alice) == {BYTES: 0, PIXELS: 1, NEAR: 0}


def test_the_same_file_is_not_in_the_list_of_same_pixels_as_well(alice, collection, same_file):
    saved_again = stored(collection, commented(1, "saved again"))
    run_tasks()
    assert pairs(alice, BYTES) == [ids(*same_file)]
    told = pairs(alice, PIXELS)
    assert all(saved_again.pk in pair for pair in told)
    assert ids(saved_again, same_file[0]) in told


def test_three_alike_are_two_pairs_and_when_one_goes_its_neighbours_are_one(alice, three):
    found = pairs(alice, BYTES)
    assert len(found) == 2
    assert set.union(*found) == ids(*three)
    shared = next(iter(set.intersection(*found)))
    trash.throw_away(Image.objects.filter(pk=shared), user=alice)
    assert pairs(alice, BYTES) == [ids(*three) - {shared}]


def test_a_pair_of_which_one_was_thrown_away_or_deleted_is_gone(alice, same_file):
    trash.throw_away(Image.objects.filter(pk=same_file[0].pk), user=alice)
    assert pairs(alice, BYTES) == []
    trash.bring_back(Image.objects.filter(pk=same_file[0].pk), user=alice)
    run_tasks()
    assert pairs(alice, BYTES) == [ids(*same_file)]


def test_pages_of_one_file_are_no_pair_but_a_page_and_another_picture_are(alice, collection):
    pages = [stored(collection, commented(1, f"page {n}"), case="K-1", slide="3") for n in (1, 2)]
    run_tasks()
    for n, page in enumerate(pages, start=1):
        Image.objects.filter(pk=page.pk).update(page=n)
    assert pairs(alice, PIXELS) == []
    exported = stored(collection, picture(seed=1), case="K-1", slide="3")
    run_tasks()
    assert [exported.pk in pair for pair in pairs(alice, PIXELS)] in ([True], [True, True])


def test_what_is_held_or_failed_is_in_no_list(alice, same_file):
    for state in (State.HELD, State.FAILED):
        Image.objects.filter(pk=same_file[1].pk).update(state=state)
        assert pairs(alice, BYTES) == []


# --- who sees what ----------------------------------------------------------------------------------------------------


def test_the_same_file_of_another_team_leaves_no_trace(alice, charlie, collection, foreign_collection, signed_in):
    mine, theirs = stored(collection, picture(seed=1)), stored(foreign_collection, picture(seed=1))
    stored(foreign_collection, commented(1, "theirs"))
    run_tasks()
    assert duplicates.counts(alice) == {BYTES: 0, PIXELS: 0, NEAR: 0}
    assert duplicates.copies(mine, user=alice) == []
    client = signed_in(alice)
    for address in ("/duplicates", f"/collections/{collection.pk}/duplicates", f"/images/{mine.pk}"):
        page = client.get(address).content.decode()
        assert str(theirs.pk) not in page
        assert "Livers" not in page
    assert "tag" not in client.get(f"/collections/{collection.pk}/duplicates/count").content.decode()
    assert not DuplicatePair.objects.filter(first__collection=collection).exists()
    assert duplicates.counts(charlie)[PIXELS] == 1


def test_who_may_only_look_reviews_nothing_but_sees_copies_on_the_image_page(bob, collection, same_file, signed_in):
    assert pairs(bob, BYTES) == []
    client = signed_in(bob)
    assert client.get(f"/collections/{collection.pk}/duplicates").status_code == 404
    assert str(same_file[1].pk) in client.get(f"/images/{same_file[0].pk}").content.decode()


def test_a_copy_in_an_open_collection_of_others_is_seen_but_cannot_be_decided_on(alice, collection, foreign_collection):
    Collection.objects.filter(pk=foreign_collection.pk).update(visibility=Visibility.EVERYONE)
    mine, theirs = stored(collection, picture(seed=1)), stored(foreign_collection, picture(seed=1))
    run_tasks()
    assert pairs(alice, BYTES) == []
    assert [copy.image.pk for copy in duplicates.copies(mine, user=alice)] == [theirs.pk]
    for decision in ("both", "first", "second"):
        with pytest.raises(Image.DoesNotExist):
            decide(mine.pk, theirs.pk, decision, user=alice)
    assert alive(mine, theirs) == [True, True]


def test_a_decision_on_what_is_foreign_unknown_or_unlike_is_the_same_404(
    alice, collection, foreign_collection, signed_in, make_image
):
    mine, other = make_image("pink"), make_image("brown", size=(80, 60))
    theirs = stored(foreign_collection, picture(seed=1))
    run_tasks()
    client, bodies = signed_in(alice), set()
    for second in (theirs.pk, other.pk, mine.pk, UUID(int=5), "nonsense"):
        answer = client.post("/duplicates/decide", {"first": mine.pk, "second": second, "decision": "first"})
        assert answer.status_code == 404
        bodies.add(answer.content)
    assert alive(mine, other, theirs) == [True, True, True]


def test_of_three_alike_each_team_is_told_of_its_own_pair_alone(
    alice, charlie, collection, second, foreign_collection, same_file
):
    stored(foreign_collection, picture(seed=1))
    run_tasks()
    assert pairs(alice, BYTES) == [ids(*same_file)]
    assert pairs(charlie, BYTES) == []


# --- deciding ---------------------------------------------------------------------------------------------------------


def test_keeping_both_is_remembered(alice, carol, same_file):
    decide(same_file[0].pk, same_file[1].pk, "both", user=alice)
    assert pairs(alice, BYTES) == pairs(carol, BYTES) == []
    assert alive(*same_file) == [True, True]
    kept = DuplicatePair.objects.get()
    assert (kept.decision, kept.decided_by, kept.likeness) == (DuplicatePair.Decision.KEEP_BOTH, alice, BYTES)


def test_keeping_one_throws_the_other_into_the_trash(alice, same_file):
    first, second = same_file
    decide(first.pk, second.pk, "second", user=alice)
    assert alive(first, second) == [False, True]
    assert Image.objects.trash_of(alice).get().trashed_by == alice


def test_the_last_of_three_alike_cannot_be_thrown_away(alice, three):
    a, b, c = (image.pk for image in three)
    decide(a, b, "first", user=alice)
    with pytest.raises(NotDone, match="One of the two has gone"):
        decide(b, c, "first", user=alice)
    decide(a, c, "second", user=alice)
    with pytest.raises(NotDone):
        decide(c, a, "second", user=alice)
    assert alive(*three) == [False, False, True]


def test_what_only_the_other_one_says_is_taken_over_and_nothing_is_overwritten(alice, collection, second):
    kept = stored(collection, picture(seed=1), organ="kidney", tags=["seen"], caption="A glomerulus.", extra={"Block": "A1"})
    other = stored(
        second,
        picture(seed=1),
        organ="liver",
        stain="PAS",
        tags=["seen", "taught"],
        caption="Mesangium is widened.",
        extra={"Block": "B7", "Ward": "6"},
    )
    run_tasks()
    decide(kept.pk, other.pk, "first", user=alice, take_over=True)
    kept.refresh_from_db()
    assert (kept.organ, kept.stain, kept.tags) == ("kidney", "PAS", ["seen", "taught"])
    assert {caption.text for caption in kept.captions.all()} == {"A glomerulus.", "Mesangium is widened."}
    assert kept.metadata == {"Block": "A1", "Ward": "6"}
    assert kept.changes.count() == 1


def test_without_being_asked_to_nothing_is_taken_over(alice, collection, second):
    kept, other = stored(collection, picture(seed=1)), stored(second, picture(seed=1), stain="PAS")
    run_tasks()
    decide(kept.pk, other.pk, "first", user=alice)
    kept.refresh_from_db()
    assert kept.stain == ""


def test_a_decision_is_taken_back_with_what_was_taken_over(alice, collection, second):
    kept, other = stored(collection, picture(seed=1)), stored(second, picture(seed=1), stain="PAS", extra={"Ward": "6"})
    run_tasks()
    done = decide(kept.pk, other.pk, "first", user=alice, take_over=True)
    again = deciding.Decided.from_json(done.as_json())
    assert deciding.take_back(again, user=alice) == ""
    run_tasks()
    kept.refresh_from_db()
    assert (kept.stain, kept.metadata) == ("", {})
    assert pairs(alice, BYTES) == [ids(kept, other)]
    both = decide(kept.pk, other.pk, "both", user=alice)
    deciding.take_back(both, user=alice)
    assert pairs(alice, BYTES) == [ids(kept, other)]


def test_what_was_changed_since_stays_when_a_decision_is_taken_back(alice, collection, second):
    from webapp.library import editing

    kept, other = stored(collection, picture(seed=1)), stored(second, picture(seed=1), stain="PAS")
    run_tasks()
    done = decide(kept.pk, other.pk, "first", user=alice, take_over=True)
    editing.edit(kept.pk, {"stain": "H&E"}, user=alice)
    assert "stays" in deciding.take_back(done, user=alice)
    kept.refresh_from_db()
    assert (kept.stain, alive(other)) == ("H&E", [True])


def test_the_resolution_of_a_picture_of_another_size_is_not_taken_over(alice, make_image):
    small, large = make_image("pink", size=(50, 50)), make_image("pink", size=(100, 100), mpp="0.5")
    assert "mpp" not in deciding.gain(small, large).fields
    large.width = large.height = 50
    assert deciding.gain(small, large).fields["mpp"] == 0.5


# --- many at once -----------------------------------------------------------------------------------------------------


def test_keeping_the_older_of_each_leaves_the_oldest_of_every_group(alice, three, collection, second):
    others = stored(collection, picture(seed=2)), stored(second, picture(seed=2))
    run_tasks()
    chosen = keeping_older.orders(alice, BYTES)
    assert len(chosen) == 3
    job = keeping_older.start(alice, chosen, collection=None, take_over=True)
    run_tasks()
    job.refresh_from_db()
    assert (job.state, job.done, job.total) == (JobState.DONE, 3, 3)
    assert alive(*three, *others) == [True, False, False, True, False]
    assert "3 images in the trash" in job.message


def test_what_was_kept_on_purpose_is_not_thrown_away_by_the_many(alice, three):
    for link in duplicates.links(alice, BYTES):
        decide(link.first, link.second, "both", user=alice)
    assert keeping_older.orders(alice, BYTES) == []


def test_the_job_of_somebody_who_lost_their_rights_throws_nothing_away(alice, same_file):
    job = keeping_older.start(alice, keeping_older.orders(alice, BYTES), collection=None, take_over=False)
    Membership.objects.filter(user=alice).update(role=Role.VIEWER)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert alive(*same_file) == [True, True]
    assert (job.state, len(job.report)) == (JobState.DONE, 1)


def test_the_job_is_cut_off_and_run_again_without_another_loss(alice, three):
    chosen = keeping_older.orders(alice, BYTES)
    decide(*chosen[0], "first", user=alice)
    job = keeping_older.start(alice, chosen, collection=None, take_over=False)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.report, alive(*three)) == ([], [True, False, False])
    assert Job.objects.get().message.startswith("The older of each was kept: 2 images")
