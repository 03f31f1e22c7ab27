"""What is nearly the same: found by cosine and by the picture, in rows that tell nobody of what they do not see."""

from __future__ import annotations

import io
from uuid import UUID

import numpy as np
import pytest
from PIL import Image as Pictures

import search.errors
from tests.webapp.conftest import run_tasks, stored
from webapp import wiring
from webapp.accounts.models import Membership, Role, User
from webapp.library import bulk, coarse, deciding, duplicates, jobs, near_duplicates, tasks, trash, versions
from webapp.library.models import Collection, DuplicatePair, Embedding, Image, JobState, Likeness, State, Visibility

NEAR = Likeness.NEAR


def drawn(seed: int) -> Pictures.Image:
    """A field of its own."""
    cells = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    return Pictures.fromarray(cells).resize((96, 96), Pictures.Resampling.BICUBIC)


def field(seed: int) -> bytes:
    packed = io.BytesIO()
    drawn(seed).save(packed, "PNG")
    return packed.getvalue()


def copied(seed: int, quality: int = 60) -> bytes:
    """field(seed), saved again as a JPEG."""
    packed = io.BytesIO()
    drawn(seed).save(packed, "JPEG", quality=quality)
    return packed.getvalue()


@pytest.fixture
def pair(collection) -> tuple[Image, Image]:
    """A field and its copy, among two others."""
    for seed in (2, 3):
        stored(collection, field(seed))
    images = stored(collection, field(1)), stored(collection, copied(1))
    run_tasks()
    return images


def collection_of(team, name: str, user: User, visibility=Visibility.TEAM) -> Collection:
    return Collection.objects.create(team=team, name=name, made_by=user, visibility=visibility)


def pairs(user: User, **where) -> list[set[UUID]]:
    return [{link.first, link.second} for link in duplicates.links(user, NEAR, **where)]


def rows() -> list[set[UUID]]:
    return [{pair.first_id, pair.second_id} for pair in DuplicatePair.objects.all()]


def ids(*images: Image) -> set[UUID]:
    return {image.pk for image in images}


# --- finding ----------------------------------------------------------------------------------------------------------


def test_a_picture_saved_again_is_found_and_two_other_fields_are_not(alice, pair):
    assert pairs(alice) == [ids(*pair)]
    assert (DuplicatePair.objects.get().cosine or 0) > 0.999


def test_of_the_same_pixels_there_is_no_near_pair(alice, collection, team_a):
    stored(collection, field(1)), stored(collection_of(team_a, "Again", alice), field(1))
    run_tasks()
    assert rows() == []


def test_two_fields_of_one_tissue_are_near_to_an_encoder_and_no_copies(monkeypatch, alice, collection):
    monkeypatch.setitem(near_duplicates.FROM_COSINE, "fake", -1.0)
    stored(collection, field(1)), stored(collection, field(2))
    run_tasks()
    assert rows() == []


def test_pages_of_a_focus_stack_are_no_copies_of_each_other(monkeypatch, alice, collection):
    monkeypatch.setattr(near_duplicates, "waiting", lambda **_: [])
    images = [stored(collection, copied(1, quality), slide="3") for quality in (60, 70, 80)]
    run_tasks()
    Image.objects.filter(pk=images[0].pk).update(page=1)
    Image.objects.filter(pk=images[1].pk).update(page=2)
    near_duplicates.compare([image.pk for image in images])
    assert ids(*images[:2]) not in rows()
    assert len(rows()) == 2


def test_each_image_is_compared_once_and_again_when_it_was_moved(alice, collection, team_a, pair):
    assert near_duplicates.waiting() == []
    bulk.move(alice, [pair[0].pk], collection_of(team_a, "Elsewhere", alice))
    assert near_duplicates.waiting() == [pair[0].pk]
    tasks.find_near()
    assert near_duplicates.waiting() == []
    assert pairs(alice) == [ids(*pair)]


def test_comparing_twice_makes_no_second_pair(pair):
    near_duplicates.compare([image.pk for image in pair])
    assert len(rows()) == 1


def test_a_hub_does_not_fill_the_list(alice, collection):
    images = [stored(collection, copied(1, quality)) for quality in range(55, 75)]
    run_tasks()
    most = max(sum(image.pk in pair for pair in rows()) for image in images)
    assert len(rows()) <= len(images) * (near_duplicates.PAIRS_AN_IMAGE + 1) / 2 + len(images)
    assert most < len(images) - 1
    assert {pk for pair in rows() for pk in pair} == ids(*images)
    before = len(rows())
    for _ in range(3):
        near_duplicates.compare([image.pk for image in images])
    assert len(rows()) == before


def test_a_pair_that_was_kept_on_purpose_does_not_come_back(alice, pair):
    deciding.decide(pair[0].pk, pair[1].pk, "both", user=alice)
    near_duplicates.compare([image.pk for image in pair])
    assert pairs(alice) == []
    assert len(rows()) == 1


def test_a_pair_of_which_one_is_in_the_trash_is_hidden_until_it_comes_back(alice, pair):
    trash.throw_away(Image.objects.filter(pk=pair[0].pk), user=alice)
    assert pairs(alice) == []
    trash.bring_back(Image.objects.filter(pk=pair[0].pk), user=alice)
    run_tasks()
    assert pairs(alice) == [ids(*pair)]


def test_another_encoder_has_its_own_cosines(monkeypatch, pair, other_encoder):
    DuplicatePair.objects.update(cosine=0.5)
    other_encoder()
    versions.adopt(wiring.get_encoder().spec)
    run_tasks()
    assert (DuplicatePair.objects.get().cosine or 0) > 0.999


def test_what_another_encoder_finds_far_apart_is_no_longer_listed_but_decisions_stay(monkeypatch, alice, collection, pair):
    more = stored(collection, copied(2))
    run_tasks()
    decided = next(link for link in duplicates.links(alice, NEAR) if more.pk in (link.first, link.second))
    deciding.decide(decided.first, decided.second, "both", user=alice)
    monkeypatch.setattr(near_duplicates, "from_cosine", lambda _: 1.1)
    near_duplicates.compare([image.pk for image in (*pair, more)])
    assert rows() == [{decided.first, decided.second}]


def test_an_image_deleted_while_it_waits_is_no_trouble(alice, collection):
    image = stored(collection, field(1))
    run_tasks()
    near_duplicates.compare_again([image.pk])
    Image.objects.filter(pk=image.pk).update(state=State.TRASHED)
    assert near_duplicates.waiting() == []
    assert near_duplicates.compare([image.pk]) == 0


def test_while_the_index_is_away_comparing_waits(pair, broken_index):
    near_duplicates.compare_again([image.pk for image in pair])
    tasks.find_near()
    assert Embedding.objects.filter(compared_at=None).count() == 2


def test_the_threshold_can_be_set(settings, pair):
    settings.NEAR_DUPLICATE_COSINE = 0.5
    assert near_duplicates.from_cosine("anything") == 0.5


# --- looking again ----------------------------------------------------------------------------------------------------


def test_a_whole_collection_is_looked_through_again_as_a_job(alice, collection, pair):
    DuplicatePair.objects.all().delete()
    job = jobs.start("near", user=alice, collection=collection)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.total) == (JobState.DONE, 4, 4)
    assert pairs(alice, collection=collection) == [ids(*pair)]


def test_looking_again_without_an_index_ends_with_a_sentence(alice, collection, pair, monkeypatch):
    def away(*_, **__):
        raise search.errors.IndexUnavailable("away")

    monkeypatch.setattr(near_duplicates, "compare", away)
    job = jobs.start("near", user=alice, collection=collection)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "does not answer" in job.message


# --- who sees what ----------------------------------------------------------------------------------------------------


def test_copies_of_two_teams_are_not_even_compared(alice, charlie, collection, foreign_collection):
    mine = stored(collection, field(1))
    stored(foreign_collection, copied(1))
    run_tasks()
    assert rows() == []
    assert duplicates.copies(mine, user=alice) == []


def test_a_copy_in_a_private_collection_is_seen_by_its_owner_alone(team_a, alice, carol, collection):
    dave = User.objects.create_user("dave", password="a long enough password")
    Membership.objects.create(user=dave, team=team_a, role=Role.EDITOR)
    private = collection_of(team_a, "Mine alone", alice, Visibility.PRIVATE)
    images = stored(private, field(1)), stored(collection, copied(1))
    run_tasks()
    assert pairs(alice) == pairs(carol) == [ids(*images)]
    assert pairs(dave) == []
    assert duplicates.counts(dave)[NEAR] == 0
    assert duplicates.copies(images[1], user=dave) == []


def test_whichever_came_first_a_private_copy_is_found(team_a, alice, collection):
    public = stored(collection, field(1))
    run_tasks()
    private = stored(collection_of(team_a, "Mine alone", alice, Visibility.PRIVATE), copied(1))
    run_tasks()
    later = stored(collection, copied(1, 90))
    run_tasks()
    assert ids(public, private) in rows()
    assert ids(private, later) in rows()


def test_private_copies_leave_room_for_those_that_others_see(team_a, alice, collection):
    dave = User.objects.create_user("dave", password="a long enough password")
    Membership.objects.create(user=dave, team=team_a, role=Role.EDITOR)
    private = collection_of(team_a, "Mine alone", alice, Visibility.PRIVATE)
    for quality in range(60, 90):
        stored(private, copied(1, quality))
    shared = stored(collection, field(1))
    run_tasks()
    other = stored(collection, copied(1, 95))
    run_tasks()
    assert pairs(dave) == [ids(shared, other)]


def test_a_pair_is_hidden_from_whoever_no_longer_sees_one_of_it(alice, collection, team_a, pair):
    away = collection_of(team_a, "Elsewhere", alice)
    bulk.move(alice, [pair[0].pk], away)
    assert pairs(alice) == [ids(*pair)]
    Collection.objects.filter(pk=away.pk).update(visibility=Visibility.PRIVATE, made_by=None)
    assert pairs(alice) == []


# --- the picture itself -----------------------------------------------------------------------------------------------


def test_likeness_tells_a_copy_from_another_field_and_forgives_brightness():
    one, other = coarse.colours_of(drawn(1)), coarse.colours_of(drawn(2))
    brighter = coarse.colours_of(drawn(1).point(lambda value: min(255, round(value * 0.8 + 20))))
    assert coarse.likeness(one, one) == pytest.approx(1)
    assert coarse.likeness(one, brighter) > 0.99
    assert coarse.likeness(one, other) < near_duplicates.FROM_LIKENESS


def test_bare_glass_is_like_bare_glass():
    glass = [Pictures.new("RGB", (50, 50), (250, 250, level)) for level in (249, 251)]
    assert coarse.likeness(*map(coarse.colours_of, glass)) == pytest.approx(1, abs=1e-6)


def test_audiences_are_what_the_rights_say(team_a, team_b, alice, carol, charlie):
    """Everyone who sees a collection sees another one: asked of every user, and of audiences."""
    from webapp.library.audiences import audience_of

    made = [
        collection_of(team, f"{team} {visibility} {user}", user, visibility)
        for team, users in ((team_a, (alice, carol)), (team_b, (charlie,)))
        for visibility in Visibility.values
        for user in users
    ]
    users = User.objects.exclude(is_superuser=True)
    sees = {each.pk: {user.pk for user in users if Collection.objects.visible_to(user).filter(pk=each.pk)} for each in made}
    for one in made:
        for other in made:
            if audience_of(one).sees(audience_of(other)):
                assert sees[one.pk] <= sees[other.pk]
