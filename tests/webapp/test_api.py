"""The API: each operation works, needs a token, hides foreign data, rejects bad input, survives an outage."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from search import errors as index_errors
from tests.webapp.conftest import picture, run_tasks
from webapp import wiring
from webapp.accounts.models import ApiToken, AuditEvent, Scope
from webapp.explore.models import SavedQuery
from webapp.library.models import Collection, Image

pytestmark = pytest.mark.django_db


class Program:
    """Asks /api/v1 with a user's token; no session, no CSRF token."""

    def __init__(self, user) -> None:
        self._client = Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {ApiToken.issue(user, 'test')[1]}"})

    def get(self, path: str, **params):
        return self._client.get(f"/api/v1{path}", params)

    def post(self, path: str, body):
        return self._client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json")

    def send(self, path: str, **fields):
        return self._client.post(f"/api/v1{path}", fields)

    def delete(self, path: str):
        return self._client.delete(f"/api/v1{path}")


@pytest.fixture
def program():
    return Program


def file(data: bytes, name: str = "field.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type="image/png")


# --- tokens -----------------------------------------------------------------------------------------------------------

NOBODY = "00000000-0000-4000-8000-000000000000"  # the same in every worker: it is part of the tests' names
OPERATIONS = [
    ("get", "/collections"),
    ("post", "/collections"),
    ("get", f"/collections/{NOBODY}"),
    ("post", "/uploads"),
    ("post", "/uploads/files"),
    ("get", f"/uploads/{NOBODY}"),
    ("post", f"/uploads/{NOBODY}/items/1"),
    ("get", f"/uploads/{NOBODY}/pending"),
    ("post", f"/collections/{NOBODY}/check"),
    ("post", f"/collections/{NOBODY}/announce"),
    ("get", f"/collections/{NOBODY}/imports"),
    ("get", f"/collections/{NOBODY}/imports/0"),
    ("post", f"/collections/{NOBODY}/imports/check"),
    ("post", f"/collections/{NOBODY}/imports"),
    ("options", "/uploads/tus"),
    ("post", "/uploads/tus"),
    ("options", f"/uploads/tus/{NOBODY}"),
    ("head", f"/uploads/tus/{NOBODY}"),
    ("patch", f"/uploads/tus/{NOBODY}"),
    ("delete", f"/uploads/tus/{NOBODY}"),
    ("get", "/review"),
    ("post", "/review/release"),
    ("post", "/review/hold"),
    ("post", "/review/throw-away"),
    ("get", "/images"),
    ("get", f"/images/{NOBODY}"),
    ("get", f"/images/{NOBODY}/thumbnail"),
    ("patch", f"/images/{NOBODY}"),
    ("get", f"/images/{NOBODY}/changes"),
    ("post", f"/images/{NOBODY}/changes/1/undo"),
    ("delete", f"/images/{NOBODY}"),
    ("get", "/duplicates"),
    ("post", "/duplicates"),
    ("post", f"/collections/{NOBODY}/duplicates/look-again"),
    ("get", "/trash"),
    ("post", "/trash/back"),
    ("post", "/trash/delete"),
    ("get", "/jobs"),
    ("post", "/jobs"),
    ("get", f"/jobs/{NOBODY}"),
    ("post", f"/jobs/{NOBODY}/cancel"),
    ("post", f"/jobs/{NOBODY}/undo"),
    ("post", f"/uploads/{NOBODY}/cancel"),
    ("post", f"/uploads/{NOBODY}/retry"),
    ("post", f"/uploads/{NOBODY}/reembed"),
    ("post", f"/uploads/{NOBODY}/move"),
    ("post", f"/uploads/{NOBODY}/trash"),
    ("get", "/teams"),
    ("get", f"/teams/{NOBODY}/members"),
    ("get", "/search"),
    ("post", "/search"),
    ("get", "/describe"),
    ("post", "/describe"),
    ("get", "/vocabularies"),
    ("post", "/vocabularies"),
    ("get", f"/vocabularies/{NOBODY}/terms"),
    ("post", f"/vocabularies/{NOBODY}/terms"),
    ("delete", f"/vocabularies/{NOBODY}/terms/{NOBODY}"),
    ("get", "/queries"),
    ("post", "/queries"),
    ("delete", f"/queries/{NOBODY}"),
    ("patch", f"/queries/{NOBODY}"),
    ("post", f"/queries/{NOBODY}/fork"),
    ("get", "/links"),
    ("post", "/links"),
    ("post", "/links/open"),
    ("post", f"/links/{NOBODY}/revoke"),
    ("post", f"/links/{NOBODY}/extend"),
    ("get", "/status"),
    ("post", "/upkeep/verify"),
    ("post", "/upkeep/reindex"),
]


def test_every_operation_is_in_the_list_above(client):
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    described = sum(len(operations) for path, operations in paths.items())
    assert described == len(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_without_a_token_nothing_is_answered(client, method, path):
    assert getattr(client, method)(f"/api/v1{path}").status_code == 401


@pytest.mark.parametrize("token", ["", "cnv_wrong", "🙂"])
def test_a_wrong_token_opens_nothing(client, token):
    header = f"Bearer {token}".encode().decode("latin-1")
    assert client.get("/api/v1/collections", headers={"authorization": header}).status_code == 401


def test_a_session_is_no_token(signed_in, alice):
    assert signed_in(alice).get("/api/v1/collections").status_code == 401


def test_a_token_ends_with_its_users_activity(program, alice):
    asking = program(alice)
    alice.is_active = False
    alice.save()
    assert asking.get("/collections").status_code == 401


def test_answers_are_kept_in_no_cache(program, alice):
    assert program(alice).get("/collections").headers["Cache-Control"] == "private, no-store"


# --- search and describe ----------------------------------------------------------------------------------------------


def test_words_find_images(program, alice, make_image):
    brown, _ = make_image("brown", stain="DAB", caption="brown nuclei"), make_image("blue")
    told = program(alice).get("/search", text="brown stained nuclei").json()
    assert told["hits"][0] | {"image": str(brown.pk), "stain": "DAB", "caption": "brown nuclei"} == told["hits"][0]
    assert told["coverage"] == {"total": 2, "ready": 2, "running": 0, "held": 0, "failed": 0}


def test_all_that_is_searched_with_adds_up(program, alice, make_image):
    red, blue, green = make_image("red", case="S1"), make_image("blue", case="S1"), make_image("green")
    asking = program(alice)
    told = asking.get(
        "/search", text="tissue", plus="blue", minus=["red~0.5"], like=[str(blue.pk), NOBODY], every_image=True
    ).json()
    assert (told["hits"][0]["image"], told["left_out"], told["prompts"]) == (str(blue.pk), 1, [])
    told = asking.get("/search", finding_is="green glands", at="10x").json()
    assert told["hits"][0]["image"] == str(green.pk)
    assert "green glands at 10x magnification." in told["prompts"]
    told = asking.get("/search", image=str(red.pk), crop="0,0,500,500", without_case="S9").json()
    assert (told["seen"], {hit["image"] for hit in told["hits"]}) == ([0, 0, 32, 32], {str(blue.pk), str(green.pk)})


def test_a_hit_counts_the_other_images_of_its_case(program, alice, make_image):
    make_image("red", case="S1")
    make_image("pink", case="S1")
    (hit,) = program(alice).get("/search", text="red").json()["hits"]
    assert (hit["case"], hit["more_in_case"]) == ("S1", 1)


def test_a_file_stands_beside_concepts(program, alice, make_image):
    red, blue = make_image("red"), make_image("blue")
    told = program(alice).send("/search", file=file(picture("grey")), plus=["blue~2"], text="blue").json()
    assert [hit["image"] for hit in told["hits"]] == [str(blue.pk), str(red.pk)]


def test_filters_may_be_repeated(program, alice, make_image):
    for stain in ("H&E", "DAB", "PAS"):
        make_image("red", stain=stain)
    told = program(alice).get("/search", text="red", stain=["H&E", "PAS"]).json()
    assert {hit["stain"] for hit in told["hits"]} == {"H&E", "PAS"}


def test_a_file_finds_images_and_is_named_for_the_next_question(program, alice, make_image):
    red, _ = make_image("red"), make_image("blue")
    asking = program(alice)
    told = asking.send("/search", file=file(picture("red")), size=1).json()
    assert [hit["image"] for hit in told["hits"]] == [str(red.pk)]
    following = asking.get("/search", picture=told["picture"], size=1, cursor=told["next_cursor"]).json()
    assert [hit["image"] for hit in following["hits"]] != [str(red.pk)]


def test_a_file_is_described(program, alice, make_image):
    make_image("red", caption="a red field")
    told = program(alice).send("/describe", file=file(picture("red"))).json()
    assert [(hit["kind"], hit["text"]) for hit in told["hits"]] == [("caption", "a red field")]


def test_a_stored_image_is_described(program, alice, make_image):
    red = make_image("red")
    make_image("blue", caption="a blue field")
    told = program(alice).get("/describe", image=red.pk).json()
    assert [hit["text"] for hit in told["hits"]] == ["a blue field"]


def test_an_outsider_finds_nothing(program, charlie, make_image):
    image = make_image("brown", stain="DAB", caption="brown nuclei")
    asking = program(charlie)
    told = asking.get("/search", text="brown").json()
    assert (told["hits"], told["coverage"]["total"]) == ([], 0)
    assert asking.get("/search", image=image.pk).status_code == 404
    assert asking.get("/describe", image=image.pk).status_code == 404
    assert asking.send("/describe", file=file(picture("brown"))).json()["hits"] == []


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        ({}, 400, "nothing_asked"),
        ({"text": "…"}, 400, "no_words"),
        ({"minus": "red"}, 400, "nothing_positive"),
        ({"like": NOBODY}, 400, "liked_gone"),
        ({"text": "red", "plus": "fat~heavy"}, 400, "weight"),
        ({"text": "red", "crop": "1,2,3"}, 400, "bad_crop"),
        ({"plus": "fat", "minus": "fat"}, 400, "cancels_out"),
        ({"text": "red", "like": "nonsense"}, 422, None),
        ({"text": "red", "cursor": "nonsense"}, 400, "bad_cursor"),
        ({"text": "red", "size": 100_000_000}, 422, None),
        ({"image": "../../etc"}, 422, None),
        ({"text": "red", "mpp_at_most": -1}, 400, "mpp"),
        ({"text": "red", "mpp_at_most": "nan"}, 400, "mpp"),
    ],
)
def test_a_bad_question_is_refused_with_its_reason(program, alice, make_image, asked, status, reason):
    make_image("red")
    answer = program(alice).get("/search", **asked)
    assert (answer.status_code, answer.json().get("reason")) == (status, reason)


def test_a_file_that_is_no_picture_is_refused(program, alice, make_image):
    make_image("red")
    answer = program(alice).send("/search", file=file(b"no picture"))
    assert (answer.status_code, answer.json()["reason"]) == (400, "unsupported_type")


def test_an_outage_is_a_503_and_never_an_empty_list(program, alice, make_image, monkeypatch):
    make_image("red")

    def away(*arguments, **options):
        raise index_errors.IndexUnavailable("the engine is away")

    monkeypatch.setattr(type(wiring.get_image_index()), "page", away)
    answer = program(alice).get("/search", text="red")
    assert (answer.status_code, answer.json()["reason"]) == (503, "outage")
    assert answer.headers["Retry-After"]


# --- collections and images -------------------------------------------------------------------------------------------


def test_collections_are_listed_with_their_counts(program, bob, collection, make_image):
    make_image("red")
    make_image("blue", ready=False)
    (told,) = program(bob).get("/collections").json()
    assert (told["id"], told["name"], told["images"], told["ready"]) == (str(collection.pk), "Kidneys", 2, 1)


def test_an_editor_makes_a_collection(program, alice):
    answer = program(alice).post("/collections", {"name": "Lungs"})
    assert answer.status_code == 201
    made = Collection.objects.get(name="Lungs")
    assert made.made_by == alice
    assert AuditEvent.objects.get(action="collection-made").target_id == str(made.pk)


def test_a_viewer_makes_none(program, bob):
    assert program(bob).post("/collections", {"name": "Lungs"}).status_code == 403


def test_a_foreign_team_answers_like_an_unknown_one(program, alice, team_b):
    answers = [program(alice).post("/collections", {"name": "Lungs", "team": team}) for team in ("Team B", "No team")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json() == answers[1].json()


def test_a_taken_name_is_refused(program, alice, collection):
    assert program(alice).post("/collections", {"name": "Kidneys"}).json()["reason"] == "name_taken"


def test_a_foreign_collection_is_not_there(program, charlie, collection):
    assert program(charlie).get("/collections").json() == []
    assert program(charlie).get(f"/collections/{collection.pk}").status_code == 404


def test_images_are_paged_without_repeating(program, alice, make_image):
    made = {str(make_image("red", ready=False).pk) for _ in range(3)}
    first = program(alice).get("/images", size=2).json()
    second = program(alice).get("/images", size=2, after=first["next_after"]).json()
    listed = [image["image"] for page in (first, second) for image in page["images"]]
    assert (set(listed), len(listed), second["next_after"]) == (made, 3, None)


def test_a_files_name_is_for_editors(program, alice, bob, make_image):
    image = make_image("red", name="doe-jane.png", ready=False)
    assert program(alice).get(f"/images/{image.pk}").json()["name"] == "doe-jane.png"
    assert program(bob).get(f"/images/{image.pk}").json()["name"] is None


def test_a_foreign_image_is_not_there(program, charlie, make_image):
    image = make_image("red", ready=False)
    assert program(charlie).get(f"/images/{image.pk}").status_code == 404
    assert program(charlie).get("/images").json()["images"] == []


def test_pictures_come_with_the_same_rights_as_on_pages(program, alice, bob, charlie, make_image):
    image = make_image("red")
    who = {"alice": program(alice), "bob": program(bob), "charlie": program(charlie)}
    status = {}
    for name, asking in who.items():
        for kind in ("thumbnail", "original"):
            with closing(asking.get(f"/images/{image.pk}/{kind}")) as answer:
                status[name, kind] = answer.status_code
    assert status == {
        ("alice", "thumbnail"): 200, ("alice", "original"): 200,
        ("bob", "thumbnail"): 200, ("bob", "original"): 404,
        ("charlie", "thumbnail"): 404, ("charlie", "original"): 404,
    }  # fmt: skip


def test_an_editor_deletes_an_image_and_nobody_finds_it(program, alice, bob, charlie, make_image):
    image = make_image("red")
    assert program(charlie).delete(f"/images/{image.pk}").status_code == 404
    assert program(bob).delete(f"/images/{image.pk}").status_code == 403
    assert program(alice).delete(f"/images/{image.pk}").status_code == 204
    assert program(alice).get("/search", text="red").json()["hits"] == []


# --- uploads ----------------------------------------------------------------------------------------------------------


def test_files_are_announced_sent_and_found(program, alice, collection):
    asking = program(alice)
    announced = asking.post("/uploads", {"collection": str(collection.pk), "files": [{"name": "a.png"}, {"name": "b.png"}]})
    upload, items = announced.json()["id"], announced.json()["items"]
    assert announced.json()["counts"]["pending"] == 2
    told = '{"stain": "DAB", "caption": "brown nuclei"}'
    asking.send(f"/uploads/{upload}/items/{items[0]['id']}", file=file(picture("brown")), metadata=told)
    asking.send(f"/uploads/{upload}/items/{items[1]['id']}", file=file(b"no picture"))
    run_tasks()
    receipt = asking.get(f"/uploads/{upload}").json()
    assert [(item["state"], item["reason"]) for item in receipt["items"]] == [("ready", ""), ("failed", "unsupported_type")]
    assert receipt["done"]
    assert sum(receipt["counts"].values()) == receipt["total"] == 2
    assert asking.get("/search", text="brown").json()["hits"][0]["caption"] == "brown nuclei"


def test_sending_an_item_twice_changes_nothing(program, alice, collection):
    asking = program(alice)
    announced = asking.post("/uploads", {"collection": str(collection.pk), "files": [{"name": "a.png"}]}).json()
    path = f"/uploads/{announced['id']}/items/{announced['items'][0]['id']}"
    first, second = (asking.send(path, file=file(picture("red"))).json() for _ in range(2))
    assert first["image"] == second["image"]
    assert Image.objects.count() == 1


def test_several_files_are_sent_at_once_with_metadata_by_name(program, alice, collection):
    files = [file(picture("red"), "red.png"), file(picture("red"), "again.png")]
    told = {"red.png": {"stain": "H&E"}}
    answer = program(alice).send(
        "/uploads/files", files=files, collection=str(collection.pk), metadata=json.dumps(told), defaults='{"organ": "lung"}'
    )
    assert answer.status_code == 201
    assert [item["state"] for item in answer.json()["items"]] == ["running", "duplicate"]
    image = Image.objects.get()
    assert (image.stain, image.organ, image.added_by) == ("H&E", "lung", alice)


@pytest.mark.parametrize(("who", "status"), [("bob", 403), ("charlie", 404)])
def test_who_may_not_edit_uploads_nothing(program, collection, request, who, status):
    asking = program(request.getfixturevalue(who))
    body = {"collection": str(collection.pk), "files": [{"name": "a.png"}]}
    assert asking.post("/uploads", body).status_code == status
    assert asking.send("/uploads/files", files=[file(picture())], collection=str(collection.pk)).status_code == status
    assert not Image.objects.exists()


def test_anothers_upload_is_not_there(program, alice, charlie, collection):
    announced = program(alice).post("/uploads", {"collection": str(collection.pk), "files": [{"name": "a.png"}]}).json()
    asking, item = program(charlie), announced["items"][0]["id"]
    assert asking.get(f"/uploads/{announced['id']}").status_code == 404
    assert asking.send(f"/uploads/{announced['id']}/items/{item}", file=file(picture())).status_code == 404


@pytest.mark.parametrize("metadata", ["no json", "[]", '{"mpp": "far"}'])
def test_bad_metadata_is_refused_before_anything_is_stored(program, alice, collection, metadata):
    answer = program(alice).send(
        "/uploads/files", files=[file(picture())], collection=str(collection.pk), defaults=metadata
    )  # fmt: skip
    assert (answer.status_code, answer.json()["reason"]) == (400, "metadata")
    assert not Image.objects.exists()


# --- vocabularies, status ---------------------------------------------------------------------------------------------


def test_a_team_writes_its_vocabulary(program, alice, bob):
    asking = program(alice)
    made = asking.post("/vocabularies", {"name": "Ours", "team": "Team A"}).json()
    told = asking.post(f"/vocabularies/{made['id']}/terms", {"text": "colitis\n---", "kind": "finding"}).json()
    assert (told["added"], [problem["line"] for problem in told["problems"]]) == (1, [2])
    (term,) = program(bob).get(f"/vocabularies/{made['id']}/terms").json()
    assert program(bob).delete(f"/vocabularies/{made['id']}/terms/{term['id']}").status_code == 403
    assert asking.delete(f"/vocabularies/{made['id']}/terms/{term['id']}").status_code == 204
    assert asking.get("/vocabularies").json() == [made]


def test_a_foreign_vocabulary_is_not_there(program, alice, charlie):
    made = program(alice).post("/vocabularies", {"name": "Ours", "team": "Team A"}).json()
    assert program(charlie).get("/vocabularies").json() == []
    assert program(charlie).get(f"/vocabularies/{made['id']}/terms").status_code == 404
    assert program(charlie).post(f"/vocabularies/{made['id']}/terms", {"text": "colitis"}).status_code == 404
    assert program(charlie).post("/vocabularies", {"name": "Theirs", "team": "Team A"}).status_code == 403


def test_the_status_counts_what_one_may_see(program, alice, charlie, make_image):
    make_image("red")
    told = program(alice).get("/status").json()
    assert told["coverage"] == {"total": 1, "ready": 1, "running": 0, "held": 0, "failed": 0}
    assert (told["images"]["ok"], told["encoder"]["name"]) == (True, "fake")
    assert program(charlie).get("/status").json()["coverage"]["total"] == 0


def test_the_status_answers_without_an_index(program, alice):
    told = program(alice).get("/status").json()
    assert (told["ok"], told["encoder"]["fingerprint"]) == (False, None)


# --- saved searches ---------------------------------------------------------------------------------------------------


def test_a_search_is_saved_listed_and_deleted(program, alice, bob, make_image, team_a):
    make_image()
    body = {"name": " Brown  nuclei ", "address": "?q=brown&stain=DAB&cursor=x", "team": "Team A", "note": "n"}
    made = program(alice).post("/queries", body)
    assert made.status_code == 201
    told = {"name": "Brown nuclei", "address": "q=brown&stain=DAB", "team": "Team A", "owner": "alice", "may_edit": True}
    assert told.items() <= made.json().items()
    listed = program(bob).get("/queries", find="brown").json()
    assert (listed["total"], listed["queries"][0]["may_edit"]) == (1, False)
    assert program(bob).delete(f"/queries/{made.json()['id']}").status_code == 403
    assert program(alice).delete(f"/queries/{made.json()['id']}").status_code == 204
    assert program(bob).get("/queries").json() == {"queries": [], "total": 0}


def test_foreign_searches_are_neither_listed_nor_deleted(program, alice, charlie):
    made = program(alice).post("/queries", {"name": "Mine", "address": "q=brown"}).json()
    assert program(charlie).get("/queries").json()["total"] == 0
    foreign, unknown = (program(charlie).delete(f"/queries/{pk}") for pk in (made["id"], NOBODY))
    assert (foreign.status_code, foreign.json()) == (unknown.status_code, unknown.json()) == (404, unknown.json())


def test_a_search_is_saved_for_ones_own_teams_only(program, alice, team_b):
    foreign, unknown = (
        program(alice).post("/queries", {"name": "x", "address": "q=a", "team": team}) for team in ("Team B", "?")
    )
    assert (foreign.status_code, foreign.json()) == (unknown.status_code, unknown.json()) == (404, unknown.json())


@pytest.mark.parametrize(("address", "reason"), [("stain=DAB", "no_question"), ("q=!", "no_words"), ("image=x", "bad_id")])
def test_what_is_no_question_is_not_saved(program, alice, address, reason):
    answer = program(alice).post("/queries", {"name": "x", "address": address})
    assert (answer.status_code, answer.json()["reason"]) == (400, reason)


@pytest.mark.parametrize("field", ["name", "note", "team", "address"])
def test_a_text_with_a_nul_is_refused_before_a_database_refuses_it(program, alice, field):
    answer = program(alice).post("/queries", {"name": "Brown", "address": "q=brown", field: "a\0b"})
    assert answer.status_code == 400
    assert not SavedQuery.objects.exists()


def test_a_list_of_searches_starts_where_a_database_can_count_to(program, alice):
    assert program(alice).get("/queries", start=10**30).status_code == 422


def asked(client, user, method, path, *, scopes=tuple(Scope), days=None):
    headers = {"authorization": f"Bearer {ApiToken.issue(user, 'test', scopes=scopes, days=days)[1]}"}
    return getattr(client, method)(path, headers=headers, content_type="application/json")


@pytest.mark.parametrize(
    ("scope", "method", "path", "allowed"),
    [
        (Scope.READ, "get", "/api/v1/collections", True),
        (Scope.READ, "post", "/api/v1/search", True),  # a question may be a picture, which has to be posted
        (Scope.READ, "post", "/api/v1/collections", False),
        (Scope.READ, "post", "/api/v1/upkeep/verify", False),
        (Scope.WRITE, "post", "/api/v1/collections", True),
        (Scope.WRITE, "get", "/api/v1/collections", False),
        (Scope.WRITE, "post", "/api/v1/upkeep/verify", False),
    ],
)
def test_a_token_allows_what_its_scopes_say(client, alice, scope, method, path, allowed):
    answer = asked(client, alice, method, path, scopes=[scope])
    refused = answer.status_code == 403 and "This token" in answer.json()["detail"]
    assert refused is not allowed


def test_an_expired_token_opens_nothing(client, alice):
    assert asked(client, alice, "get", "/api/v1/collections", days=1).status_code == 200
    ApiToken.objects.update(expires_at=timezone.now())
    assert asked(client, alice, "get", "/api/v1/collections", days=-1).status_code == 401
