"""Changing images by the API: the same edits, refusals and history as on their pages."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from webapp.accounts.models import ApiToken
from webapp.library.models import Image

pytestmark = pytest.mark.django_db


def ask(user, method: str, path: str, body: object = None):
    client = Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {ApiToken.issue(user, 'test')[1]}"})
    return getattr(client, method)(f"/api/v1/images/{path}", body or {}, content_type="application/json")


@pytest.fixture
def image(make_image) -> Image:
    made: Image = make_image(caption="glands", organ="colon", mpp="0.5")
    return made


def test_what_is_named_is_written_and_the_rest_stays(image, alice):
    answer = ask(alice, "patch", image.pk, {"stain": "PAS", "mpp": None, "tags": ["a", "b"], "captions": ["glands", "mucin"]})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["organ"], told["stain"], told["mpp"], told["tags"]) == ("colon", "PAS", None, ["a", "b"])
    assert (sorted(told["captions"]), told["revision"]) == (["glands", "mucin"], 1)


def test_null_clears_the_captions(image, alice):
    assert ask(alice, "patch", image.pk, {"captions": None}).json()["captions"] == []


def test_a_value_that_cannot_be_kept_is_refused_with_a_sentence(image, alice):
    answer = ask(alice, "patch", image.pk, {"organ": "liver", "mpp": -1})
    assert (answer.status_code, answer.json()["reason"]) == (400, "metadata")
    assert Image.objects.get(pk=image.pk).organ == "colon"


def test_a_revision_that_was_overtaken_is_a_conflict(image, alice, carol):
    ask(carol, "patch", image.pk, {"organ": "liver"})
    answer = ask(alice, "patch", image.pk, {"organ": "lung", "revision": 0})
    assert (answer.status_code, answer.json()["reason"]) == (409, "edited_meanwhile")
    assert ask(alice, "patch", image.pk, {"organ": "lung", "revision": 1}).status_code == 200


def test_viewers_are_told_and_outsiders_see_nothing(image, alice, bob, charlie):
    ask(alice, "patch", image.pk, {"organ": "liver"})
    change = image.changes.get().pk
    for method, path in (("patch", f"{image.pk}"), ("post", f"{image.pk}/changes/{change}/undo")):
        assert ask(bob, method, path, {"organ": "lung"}).status_code == 403
        foreign = ask(charlie, method, path, {"organ": "lung"})
        unknown = ask(charlie, method, path.replace(str(image.pk), str(uuid.uuid4())), {"organ": "lung"})
        assert (foreign.status_code, foreign.content) == (404, unknown.content)


def test_changes_are_listed_and_undone(image, alice, bob, charlie):
    ask(alice, "patch", image.pk, {"organ": "liver"})
    listed = ask(bob, "get", f"{image.pk}/changes").json()
    assert [(change["by"], change["entries"][0]["before"], change["entries"][0]["after"]) for change in listed] == [
        ("alice", "colon", "liver")
    ]
    assert ask(charlie, "get", f"{image.pk}/changes").status_code == 404
    undone = ask(alice, "post", f"{image.pk}/changes/{listed[0]['change']}/undo")
    assert undone.json()["organ"] == "colon"
    assert ask(bob, "get", f"{image.pk}/changes").json()[1]["undone"] is True
    assert ask(alice, "post", f"{image.pk}/changes/999999/undo").status_code == 404
