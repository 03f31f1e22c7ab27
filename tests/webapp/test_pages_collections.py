"""The collections page, a collection's page, and its forms."""

from __future__ import annotations

import uuid

import pytest

from tests.webapp.conftest import added, run_tasks, told
from webapp.library.models import Collection, State, Visibility

pytestmark = pytest.mark.django_db

CHANGES = {"name": "New name", "description": "", "visibility": "team"}


def test_the_page_lists_what_one_may_see_with_counts(signed_in, bob, make_image, collection, foreign_collection):
    make_image()
    page = told(signed_in(bob).get("/collections"))
    assert "Kidneys" in page
    assert "1 image" in page
    assert "Livers" not in page


def test_every_page_of_collections_needs_signing_in(client, collection):
    for address in ("", "/new", f"/{collection.pk}", f"/{collection.pk}/edit", f"/{collection.pk}/upload"):
        answer = client.get(f"/collections{address}")
        assert answer["Location"].startswith("/sign-in?next=/collections")


def test_a_foreign_collection_and_none_are_answered_alike(signed_in, charlie, collection):
    browser = signed_in(charlie)
    for rest in ("", "/edit", "/upload"):
        foreign = browser.get(f"/collections/{collection.pk}{rest}")
        unknown = browser.get(f"/collections/{uuid.uuid4()}{rest}")
        assert (foreign.status_code, unknown.status_code) == (404, 404)


def test_a_collection_shows_its_images_and_why_others_failed(signed_in, alice, collection, make_image):
    make_image(caption="Pink tissue")
    added(collection, b"no picture at all", name="broken.jpg")
    run_tasks()
    everything = told(signed_in(alice).get(f"/collections/{collection.pk}"))
    failed = told(signed_in(alice).get(f"/collections/{collection.pk}?show=failed"))
    assert "Pink tissue" in everything
    assert "Pink tissue" not in failed
    assert 'class="small failure"' in failed
    assert "broken.jpg" in failed


def test_a_viewer_sees_why_but_not_which_file(signed_in, bob, collection):
    added(collection, b"no picture at all", name="DOE-JANE.jpg")
    run_tasks()
    page = told(signed_in(bob).get(f"/collections/{collection.pk}?show=failed"))
    assert 'class="small failure"' in page
    assert "DOE-JANE" not in page


def test_a_viewer_sees_no_file_names_and_no_buttons_that_would_fail(signed_in, bob, collection, make_image):
    make_image(name="DOE-JANE.png")
    page = told(signed_in(bob).get(f"/collections/{collection.pk}"))
    assert "DOE-JANE" not in page
    assert "/upload" not in page
    assert "/edit" not in page


def test_an_editor_makes_a_collection(signed_in, alice, team_a):
    answer = signed_in(alice).post("/collections/new", CHANGES | {"team": team_a.pk})
    made = Collection.objects.get()
    assert answer["Location"] == f"/collections/{made.pk}"
    assert (made.name, made.team, made.made_by) == ("New name", team_a, alice)


def test_a_viewer_makes_none(signed_in, bob, team_a):
    assert signed_in(bob).post("/collections/new", CHANGES | {"team": team_a.pk}).status_code == 422
    assert not Collection.objects.exists()


def test_nobody_makes_one_for_another_team(signed_in, alice, team_a, team_b):
    assert signed_in(alice).post("/collections/new", CHANGES | {"team": team_b.pk}).status_code == 422


def test_a_name_is_taken_once_a_team(signed_in, alice, team_a, collection):
    answer = signed_in(alice).post("/collections/new", CHANGES | {"team": team_a.pk, "name": collection.name})
    assert answer.status_code == 422
    assert "already" in told(answer)


def test_an_editor_renames_a_collection_and_hides_it(signed_in, alice, collection):
    signed_in(alice).post(f"/collections/{collection.pk}/edit", CHANGES | {"visibility": "private"})
    collection.refresh_from_db()
    assert (collection.name, collection.visibility) == ("New name", Visibility.PRIVATE)


def test_a_form_changes_only_what_it_shows(signed_in, alice, collection, team_b, charlie):
    extra = {"team": team_b.pk, "made_by": charlie.pk, "id": uuid.uuid4()}
    signed_in(alice).post(f"/collections/{collection.pk}/edit", CHANGES | extra)
    changed = Collection.objects.get()
    assert (changed.pk, changed.team_id, changed.made_by_id) == (collection.pk, collection.team_id, alice.pk)


def test_renaming_to_a_taken_name_is_refused(signed_in, alice, team_a, collection):
    Collection.objects.create(team=team_a, name="Taken")
    answer = signed_in(alice).post(f"/collections/{collection.pk}/edit", CHANGES | {"name": "Taken"})
    assert answer.status_code == 422


def test_a_viewer_changes_nothing(signed_in, bob, collection):
    assert signed_in(bob).post(f"/collections/{collection.pk}/edit", CHANGES).status_code == 404
    assert Collection.objects.get().name == "Kidneys"


def test_an_unknown_page_or_tab_shows_the_nearest(signed_in, alice, collection):
    assert signed_in(alice).get(f"/collections/{collection.pk}?show=nonsense&page=-7").status_code == 200


def test_collections_are_there_while_the_index_is_not(signed_in, alice, collection, make_image, broken_index):
    assert signed_in(alice).get("/collections").status_code == 200
    assert signed_in(alice).get(f"/collections/{collection.pk}").status_code == 200


def test_a_collections_rarer_pages_are_in_its_menu_for_editors_only(signed_in, alice, bob, collection):
    pages = ("edit", "fields", "table", "duplicates", "jobs", "trash")
    page = told(signed_in(alice).get(f"/collections/{collection.pk}"))
    menu = page[page.index('id="more-of-collection"') : page.index("</nav>", page.index('id="more-of-collection"'))]
    for each in pages:
        assert f'href="/collections/{collection.pk}/{each}"' in menu
    assert "more-of-collection" not in told(signed_in(bob).get(f"/collections/{collection.pk}"))


def test_the_tab_of_held_images_leads_to_their_review(signed_in, alice, bob, collection, make_image):
    image = make_image()
    review = f"/review?collection={collection.pk}"
    assert review not in told(signed_in(alice).get(f"/collections/{collection.pk}?show=held"))
    image.state = State.HELD
    image.save()
    assert review in told(signed_in(alice).get(f"/collections/{collection.pk}?show=held"))
    assert review not in told(signed_in(bob).get(f"/collections/{collection.pk}?show=held"))
