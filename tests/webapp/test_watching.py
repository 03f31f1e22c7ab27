"""A watched search tells what came in since, to whom it may be told."""

from __future__ import annotations

from uuid import UUID

import pytest

from webapp.accounts.models import Membership
from webapp.explore import saving, watching
from webapp.explore.models import Watch, WatchMatch
from webapp.library.models import Image, Visibility


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch):
    monkeypatch.setattr(watching, "SETTLED_S", -1.0)


@pytest.fixture
def watched(make_image, alice, bob, team_a):
    """bob watches his team's search for what is brown."""
    for seed in range(3):
        make_image("pink", caption=f"pink {seed}")
    query = saving.save(user=alice, name="Brown nuclei", address="q=brown", team=team_a)
    return watching.watch(bob, query)


def found(watch: Watch) -> set[UUID]:
    return set(WatchMatch.objects.filter(watch=watch).values_list("image_id", flat=True))


def test_what_was_there_before_is_not_news(watched):
    assert watching.compare_all() == 0
    assert found(watched) == set()


def test_new_images_that_match_are_found_once(watched, make_image, bob):
    new = make_image("brown")
    assert watching.compare_all() == 1
    assert found(watched) == {new.pk}
    assert watching.compare_all() == 0
    (digest,) = watching.digests(bob)
    assert (digest.count, [image.pk for image in digest.images]) == (1, [new.pk])
    assert watching.unseen(bob) == 1


def test_marking_them_seen_ends_the_news(watched, make_image, bob, alice):
    make_image("brown")
    watching.compare_all()
    assert watching.mark_seen(alice) == 0
    assert watching.mark_seen(bob) == 1
    assert watching.unseen(bob) == 0
    assert [digest.count for digest in watching.digests(bob)] == [0]


def test_the_filters_of_the_search_hold(make_image, alice, bob, team_a):
    query = saving.save(user=alice, name="Brown liver", address="q=brown&organ=liver", team=team_a)
    watch = watching.watch(bob, query)
    make_image("brown", organ="colon")
    wanted = make_image("brown", organ="liver")
    watching.compare_all()
    assert found(watch) == {wanted.pk}


def test_nothing_is_told_of_what_the_watcher_may_not_see(watched, make_image, foreign_collection, collection, carol):
    make_image("brown", into=foreign_collection)
    watching.compare_all()
    assert found(watched) == set()
    hidden = make_image("brown")
    collection.visibility, collection.made_by = Visibility.PRIVATE, carol
    collection.save()
    watching.compare_all()
    assert hidden.pk not in found(watched)


def test_what_was_found_is_shown_with_the_rights_of_now(watched, make_image, bob):
    make_image("brown")
    watching.compare_all()
    Membership.objects.filter(user=bob).delete()
    assert watching.digests(bob) == []
    assert watching.unseen(bob) == 0
    assert watching.letters(hours=0) == []


def test_an_image_that_was_deleted_since_is_not_told(watched, make_image, bob):
    Image.objects.filter(pk=make_image("brown").pk).delete()
    watching.compare_all()
    assert watching.unseen(bob) == 0


def test_a_search_whose_image_is_gone_is_passed_over(make_image, alice, bob, team_a):
    example = make_image("brown")
    watch = watching.watch(bob, saving.save(user=alice, name="Like this", address=f"image={example.pk}", team=team_a))
    Image.objects.filter(pk=example.pk).delete()
    make_image("brown", caption="another")
    assert watching.compare_all() == 0
    watch.refresh_from_db()
    assert watching.compare_all() == 0


def test_a_letter_names_searches_and_counts_once(watched, make_image, bob):
    bob.email = "bob@example.org"
    bob.save()
    watching.watch(bob, watched.query, by_mail=True)
    make_image("brown")
    watching.compare_all()
    (letter,) = watching.letters(hours=20)
    assert letter.lines == [("Brown nuclei", 1)]


def test_watching_again_keeps_what_was_found(watched, make_image, bob):
    make_image("brown")
    watching.compare_all()
    watching.watch(bob, watched.query, by_mail=True)
    assert watching.unseen(bob) == 1


def test_a_round_that_takes_too_long_goes_on_in_the_next(watched, make_image, bob, alice, team_a):
    other = watching.watch(alice, watched.query)
    make_image("brown")
    assert watching.compare_all(for_s=0) == 1
    assert (len(found(watched)), len(found(other))) == (1, 0)
    assert watching.compare_all(for_s=0) == 1
    assert (len(found(watched)), len(found(other))) == (1, 1)
