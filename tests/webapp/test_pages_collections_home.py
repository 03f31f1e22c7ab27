"""The collections page: what can be searched, what failed and why, what came in, what is asked again."""

from __future__ import annotations

import re

import pytest

from tests.webapp.conftest import PASSWORD, added, run_tasks
from webapp.accounts.models import User
from webapp.explore import collections_home
from webapp.explore.models import SavedQuery
from webapp.library.coverage import Coverage
from webapp.library.meters import segments
from webapp.library.models import Collection, Image, State, Visibility

pytestmark = pytest.mark.django_db


def page(browser, address: str = "/collections") -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", browser.get(address).content.decode()).split())


def fail(image: Image, reason: str, text: str) -> None:
    Image.objects.filter(pk=image.pk).update(state=State.FAILED, reason=reason, reason_text=text)


def test_it_says_how_much_can_be_searched_and_what_is_in_work(signed_in, bob, make_image):
    make_image()
    make_image(ready=False)
    told = page(signed_in(bob))
    assert "1 of 2 images searchable" in told
    assert "50 % searchable 1 in work" in told


def test_failures_are_grouped_by_reason_and_lead_to_the_images(signed_in, bob, make_image):
    for reason, text in (("truncated", "It ends too soon."), ("truncated", "It ends too soon."), ("pixels", "Too large.")):
        fail(make_image(ready=False), reason, text)
    browser = signed_in(bob)
    assert "What failed, and why 2 It ends too soon. 1 Too large." in page(browser)
    assert '"/not-searchable?reason=truncated"' in browser.get("/collections").content.decode()
    told = page(browser, "/not-searchable?reason=truncated")
    assert told.count("It ends too soon.") == 2
    assert "Too large." not in told


def test_nothing_of_another_team_is_counted_or_named(signed_in, charlie, make_image, keep_one):
    fail(make_image(ready=False), "truncated", "It ends too soon.")
    told = page(signed_in(charlie))
    assert not re.search("Kidneys|searchable|ends too soon|Thursday", told)


@pytest.fixture
def keep_one(alice, team_a) -> SavedQuery:
    return SavedQuery.objects.create(owner=alice, team=team_a, name="Thursday", address="q=brown+nuclei")


def test_saved_searches_are_there_to_be_opened(signed_in, bob, make_image, keep_one):
    told = page(signed_in(bob))
    assert "Thursday Team A · “brown nuclei”" in told


def test_recent_uploads_add_up_for_editors(signed_in, alice, bob, collection, make_image):
    make_image()
    added(collection, b"no picture", name="DOE-JANE.jpg")
    run_tasks()
    told = page(signed_in(alice))
    assert "finished 1 file: 1 searchable" in told
    assert "1 failed 1 file: 0 searchable, 1 failed" in told
    assert "DOE-JANE" not in told
    assert "Recent uploads" not in page(signed_in(bob))


def test_a_deleted_image_is_still_counted_in_its_upload(signed_in, alice, make_image):
    image = make_image()
    make_image()
    image.delete()
    assert "1 file: 0 searchable, 1 deleted since" in page(signed_in(alice))


def test_an_editor_without_anything_is_led_by_three_steps(signed_in, alice, team_a):
    told = page(signed_in(alice))
    assert "Three steps to the first search" in told
    assert "New collection" in told
    Collection.objects.create(team=team_a, name="Hearts", made_by=alice)
    assert "Upload to Hearts" in page(signed_in(alice))


def test_a_viewer_without_anything_is_told_who_can_help(signed_in, bob, carol):
    told = page(signed_in(bob))
    assert "Nothing to search yet" in told
    assert "Who can make you an editor: carol." in told
    assert "New collection" not in told


def test_somebody_in_no_team_is_told_what_to_do(signed_in, carol):
    told = page(signed_in(User.objects.create_user("newcomer", password=PASSWORD)))
    assert "You are in no team yet" in told
    assert "add the user newcomer" in told
    assert "carol" not in told


def test_an_operator_is_led_to_the_first_team(signed_in, admin_user):
    assert "First, a team" in page(signed_in(admin_user))


def test_it_is_there_while_the_index_is_not(signed_in, alice, make_image, keep_one, broken_index):
    assert "Kidneys" in page(signed_in(alice))


def test_many_collections_take_few_statements(signed_in, alice, team_a, make_image, keep_one, django_assert_max_num_queries):
    for n in range(10):
        made = Collection.objects.create(team=team_a, name=f"Collection {n}", visibility=Visibility.TEAM)
        make_image(into=made, ready=n == 9)
    browser = signed_in(alice)
    with django_assert_max_num_queries(16 + 11):  # a small one a shelf, for its pictures
        browser.get("/collections")


def test_a_hundred_per_cent_is_said_of_all_only():
    counted = Coverage(total=10_000, ready=9_999, running=0, held=0, failed=1, collections=1)
    assert collections_home.share(counted) == "99.9"


def test_a_small_part_of_a_meter_can_be_seen_and_the_bar_is_full():
    drawn = segments({"ready": 999_999, "running": 0, "failed": 1}, of=1_000_000)
    assert [segment.state for segment in drawn] == ["ready", "failed"]
    assert drawn[1].width > 0.5
    assert drawn[1].x + drawn[1].width == pytest.approx(100, abs=0.1)
    assert segments({"ready": 0}, of=0) == []
