"""Saved searches: who sees and changes them, what is kept, and opening one again."""

from __future__ import annotations

import re
import uuid

import pytest

from embedder.fake import FakeEncoder
from tests.webapp.conftest import picture, told
from webapp.accounts.models import AuditEvent, Membership
from webapp.explore import saving
from webapp.explore.asking import BadQuery, SearchQuery
from webapp.explore.models import QueryPicture, SavedQuery
from webapp.explore.queries import search

pytestmark = pytest.mark.django_db


@pytest.fixture
def keep(alice):
    """keep(name, …): a saved search, alice's own unless told."""

    def keep(name: str = "Brown", *, owner=alice, team=None, address: str = "q=brown", **fields) -> SavedQuery:
        return SavedQuery.objects.create(name=name, owner=owner, team=team, address=address, **fields)

    return keep


# --- who sees, who changes --------------------------------------------------------------------------------------------


def test_ones_own_is_seen_by_nobody_else(keep, alice, bob, carol, charlie, admin_user):
    keep()
    seen = {user.username: SavedQuery.objects.visible_to(user).count() for user in (alice, bob, carol, charlie, admin_user)}
    assert seen == {"alice": 1, "bob": 0, "carol": 0, "charlie": 0, "admin": 0}


def test_a_teams_is_seen_by_members_and_changed_by_its_owner_and_the_teams(keep, alice, bob, carol, charlie, team_a):
    keep(team=team_a)
    users = (alice, bob, carol, charlie)
    assert [SavedQuery.objects.visible_to(user).count() for user in users] == [1, 1, 1, 0]
    assert [SavedQuery.objects.editable_by(user).count() for user in users] == [1, 0, 1, 0]


def test_whoever_leaves_the_team_leaves_its_searches(keep, alice, bob, team_a):
    keep(team=team_a)
    Membership.objects.filter(user=alice).delete()
    assert [SavedQuery.objects.visible_to(user).count() for user in (alice, bob)] == [0, 1]
    alice.delete()
    assert SavedQuery.objects.get().owner is None


def test_what_was_ones_own_goes_with_its_owner(keep, alice):
    keep()
    alice.delete()
    assert not SavedQuery.objects.exists()


def test_an_inactive_user_sees_none(keep, alice):
    keep()
    alice.is_active = False
    assert not SavedQuery.objects.visible_to(alice).exists()


def test_every_page_needs_signing_in(client, keep):
    query = keep()
    for address in ("", "/new?q=x", f"/{query.pk}", f"/{query.pk}/rename"):
        assert client.get(f"/saved{address}")["Location"].startswith("/sign-in")
    assert client.post(f"/saved/{query.pk}/delete")["Location"].startswith("/sign-in")


def test_a_foreign_search_and_none_are_answered_alike(signed_in, charlie, bob, keep, team_a):
    browser, query = signed_in(charlie), keep(team=team_a)
    for pk in (query.pk, uuid.uuid4()):
        assert browser.get(f"/saved/{pk}").status_code == 404
        assert browser.get(f"/saved/{pk}/rename").status_code == 404
        assert browser.post(f"/saved/{pk}/delete").status_code == 404
    assert signed_in(bob).post(f"/saved/{query.pk}/delete").status_code == 404
    assert SavedQuery.objects.exists()


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_the_whole_question_is_kept_but_not_the_place_in_its_pages():
    address = "?q=brown+nuclei&stain=H%26E&organ=colon&stain=PAS&cursor=abc&below=1"
    assert saving.kept_address(address) == "q=brown+nuclei&stain=H%26E&stain=PAS&organ=colon"


@pytest.mark.parametrize(
    "address", ["", "stain=PAS", "q=", "q=!!", "image=nonsense", "q=a&collection=nonsense", "q=a&x=" + "y" * 4100]
)
def test_what_is_no_question_is_not_kept(address):
    with pytest.raises(BadQuery):
        saving.kept_address(address)


def test_a_question_is_told_in_words():
    address = "q=brown+nuclei&stain=H%26E&plus=dense~0.8&like=1&like=2&image=3&cursor=x"
    assert saving.in_words(address) == ["“brown nuclei”", "stain: H&E", "more: dense", "liked (2)", "like an image"]


def test_a_search_is_saved_from_its_results(signed_in, alice, make_image, team_a):
    make_image("brown")
    browser = signed_in(alice)
    results = told(browser.get("/", {"q": "brown", "stain": "H&E"}))
    [link] = re.findall(r'<a class="button save-search" href="([^"]+)"', results)
    form = told(browser.get(link.replace("&amp;", "&")))
    assert 'value="brown, stain: H&amp;E"' in form
    [address] = re.findall(r'name="address" value="([^"]+)"', form)
    fields = {"name": "Mine", "note": "", "team": team_a.pk, "address": address.replace("&amp;", "&")}
    answer = browser.post("/saved/new", fields)
    made = SavedQuery.objects.get()
    assert (made.owner, made.team, made.address) == (alice, team_a, "q=brown&stain=H%26E")
    assert made.fingerprint == FakeEncoder.spec.fingerprint
    assert answer["Location"] == "/?q=brown&stain=H%26E"
    assert AuditEvent.objects.filter(action="search-saved", actor=alice, target_id=str(made.pk)).exists()


def test_the_dialog_gets_the_form_alone(signed_in, alice):
    part = told(signed_in(alice).get("/saved/new?q=brown", headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert "Save this search" in part


def test_nobody_saves_for_another_team(signed_in, alice, team_b):
    answer = signed_in(alice).post("/saved/new", {"name": "x", "team": team_b.pk, "address": "q=brown"})
    assert answer.status_code == 422
    assert "Team B" not in told(answer)
    assert not SavedQuery.objects.exists()


def test_a_bad_form_says_why(signed_in, alice):
    for fields in ({"name": "", "address": "q=x"}, {"name": "x", "address": "q="}):
        answer = signed_in(alice).post("/saved/new", fields)
        assert answer.status_code == 422
        assert "errorlist" in told(answer)


def test_a_search_is_saved_while_the_index_is_away(signed_in, alice, broken_index):
    assert signed_in(alice).post("/saved/new", {"name": "x", "address": "q=brown"}).status_code == 302
    assert SavedQuery.objects.get().fingerprint == ""


# --- the list ---------------------------------------------------------------------------------------------------------


def test_the_list_tells_the_question_and_can_be_searched(signed_in, bob, keep, team_a, team_b, charlie):
    keep("Fungi in silver", team=team_a, address="q=black+hyphae", note="for Thursday")
    keep("Ki-67", team=team_a)
    keep("Foreign", owner=charlie, team=team_b)
    browser = signed_in(bob)
    page = told(browser.get("/saved"))
    assert ("black hyphae" in page, "Ki-67" in page, "Foreign" in page) == (True, True, False)
    for words in ("silver", "hyphae", "thursday fungi"):
        page = told(browser.get("/saved", {"find": words}))
        assert ("Fungi in silver" in page, "Ki-67" in page) == (True, False)
    assert "No saved search has these words" in told(browser.get("/saved", {"find": "foreign"}))


def test_a_viewer_gets_no_buttons_that_would_fail(signed_in, alice, bob, keep, team_a):
    keep(team=team_a)
    assert "/rename" not in told(signed_in(bob).get("/saved"))
    assert "/rename" in told(signed_in(alice).get("/saved"))


def test_the_list_takes_as_many_statements_for_many(signed_in, alice, keep, team_a, django_assert_max_num_queries):
    for n in range(12):
        keep(f"Search {n}", team=team_a)
    browser = signed_in(alice)
    with django_assert_max_num_queries(8):
        assert told(browser.get("/saved")).count('class="saved"') == 12


def test_one_made_with_another_encoder_says_so(signed_in, alice, keep, make_image):
    make_image()
    keep(fingerprint="0" * 64)
    assert "another encoder answered then" in told(signed_in(alice).get("/saved"))


def test_names_are_shown_as_text(signed_in, alice, keep):
    keep("<b>bold", note="<i>x", address="q=%3Cu%3E")
    assert not re.search("<b>bold|<i>x|<u>", told(signed_in(alice).get("/saved")))


def test_it_is_renamed_and_its_question_stays(signed_in, alice, keep):
    query = keep()
    signed_in(alice).post(f"/saved/{query.pk}/rename", {"name": "New", "note": "n", "address": "q=other", "team": ""})
    query.refresh_from_db()
    assert (query.name, query.note, query.address) == ("New", "n", "q=brown")


def test_it_is_deleted_by_a_form_only(signed_in, carol, keep, team_a):
    query = keep(team=team_a)
    assert signed_in(carol).get(f"/saved/{query.pk}/delete").status_code == 405
    assert signed_in(carol).post(f"/saved/{query.pk}/delete")["Location"] == "/saved"
    assert not SavedQuery.objects.exists()


# --- opening ----------------------------------------------------------------------------------------------------------


def test_opening_leads_to_the_results_and_moves_it_up(signed_in, alice, keep):
    first, _ = keep("First", address="q=brown&stain=H%26E"), keep("Second")
    browser = signed_in(alice)
    assert [query.name for query in saving.found(alice)] == ["Second", "First"]
    assert browser.get(f"/saved/{first.pk}")["Location"] == "/?q=brown&stain=H%26E"
    assert [query.name for query in saving.found(alice)] == ["First", "Second"]


def _asked_with_a_picture(user) -> QueryPicture:
    asked = search(SearchQuery(image_bytes=picture("blue")), user=user).picture
    assert asked is not None
    return asked


def test_a_teams_search_keeps_its_picture_for_the_team_and_as_long_as_it_lives(
    signed_in, alice, bob, charlie, make_image, team_a
):
    make_image("red")
    asked = _asked_with_a_picture(alice)
    assert not QueryPicture.objects.visible_to(bob).exists()
    signed_in(alice).post("/saved/new", {"name": "x", "team": team_a.pk, "address": f"picture={asked.pk}"})
    QueryPicture.objects.update(made_at="2020-01-01T00:00Z")
    assert [QueryPicture.objects.visible_to(user).count() for user in (alice, bob, charlie)] == [1, 1, 0]
    assert not QueryPicture.objects.outdated().exists()
    assert signed_in(bob).get(f"/?picture={asked.pk}").status_code == 200
    assert signed_in(charlie).get(f"/query-pictures/{asked.pk}").status_code == 404
    alice.delete()
    assert QueryPicture.objects.visible_to(bob).exists()
    SavedQuery.objects.all().delete()
    assert not QueryPicture.objects.visible_to(bob).exists()
    assert QueryPicture.objects.outdated().exists()


def test_a_picture_that_nobody_keeps_goes_with_its_owner(alice, make_image):
    make_image("red")
    _asked_with_a_picture(alice)
    alice.delete()
    assert not QueryPicture.objects.exists()


def test_a_search_keeps_no_picture_that_its_saver_does_not_see(signed_in, alice, charlie, team_b, make_image):
    make_image("red")
    asked = _asked_with_a_picture(alice)
    signed_in(charlie).post("/saved/new", {"name": "x", "team": team_b.pk, "address": f"picture={asked.pk}"})
    assert SavedQuery.objects.get().team == team_b
    assert not QueryPicture.objects.visible_to(charlie).exists()


def test_a_teams_search_is_forked_into_ones_own(signed_in, alice, bob, charlie, keep, team_a):
    query = keep(team=team_a, note="why")
    assert signed_in(charlie).post(f"/saved/{query.pk}/fork").status_code == 404
    assert signed_in(bob).post(f"/saved/{query.pk}/fork").status_code == 302
    made = SavedQuery.objects.get(owner=bob)
    assert (made.name, made.note, made.address, made.team) == (query.name, "why", query.address, None)
    assert AuditEvent.objects.get(action="search-forked").details == {"origin": str(query.pk)}
    assert SavedQuery.objects.get(pk=query.pk).owner == alice


def test_a_search_is_opened_without_an_image_that_one_may_not_see(signed_in, bob, keep, team_a, make_image, foreign_collection):
    foreign = make_image("red", into=foreign_collection)
    query = keep(team=team_a, address=f"q=brown&image={foreign.pk}&crop=0%2C0%2C500%2C500")
    assert signed_in(bob).get(f"/saved/{query.pk}")["Location"] == "/?q=brown"


def test_a_picture_that_is_gone_is_told(signed_in, alice, keep, make_image):
    make_image("red")
    asked = _asked_with_a_picture(alice)
    query, browser = keep(address=f"picture={asked.pk}"), signed_in(alice)
    assert browser.get(f"/saved/{query.pk}")["Location"] == f"/?picture={asked.pk}"
    QueryPicture.objects.all().delete()
    answer = browser.get(f"/saved/{query.pk}", follow=True)
    assert answer.redirect_chain == [("/saved", 302)]
    assert "gone, or not yours to see" in told(answer)
