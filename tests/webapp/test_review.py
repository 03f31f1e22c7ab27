"""Held images are reviewed: released, renamed, thrown away, taken back; and nobody else notices that they are there."""

from __future__ import annotations

import json
from zlib import crc32

import pytest
from django.test import Client

from tests.webapp.conftest import add, picture, run_tasks, told
from tests.webapp.test_trash import points_of
from webapp.accounts.models import ApiToken, AuditEvent, User
from webapp.explore.status import status
from webapp.library import review, shelves, trash, verify
from webapp.library.coverage import coverage
from webapp.library.history import history
from webapp.library.models import IdentityPattern, Image, State, UploadItem
from webapp.library.receipts import receipt

pytestmark = pytest.mark.usefixtures("patterns")
NAME = "Doe^Jane/MRN00417.png"


@pytest.fixture
def held(collection, alice):
    """held("a.png", …) -> the images of one upload, held."""

    def hold(*names: str, into=None) -> list[Image]:
        upload = add(
            into or collection, {name: picture(seed=crc32(name.encode()) % 60_000) for name in names or (NAME,)}, user=alice
        )
        run_tasks()
        return list(Image.objects.filter(upload_items__upload=upload).order_by("upload_items__pk"))

    return hold


@pytest.fixture
def decide(signed_in, alice, django_capture_on_commit_callbacks):
    """decide("release", image) -> the page that follows."""

    def decided(decision: str, image: Image, *, user: User = alice, **narrowed: str):
        client = signed_in(user)
        with django_capture_on_commit_callbacks(execute=True):
            return client.post("/review/decide", {"image": image.pk, "decision": decision, **narrowed}, follow=True)

    return decided


def state(image: Image) -> str:
    image.refresh_from_db()
    return image.state


# --- the page ---------------------------------------------------------------------------------------------------------


def test_it_shows_the_picture_its_whole_name_and_where_what_was_found(held, signed_in, alice):
    (image,) = held()
    page = told(signed_in(alice).get("/review"))
    for part in (NAME, f"/images/{image.pk}/display", "medical record number", "name as DICOM writes it", "file name"):
        assert part in page


def test_whoever_edits_nothing_has_no_such_page(held, signed_in, bob, charlie, foreign_collection):
    (image,) = held()
    assert signed_in(bob).get("/review").status_code == 404
    page = told(signed_in(charlie).get("/review"))
    assert "Nothing waits for you" in page
    assert str(image.pk) not in page


def test_foreign_and_unknown_collections_and_uploads_are_answered_alike(held, signed_in, charlie, collection):
    held()
    upload = UploadItem.objects.get().upload_id
    client = signed_in(charlie)
    for query in (f"collection={collection.pk}", f"upload={upload}", "upload=" + "0" * 32):
        assert client.get(f"/review?{query}").status_code == 404
        assert (
            client.post(
                f"/review/release-all?{query}", dict([query.split("=")]) | {"until": "2030-01-01T00:00+00:00"}
            ).status_code
            == 404
        )


def test_nonsense_in_the_address_is_nothing_in_particular(held, signed_in, alice):
    held()
    client = signed_in(alice)
    assert client.get("/review?collection=x&upload=y&image=z&pattern=%00").status_code in (200, 400)
    assert client.post("/review/decide", {"image": "x", "decision": "release"}).status_code == 302
    assert client.post("/review/release-all", {"until": "x"}).status_code == 404


def test_it_is_signed_in_for(client):
    assert client.get("/review").status_code == 302


def test_what_is_left_is_counted(held, decide):
    first, *_others = held("MRN00417.png", "MRN00418.png", "MRN00419.png")
    page = told(decide("release", first))
    assert "<strong>2</strong> of 3 left" in page


def test_the_next_one_is_shown_after_a_decision(held, decide):
    first, second = held("MRN00417.png", "MRN00418.png")
    assert f"/images/{second.pk}/display" in told(decide("release", first))


def test_patterns_and_uploads_narrow_what_is_shown(held, signed_in, alice):
    (mine,) = held("MRN00417.png")
    (other,) = held("S24-1234.png")
    client = signed_in(alice)
    page = told(client.get("/review?pattern=accession+number"))
    assert str(other.pk) in page
    assert str(mine.pk) not in page
    upload = UploadItem.objects.get(image=mine).upload_id
    page = told(client.get(f"/review?upload={upload}"))
    assert str(mine.pk) in page
    assert str(other.pk) not in page


# --- decisions --------------------------------------------------------------------------------------------------------


def test_a_released_image_is_embedded_and_searchable(held, decide, alice):
    (image,) = held()
    decide("release", image)
    run_tasks()
    assert state(image) == State.READY
    assert (image.reviewed_by, image.name) == (alice, "MRN00417.png")
    assert [entry.after for change in history(image) for entry in change.entries] == ["released"]
    assert AuditEvent.objects.get(action="images-released").details == {"images": [str(image.pk)], "renamed": False}
    assert verify.verify().clean


def test_a_neutral_name_replaces_the_files_own_everywhere(held, decide, collection):
    (image,) = held()
    decide("rename", image)
    run_tasks()
    assert state(image) == State.READY
    assert image.name == f"image-{image.pk.hex[:8]}.png"
    assert UploadItem.objects.get(image=image).name == image.name
    kept = [*Image.objects.values(), *UploadItem.objects.values(), *AuditEvent.objects.values(), *image.changes.values()]
    assert "Doe" not in str(kept)


def test_a_release_is_taken_back_and_nobody_finds_it_any_more(held, decide, signed_in, alice, django_capture_on_commit_callbacks):
    (image,) = held()
    decide("release", image)
    run_tasks()
    assert (state(image), points_of(image)) == (State.READY, 1)
    with django_capture_on_commit_callbacks(execute=True):
        page = told(signed_in(alice).post("/review/undo", follow=True))
    assert (state(image), points_of(image)) == (State.HELD, 0)
    assert f"/images/{image.pk}/display" in page
    assert verify.verify().clean
    decide("release", image)
    run_tasks()
    assert (state(image), points_of(image)) == (State.READY, 1)


def test_what_is_thrown_away_is_in_the_trash_and_can_be_held_again(held, decide, signed_in, alice):
    (image,) = held()
    decide("throw", image)
    assert state(image) == State.TRASHED
    signed_in(alice).post("/review/undo")
    assert state(image) == State.HELD


def test_undoing_twice_says_that_there_is_nothing(held, decide, signed_in, alice):
    (image,) = held()
    decide("release", image)
    client = signed_in(alice)
    client.post("/review/undo")
    assert "There is nothing to take back" in told(client.post("/review/undo", follow=True))


def test_all_of_an_upload_are_released_at_once_and_taken_back_at_once(held, signed_in, alice):
    images = held(*(f"MRN0041{n}.png" for n in range(5)))
    (other,) = held("S24-1234.png")
    upload = UploadItem.objects.filter(image=images[0]).get().upload_id
    client = signed_in(alice)
    client.post("/review/release-all", {"upload": upload, "until": "2099-01-01T00:00:00+00:00"})
    assert {state(image) for image in images} == {State.DECODED}
    assert state(other) == State.HELD
    client.post("/review/undo")
    assert {state(image) for image in images} == {State.HELD}


def test_what_came_in_after_the_page_was_shown_is_not_released_with_the_rest(held, signed_in, alice):
    (early,) = held("MRN00417.png")
    (late,) = held("MRN00418.png")
    signed_in(alice).post("/review/release-all", {"until": early.stored_at.isoformat()})
    assert (state(early), state(late)) == (State.DECODED, State.HELD)


@pytest.mark.parametrize("decision", ["release", "rename", "throw"])
def test_only_editors_of_its_collection_decide(held, decide, bob, charlie, decision):
    (image,) = held()
    for stranger in (bob, charlie):
        decide(decision, image, user=stranger)
        assert (state(image), image.name) == (State.HELD, "MRN00417.png")


def test_a_narrowed_page_leads_back_to_its_collection(held, signed_in, alice, collection):
    held()
    page = told(signed_in(alice).get("/review", {"collection": collection.pk}))
    assert f'<a href="/collections/{collection.pk}">{collection.name}</a>' in page.partition("<h1>")[0]


def test_the_list_of_keys_is_that_of_the_page(held, signed_in, alice):
    held()
    browser = signed_in(alice)
    assert "release it under a neutral name" in told(browser.get("/review"))
    assert "more like this image" not in told(browser.get("/review"))
    assert "more like this image" in told(browser.get("/"))


def test_a_decision_that_is_none_is_refused(held, decide):
    (image,) = held()
    assert decide("publish", image).status_code == 404
    assert state(image) == State.HELD


def test_of_two_who_decide_the_second_is_told(held, decide, carol):
    (image,) = held()
    decide("throw", image)
    assert "Somebody else has decided" in told(decide("release", image, user=carol))
    assert state(image) == State.TRASHED


def test_a_release_is_not_undone_from_the_images_history(held, decide, signed_in, alice):
    (image,) = held()
    decide("release", image)
    change = image.changes.get()
    assert not history(image)[0].can_undo
    assert signed_in(alice).post(f"/images/{image.pk}/history/{change.pk}/undo").status_code < 500
    assert state(image) == State.DECODED


@pytest.mark.parametrize("when", ["hold", "note", "off"])
def test_words_that_come_later_hold_a_searchable_image(make_image, settings, django_capture_on_commit_callbacks, when):
    image, settings.IDENTITY_CHECK = make_image(), when
    with django_capture_on_commit_callbacks(execute=True):
        held = review.hold_found({image.pk: [["other fields", "e-mail address"]]})
    image.refresh_from_db()
    assert held == ([image.pk] if when == "hold" else [])
    assert (image.state, points_of(image)) == ((State.HELD, 0) if when == "hold" else (State.READY, 1))
    assert bool(image.found_identity) == (when != "off")


# --- nobody else notices ----------------------------------------------------------------------------------------------


def test_a_viewers_numbers_do_not_tell_that_something_is_held(held, collection, alice, bob, signed_in):
    held()
    for user, seen in ((alice, 1), (bob, 0)):
        assert coverage(user).total == coverage(user).held == seen
        assert status(user)["coverage"]["total"] == seen
        assert shelves.shelves([collection], user)[0].images == seen
        tabs = {tab.slug: tab.count for tab in shelves.tabs(collection, shelves.Tab.ALL, user)}
        assert tabs["all"] == seen
        assert ("held" in tabs) == (user == alice)
        told_by_api = program(user).get("/api/v1/collections").json()
        assert [each["images"] for each in told_by_api] == [seen]


@pytest.mark.parametrize("address", ["/images/{}", "/images/{}/display", "/images/{}/thumbnail", "/api/v1/images/{}"])
def test_a_held_image_is_not_there_for_others(held, signed_in, alice, bob, charlie, address):
    (image,) = held()
    path = address.format(image.pk)
    for user, expected in ((bob, 404), (charlie, 404), (alice, 200)):
        answer = (program(user) if "api" in path else signed_in(user)).get(path)
        answer.close()
        assert answer.status_code == expected


def test_lists_and_searches_leave_it_out(held, signed_in, collection, bob):
    (image,) = held()
    client = signed_in(bob)
    pages = ["/", "/collections", f"/collections/{collection.pk}", f"/collections/{collection.pk}?show=held", "/not-searchable"]
    for page in [*pages, "/?q=pink", f"/?image={image.pk}", f"/selected?images={image.pk}"]:
        assert str(image.pk) not in told(client.get(page)).replace(f"images={image.pk}", "").replace(f"image={image.pk}", "")


def test_the_receipt_counts_it_as_held_and_leads_to_the_review(held, signed_in, alice):
    held()
    counted = receipt(UploadItem.objects.get().upload)
    assert (counted.counts["held"], counted.done) == (1, True)
    page = told(signed_in(alice).get(f"/uploads/{counted.upload.pk}"))
    assert f"/review?upload={counted.upload.pk}" in page


# --- the API ----------------------------------------------------------------------------------------------------------


def program(user: User) -> Client:
    return Client(headers={"authorization": f"Bearer {ApiToken.issue(user, 'test')[1]}"})


def post(client: Client, path: str, **body):
    return client.post(f"/api/v1/review/{path}", json.dumps(body), content_type="application/json").json()


def test_programs_list_release_hold_and_throw_away(held, alice, django_capture_on_commit_callbacks):
    first, second = held("MRN00417.png", NAME)
    client = program(alice)
    page = client.get("/api/v1/review?size=1").json()
    assert (page["left"], page["next_after"], page["images"][0]["name"]) == (2, str(first.pk), "MRN00417.png")
    assert page["images"][0]["found"] == [{"place": "file name", "pattern": "medical record number"}]
    assert client.get(f"/api/v1/review?after={first.pk}").json()["images"][0]["image"] == str(second.pk)
    both = [str(first.pk), str(second.pk)]
    assert sorted(post(client, "release", images=both, rename=True)["images"]) == sorted(both)
    assert sorted(post(client, "hold", images=both)["images"]) == sorted(both)
    assert post(client, "throw-away", images=both[:1]) == {"images": both[:1]}
    assert (state(first), state(second)) == (State.TRASHED, State.HELD)


def test_programs_of_others_change_nothing(held, bob, charlie):
    (image,) = held()
    for user in (bob, charlie):
        client = program(user)
        assert client.get("/api/v1/review").json()["images"] == []
        for path in ("release", "hold", "throw-away"):
            assert post(client, path, images=[str(image.pk)]) == {"images": []}
    assert state(image) == State.HELD


# --- patterns in the admin --------------------------------------------------------------------------------------------

FORM = {"name": "our numbers", "pattern": r"LAB-\d{6}", "unless": "", "in_names": "on", "in_headers": "on", "enabled": "on"}


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_an_administrator_adds_a_pattern_and_it_holds_images(admin, held):
    assert admin.post("/admin/library/identitypattern/add/", FORM).status_code == 302
    (image,) = held("lab-123456.png")
    assert image.found_identity == [["file name", "our numbers"]]


@pytest.mark.parametrize(("text", "said"), [("scan of LAB-123456", "The example would be held."), ("a scan", "Nothing is found")])
def test_a_pattern_is_tried_on_a_text_and_nothing_is_saved(admin, text, said):
    page = told(admin.post("/admin/library/identitypattern/add/", FORM | {"example": text, "_try": "1"}))
    assert said in page
    assert "correct the error" not in page
    assert not IdentityPattern.objects.filter(name="our numbers").exists()


@pytest.mark.parametrize(
    ("pattern", "said"), [("(", "no regular expression"), ("a*", "any text"), (r"(\pL{90}|x){90}", "no regular expression")]
)
def test_a_pattern_that_could_not_work_is_refused_with_its_reason(admin, pattern, said):
    page = told(admin.post("/admin/library/identitypattern/add/", FORM | {"pattern": pattern}))
    assert said in page
    assert not IdentityPattern.objects.filter(name="our numbers").exists()


def test_a_pattern_is_switched_off_from_the_list(admin, held):
    rows = list(IdentityPattern.objects.all())
    form = {"form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows), "_save": "1"}
    for number, row in enumerate(rows):
        form |= {f"form-{number}-id": row.pk, f"form-{number}-in_names": "on", f"form-{number}-in_headers": "on"}
    assert admin.post("/admin/library/identitypattern/", form).status_code == 302
    assert not IdentityPattern.objects.filter(enabled=True).exists()
    (image,) = held()
    assert image.state == State.READY


def test_points_that_stayed_while_the_index_was_away_are_found_and_forgotten(held, decide, alice):
    (image,) = held()
    decide("release", image)
    run_tasks()
    review.hold_again(Image.objects.filter(pk=image.pk), user=alice)  # no commit here: nobody hears of it
    assert points_of(image) == 1
    assert trash.with_points(limit=10) == [image.pk]
    assert trash.forget_points([image.pk])
    assert points_of(image) == 0
