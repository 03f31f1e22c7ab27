"""The pages on which duplicates are reviewed, and the API for the same."""

from __future__ import annotations

import re
import uuid

import pytest
from django.test import Client

from tests.webapp.conftest import picture, run_tasks, stored
from tests.webapp.test_duplicates import commented
from tests.webapp.test_duplicates_near import copied, field
from webapp.accounts.models import ApiToken
from webapp.library.models import Collection, Image, Job, JobState, State, Visibility


@pytest.fixture
def pair(collection) -> tuple[Image, Image]:
    """Other bytes, the same pixels; the older one first."""
    images = (
        stored(collection, picture(seed=1), stain="H&E", caption="A glomerulus."),
        stored(collection, commented(1, "saved again"), stain="PAS", organ="kidney"),
    )
    run_tasks()
    return images


@pytest.fixture
def page(alice, collection, signed_in):
    """page(list=…): the review page of the collection as alice sees it."""
    client = signed_in(alice)

    def get(**told) -> str:
        shown: str = client.get(f"/collections/{collection.pk}/duplicates", told).content.decode()
        return shown

    return get


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def trashed() -> set[uuid.UUID]:
    return set(Image.objects.filter(state=State.TRASHED).values_list("pk", flat=True))


def test_a_pair_is_shown_side_by_side_with_what_differs(page, pair):
    shown = page()
    assert "1 of 1" in shown
    assert shown.index(str(pair[0].pk)) < shown.index(str(pair[1].pk))
    assert '<div role="row" class="told-row differs"><span role="rowheader">Stain' in shown
    assert '<div role="row" class="told-row"><span role="rowheader">Size' in shown
    assert "A glomerulus." in shown
    assert shown.count("data-key") >= 4


def test_sides_are_swapped(page, pair):
    assert hidden(page(), "first") == str(pair[0].pk)
    swapped = page(swap=1, list="pixels")
    assert hidden(swapped, "first") == str(pair[1].pk)


def test_pictures_of_two_sizes_are_drawn_at_one_scale_or_fill_their_frames(page, collection):
    stored(collection, field(1), mpp="0.5")
    small = copied(1)
    stored(collection, small, mpp="0.25")
    run_tasks()
    shown = page(list="near")
    assert shown.count('viewBox="0 0 48.00 48.00"') == 2
    assert 'x="12.00" y="12.00" width="24.00" height="24.00"' in shown
    assert 'viewBox="0 0 24.00 24.00"' in page(list="near", fill=1)


def test_keeping_one_goes_on_and_can_be_taken_back(page, alice, collection, pair, signed_in):
    client, place = signed_in(alice), f"/collections/{collection.pk}/duplicates"
    said = {"first": pair[0].pk, "second": pair[1].pk, "decision": "first", "take_over": "yes", "list": "pixels", "at": 1}
    answer = client.post(f"{place}/decide", said, follow=True)
    assert trashed() == {pair[1].pk}
    pair[0].refresh_from_db()
    assert (pair[0].stain, pair[0].organ) == ("H&E", "kidney")
    shown = answer.content.decode()
    assert "the other lies in the trash" in shown
    assert "Nothing to review" in shown
    answer = client.post(f"{place}/undo", {"undo": hidden(shown, "undo"), "list": "pixels"}, follow=True)
    assert "Taken back" in answer.content.decode()
    assert trashed() == set()
    assert "1 of 1" in page(list="pixels") or Image.objects.filter(state=State.EMBEDDED).exists()
    again = client.post(f"{place}/undo", {"undo": hidden(shown, "undo"), "list": "pixels"}, follow=True)
    assert "cannot be taken back" in again.content.decode()


def test_what_has_gone_meanwhile_is_told_and_nothing_is_done(alice, collection, pair, signed_in):
    Image.objects.filter(pk=pair[0].pk).update(state=State.TRASHED)
    said = {"first": pair[0].pk, "second": pair[1].pk, "decision": "first"}
    answer = signed_in(alice).post(f"/collections/{collection.pk}/duplicates/decide", said, follow=True)
    assert "One of the two has gone" in answer.content.decode()
    assert trashed() == {pair[0].pk}


def test_the_older_of_each_is_kept_after_a_question(page, alice, collection, pair, signed_in):
    client, address = signed_in(alice), f"/collections/{collection.pk}/duplicates/keep-older"
    question = client.post(address, {"list": "pixels"}).content.decode()
    assert "Throw 1 image into the trash?" in question
    assert trashed() == set()
    other = client.post(address, {"list": "pixels", "sure": "yes", "images": "7"}, follow=True)
    assert "The list has changed" in other.content.decode()
    client.post(address, {"list": "pixels", "sure": "yes", "images": hidden(question, "images")})
    run_tasks()
    assert trashed() == {pair[1].pk}
    assert "1 image in the trash" in page()
    assert client.post(address, {"list": "near", "sure": "yes", "images": "1"}).status_code == 404


def test_while_the_older_ones_are_being_kept_nobody_decides_on_the_same_pairs(page, alice, collection, pair, signed_in):
    client, address = signed_in(alice), f"/collections/{collection.pk}/duplicates/keep-older"
    client.post(address, {"list": "pixels", "sure": "yes", "images": "1"})
    meanwhile = page(list="pixels")
    assert "The older of each is being kept" in meanwhile
    assert 'name="decision"' not in meanwhile


def test_a_look_again_is_one_job_with_its_progress(page, alice, collection, pair, signed_in):
    client, address = signed_in(alice), f"/collections/{collection.pk}/duplicates/look-again"
    for _ in range(2):
        client.post(address)
    job = Job.objects.get()
    state = client.get(f"/duplicates/jobs/{job.pk}")
    assert "waiting for a worker" in state.content.decode()
    assert "HX-Refresh" not in state.headers
    run_tasks()
    assert client.get(f"/duplicates/jobs/{job.pk}").headers["HX-Refresh"] == "true"
    assert "2 images compared" in page()
    Job.objects.update(state=JobState.WAITING, ended_at=None)
    here = f"/collections/{collection.pk}/duplicates"
    assert f'name="back" value="{here}' in client.get(f"/duplicates/jobs/{job.pk}").content.decode()
    assert client.post(f"/jobs/{job.pk}/cancel", {"back": here})["Location"] == here
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_empty_lists_say_so(page, collection, pair):
    assert "This list is done" in page(list="bytes")
    Image.objects.filter(pk=pair[1].pk).delete()
    assert "Nothing to review" in page(list="bytes")
    assert "Nothing to review" in page(list="nonsense", at="-4")


def test_numbers_beyond_the_list_show_its_last_pair(page, pair):
    for at in ("99", "0", "²", "9" * 30):
        assert "1 of 1" in page(list="pixels", at=at)


def test_the_collection_links_to_its_duplicates_with_their_number(alice, bob, collection, pair, signed_in):
    address = f"/collections/{collection.pk}/duplicates"
    assert f'hx-get="{address}/count"' in signed_in(alice).get(f"/collections/{collection.pk}").content.decode()
    assert re.search(r"Duplicates\s*<span[^>]*>1<", signed_in(alice).get(f"{address}/count").content.decode())
    assert address not in signed_in(bob).get(f"/collections/{collection.pk}").content.decode()


def test_all_collections_together_have_a_page(alice, collection, team_a, signed_in):
    second = Collection.objects.create(team=team_a, name="More", made_by=alice, visibility=Visibility.TEAM)
    images = stored(collection, picture(seed=1)), stored(second, picture(seed=1))
    run_tasks()
    shown = signed_in(alice).get("/duplicates").content.decode()
    assert all(str(image.pk) in shown for image in images)
    said = {"first": images[0].pk, "second": images[1].pk, "decision": "both"}
    assert "this pair does not come back" in signed_in(alice).post("/duplicates/decide", said, follow=True).content.decode()


def test_outsiders_and_viewers_get_the_same_404_everywhere(bob, charlie, alice, collection, pair, signed_in):
    signed_in(alice).post(f"/collections/{collection.pk}/duplicates/look-again")
    job = Job.objects.get()
    bodies = set()
    for user in (bob, charlie):
        client = signed_in(user)
        for address in ("", "/count"):
            for pk in (collection.pk, uuid.uuid4()):
                answer = client.get(f"/collections/{pk}/duplicates{address}")
                assert answer.status_code == 404
                bodies.add(
                    re.sub(r'csrf\S*|value="[^"]*"|"X-CSRFToken": "[^"]*"', "", answer.content.decode()).replace(
                        user.username, ""
                    )
                )
        for address in ("decide", "keep-older", "undo", "look-again"):
            assert client.post(f"/collections/{collection.pk}/duplicates/{address}").status_code == 404
        assert client.get(f"/duplicates/jobs/{job.pk}").status_code == 404
        assert client.post(f"/jobs/{job.pk}/cancel").status_code == 404
    assert len(bodies) == 1


@pytest.mark.django_db
def test_reviewing_needs_a_sign_in(client):
    assert client.get("/duplicates").status_code == 302


# --- the API ----------------------------------------------------------------------------------------------------------


def ask(user, method: str, path: str, body: object = None):
    client = Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {ApiToken.issue(user, 'test')[1]}"})
    return getattr(client, method)(f"/api/v1/{path}", body or {}, content_type="application/json")


def test_pairs_are_listed_and_decided_on_by_the_api(alice, bob, charlie, collection, pair):
    told = ask(alice, "get", "duplicates?likeness=pixels").json()
    low, high = sorted(str(image.pk) for image in pair)
    assert told["pairs"] == [{"first": low, "second": high, "likeness": "pixels", "cosine": None}]
    assert told["counts"] == {"bytes": 0, "pixels": 1, "near": 0}
    for user in (bob, charlie):
        assert ask(user, "get", "duplicates?likeness=pixels").json() == {"pairs": [], "counts": dict.fromkeys(told["counts"], 0)}
        assert ask(user, "get", f"duplicates?collection={collection.pk}").status_code == 404
        assert ask(user, "post", "duplicates", {"first": low, "second": high, "decision": "first"}).status_code == 404
    done = ask(alice, "post", "duplicates", {"first": str(pair[0].pk), "second": str(pair[1].pk), "decision": "second"})
    assert done.json() == {"kept": str(pair[1].pk), "thrown": str(pair[0].pk), "change": None}
    again = ask(alice, "post", "duplicates", {"first": str(pair[0].pk), "second": str(pair[1].pk), "decision": "first"})
    assert (again.status_code, again.json()["reason"]) == (409, "gone_meanwhile")


def test_looking_again_by_the_api_is_one_job(alice, bob, collection):
    first = ask(alice, "post", f"collections/{collection.pk}/duplicates/look-again")
    second = ask(alice, "post", f"collections/{collection.pk}/duplicates/look-again")
    assert (first.status_code, first.json()["job"]) == (202, second.json()["job"])
    assert ask(bob, "post", f"collections/{collection.pk}/duplicates/look-again").status_code == 404
