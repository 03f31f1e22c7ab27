"""Shared links: what is made, who opens it in which state, what guests get, and where a token must never be."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sqlite3
import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.http import Http404
from django.test import Client
from django.utils import timezone

from tests.webapp.conftest import picture, told
from webapp.accounts import limits
from webapp.accounts.models import ApiToken, AuditEvent, Membership, Role, Team, User
from webapp.accounts.tokens import digest
from webapp.explore import frozen, guests, saving, sharing
from webapp.explore.asking import BadQuery, SearchQuery
from webapp.explore.models import LinkMode, SavedQuery, ShareLink
from webapp.explore.queries import search
from webapp.explore.sharing import Wish
from webapp.library.models import Collection, Visibility

pytestmark = pytest.mark.django_db

FROZEN = Wish(mode=LinkMode.FROZEN)


DRAWN_ANEW = {"Content-Length", "X-Request-ID"}


def plain(answer) -> tuple[int, str, dict[str, str]]:
    """All that an answer says, without the form token and the request's id, which are drawn anew for every page."""
    body = re.sub(r'(csrfmiddlewaretoken" value="|X-CSRFToken": ")[A-Za-z0-9]{64}', r"\1", told(answer))
    return answer.status_code, body, {name: value for name, value in answer.items() if name not in DRAWN_ANEW}


@pytest.fixture
def query(alice, team_a) -> SavedQuery:
    return SavedQuery.objects.create(owner=alice, team=team_a, name="Brown ones", note="look", address="q=brown")


@pytest.fixture
def share(alice, query):
    """share(wish) -> the link and its token, by alice."""

    def share(wish: Wish = Wish(), *, user: User = alice, of: SavedQuery = query) -> tuple[ShareLink, str]:  # noqa: B008
        return sharing.share(user, of, wish)

    return share


@pytest.fixture
def guest_links(settings):
    settings.GUEST_LINKS = True


def looked(browser, address: str) -> int:
    """The status of a picture's answer, which is read to its end."""
    answer = browser.get(address)
    if answer.streaming:
        b"".join(answer.streaming_content)
    answer.close()
    return int(answer.status_code)


def expire(link: ShareLink) -> None:
    ShareLink.objects.filter(pk=link.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


# --- the token --------------------------------------------------------------------------------------------------------


def test_ten_thousand_tokens_are_all_different_and_evenly_drawn(monkeypatch, share):
    drawn = [sharing.new_token() for _ in range(10_000)]
    assert len(set(drawn)) == 10_000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", token) for token in drawn)
    for place in range(21):  # the last character has four values only
        counts = {letter: sum(token[place] == letter for token in drawn) for letter in {token[place] for token in drawn}}
        assert len(counts) == 64
        assert max(counts.values()) < 240  # 156 expected; this far off is seen once in ten thousand million runs


def test_of_a_token_only_its_hash_is_in_the_database(share, make_image):
    make_image("brown")
    link, token = share(Wish(mode=LinkMode.FROZEN))
    assert link.sha256 == hashlib.sha256(token.encode()).hexdigest()
    if connection.vendor == "sqlite":
        raw = connection.connection
        assert isinstance(raw, sqlite3.Connection)
        assert token not in "\n".join(raw.iterdump())
    for event in AuditEvent.objects.all():
        assert token not in str(event.details)


def test_no_log_tells_a_token(share, alice, signed_in):
    _, token = share()
    heard = StringIO()
    handler = logging.StreamHandler(heard)
    loggers = [logging.getLogger(name) for name in ("django.request", "django.server", "celery.task", "granian.access", "any")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        assert signed_in(alice).post(f"/q/{token}").status_code == 405
        for logger in loggers:
            logger.warning("GET /q/%s by %s", token, object())
            logger.warning('"%s %s"', "GET", f"/q/{token}?x=1")
            logger.warning("%(path)s", {"path": f"/sign-in?next=%2Fq%2F{token}"})
            logger.warning(f"/q/{token}")
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    assert "/q/…" in heard.getvalue()
    assert token not in heard.getvalue()


def test_no_page_behind_a_link_sends_its_address_on(client, share, bob):
    _, token = share()
    answers = [client.get(f"/q/{token}"), client.get(f"/q/{sharing.new_token()}")]
    client.force_login(bob)
    answers += [client.get(f"/q/{token}"), client.get("/q/nothing")]
    pages = [client.get(answer["Location"]) for answer in answers[2:]]
    assert {answer.status_code for answer in answers} == {302}
    assert {answer["Referrer-Policy"] for answer in answers} == {"no-referrer"}
    assert {page["Referrer-Policy"] for page in pages} == {"same-origin"}
    for answer in (*answers, *pages):
        assert answer["X-Robots-Tag"] == "noindex, nofollow, noarchive"
        assert answer["Cache-Control"] == "private, no-store"
        assert token not in answer.get("Location", "")
        assert token not in str(answer.cookies)


# --- making -----------------------------------------------------------------------------------------------------------


def fields(team: Team | None, **more: object) -> dict[str, object]:
    return {"name": "Brown", "address": "q=brown", "team": team.pk if team else "", "mode": "live", "days": 30} | more


def test_a_link_is_made_from_the_results_and_shown_once(signed_in, alice, team_a, make_image):
    make_image("brown")
    browser = signed_in(alice)
    [form] = re.findall(r'<a class="button share-search" href="([^"]+)"', told(browser.get("/?q=brown")))[:1] or [""]
    assert "Make the link" in told(browser.get(form.replace("&amp;", "&")))
    made = browser.post("/share", fields(team_a))
    [token] = set(re.findall(r"/q/([A-Za-z0-9_-]{22})", told(made)))
    link = ShareLink.objects.get()
    assert link.sha256 == digest(token)
    assert (link.query.team, link.query.owner, link.mode, link.made_by) == (team_a, alice, "live", alice)
    assert timedelta(days=29, hours=23) < link.expires_at - timezone.now() <= timedelta(days=30)
    for page in ("/links", f"/saved/{link.query.pk}/links", "/share?q=brown"):
        assert "Brown" in told(browser.get(page))
        assert token not in told(browser.get(page))
    event = AuditEvent.objects.get(action="link-made")
    assert (event.target_id, event.team) == (str(link.pk), team_a)


def test_the_dialog_gets_the_form_alone(signed_in, alice):
    part = told(signed_in(alice).get("/share?q=brown", headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert "Share this search" in part


def test_the_same_search_is_saved_once_and_its_links_are_offered(signed_in, alice, team_a, query):
    browser = signed_in(alice)
    SavedQuery.objects.filter(pk=query.pk).update(address="q=brown&stain=PAS")
    browser.post("/share", fields(team_a, address="stain=PAS&q=brown"))
    assert ShareLink.objects.get().query == query
    assert "There is a link to this search already" in told(browser.get("/share?stain=PAS&q=brown"))


@pytest.mark.parametrize("wrong", [{"days": 0}, {"days": 366}, {"days": "x"}, {"team": ""}, {"mode": "x"}, {"address": "q="}])
def test_a_bad_form_makes_nothing(signed_in, alice, team_a, wrong):
    assert signed_in(alice).post("/share", fields(team_a) | wrong).status_code == 422
    assert not ShareLink.objects.exists()


def test_what_a_form_must_not_set_is_ignored(signed_in, alice, bob, team_a, team_b):
    extra = {
        "owner": bob.pk, "made_by": bob.pk, "query": uuid.uuid4(), "sha256": "0" * 64, "expires_at": "2999-01-01", "guests": "on",
        "password": "x", "opened": 5, "revoked_at": "2020-01-01", "fingerprint": "x", "id": uuid.uuid4(), "is_staff": "on",
    }  # fmt: skip
    signed_in(alice).post("/share", fields(team_a) | extra)
    link = ShareLink.objects.get()
    assert (link.made_by, link.query.owner, link.guests, link.password, link.revoked_at) == (alice, alice, False, "", None)
    assert link.expires_at < timezone.now() + timedelta(days=31)
    assert signed_in(alice).post("/share", fields(team_b)).status_code == 422


def test_forms_without_their_token_are_refused(alice, share, team_a):
    link, _ = share()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    forms = {
        "/share": fields(team_a),
        "/share/selected": {},
        f"/links/{link.pk}/revoke": {},
        f"/links/{link.pk}/extend": {"days": 3},
        f"/saved/{link.query_id}/fork": {},
        f"/saved/{link.query_id}/watch": {},
    }
    for address, sent in forms.items():
        assert browser.post(address, sent).status_code == 403
    assert ShareLink.objects.open().count() == 1


def test_nobody_shares_what_they_do_not_see(share, charlie, alice, make_image, foreign_collection, team_a):
    with pytest.raises(Http404):
        share(user=charlie)
    foreign = make_image("red", into=foreign_collection)
    for address in (f"image={foreign.pk}", f"q=x&like={foreign.pk}", f"q=x&collection={foreign_collection.pk}"):
        with pytest.raises(BadQuery, match="not yours to see"):
            share(of=SavedQuery.objects.create(owner=alice, team=team_a, name="x", address=address))
    assert not ShareLink.objects.exists()


def test_selected_images_become_a_search_to_share(signed_in, alice, make_image, foreign_collection):
    one, two = make_image("brown"), make_image("red")
    foreign = make_image("red", into=foreign_collection)
    answer = signed_in(alice).post("/share/selected", {"images": f"{one.pk},{two.pk},{foreign.pk}"})
    assert {f"like={one.pk}", f"like={two.pk}"} == set(answer["Location"].removeprefix("/share?").split("&"))


# --- opening: five states by eight actors -----------------------------------------------------------------------------

STATES = ("open", "expired", "revoked", "maker left", "search deleted")
EXPECTED = {  # what each gets of a team's live link
    "anonymous": dict.fromkeys(STATES, "sign in"),
    "outsider": dict.fromkeys(STATES, "nothing"),
    "ex-member": dict.fromkeys(STATES, "nothing"),
    "staff": dict.fromkeys(STATES, "nothing"),
    "viewer": {"open": "search", "expired": "ended", "revoked": "ended", "maker left": "search", "search deleted": "nothing"},
    "maker": {"open": "search", "expired": "ended", "revoked": "ended", "maker left": "nothing", "search deleted": "nothing"},
    "owner": {"open": "search", "expired": "ended", "revoked": "ended", "maker left": "search", "search deleted": "nothing"},
    "superuser": {"open": "search", "expired": "ended", "revoked": "ended", "maker left": "search", "search deleted": "nothing"},
}


@pytest.fixture
def actors(alice, bob, carol, charlie, team_a) -> dict[str, User | None]:
    left = User.objects.create_user("left")
    Membership.objects.create(user=left, team=team_a, role=Role.OWNER)
    Membership.objects.filter(user=left).delete()
    staff = User.objects.create_user("staff", is_staff=True)
    root = User.objects.create_superuser("root")
    return {
        "anonymous": None, "outsider": charlie, "ex-member": left, "staff": staff, "viewer": bob, "maker": alice, "owner": carol,
        "superuser": root,
    }  # fmt: skip


def bring(link: ShareLink, state: str) -> None:
    if state == "expired":
        expire(link)
    elif state == "revoked":
        ShareLink.objects.update(revoked_at=timezone.now())
    elif state == "maker left":
        Membership.objects.filter(user=link.made_by).delete()
    elif state == "search deleted":
        SavedQuery.objects.all().delete()


def got(browser: Client, token: str) -> str:
    answer = browser.get(f"/q/{token}")
    while answer.status_code == 302 and answer["Location"].startswith("/shared/"):
        answer = browser.get(answer["Location"])
    if answer.status_code == 302 and answer["Location"].startswith("/?q=brown&link="):
        return "search"
    if answer.status_code == 302 and answer["Location"].startswith("/sign-in?next=/shared/by/"):
        return "sign in"
    return {404: "nothing", 410: "ended"}[answer.status_code]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("actor", EXPECTED)
def test_a_link_opens_for(actor, state, actors, share):
    link, token = share()
    bring(link, state)
    browser = Client()
    if (user := actors[actor]) is not None:
        browser.force_login(user)
    assert got(browser, token) == EXPECTED[actor][state]


def test_an_outsider_gets_the_same_bytes_whatever_the_link(signed_in, charlie, share, query):
    browser, answers = signed_in(charlie), []
    for state in STATES[:3]:
        link, token = share()
        bring(link, state)
        answers += [plain(browser.get(f"/q/{token}", follow=True)), plain(browser.get(f"/shared/{link.pk}"))]
    answers += [plain(browser.get(f"/q/{sharing.new_token()}", follow=True)), plain(browser.get(f"/shared/{uuid.uuid4()}"))]
    answers += [plain(browser.get(f"/shared/by/{'0' * 64}")), plain(browser.get(f"/shared/by/{digest(token)}"))]
    assert {answer[0] for answer in answers} == {404}
    assert all(answer == answers[0] for answer in answers)


def test_signing_in_leads_back_to_the_link_without_its_token(client, share, bob):
    _, token = share()
    asked = client.get(f"/q/{token}")
    client.force_login(bob)
    following = asked["Location"].partition("?next=")[2]
    assert token not in following
    assert client.get(following)["Location"].startswith("/shared/")


def test_opening_is_noted(client, share, bob, carol):
    link, token = share()
    for user in (bob, bob, carol):
        client.force_login(user)
        client.get(f"/q/{token}", follow=True)
    [shown] = sharing.told([link], carol)
    assert (shown.use.times, shown.use.people) == (3, 2)
    assert shown.use.last == AuditEvent.objects.filter(action="link-opened", target_id=str(link.pk)).latest("at").at
    assert AuditEvent.objects.filter(action="link-opened", target_id=str(link.pk), actor=bob).count() == 2


def test_expiry_is_judged_by_the_databases_clock(share, bob, monkeypatch):
    link, _ = share(Wish(days=1))
    monkeypatch.setattr(timezone, "now", lambda: link.expires_at + timedelta(days=9))
    assert sharing.open_link(link.pk, bob).is_open
    ShareLink.objects.update(expires_at=link.expires_at - timedelta(days=1, seconds=1))
    monkeypatch.setattr(timezone, "now", lambda: link.expires_at - timedelta(days=9))
    assert sharing.open_link(link.pk, bob).state == "expired"


def test_the_page_of_a_live_link_says_whose_it_is(signed_in, bob, share, make_image):
    make_image("brown")
    link, token = share()
    page = told(signed_in(bob).get(f"/q/{token}", follow=True))
    assert "Shared by alice" in page
    assert "with Team A" in page
    assert link.fingerprint[:12] in page
    assert "You have changed the question" not in page
    assert "You have changed the question" in told(signed_in(bob).get(f"/?q=red&link={link.pk}"))
    assert "Shared by alice" not in told(signed_in(bob).get(f"/?q=brown&link={uuid.uuid4()}"))


def test_whoever_came_by_a_link_saves_the_question_without_it(share):
    link, _ = share()
    assert saving.kept_address(f"q=brown&link={link.pk}") == "q=brown"


def test_results_are_those_of_whoever_opens_it(signed_in, alice, bob, charlie, share, make_image, team_b, collection):
    make_image("brown")
    _, token = share()
    Membership.objects.create(user=charlie, team=Team.objects.get(name="Team A"), role=Role.VIEWER)
    Collection.objects.update(visibility=Visibility.PRIVATE)
    shown = {
        user.username: "data-image" in told(signed_in(user).get(f"/q/{token}", follow=True)) for user in (alice, bob, charlie)
    }
    assert shown == {"alice": True, "bob": False, "charlie": False}


# --- revoking, extending ----------------------------------------------------------------------------------------------


def test_its_maker_and_owners_of_the_team_revoke_a_link(client, share, alice, bob, carol, charlie):
    for user, status in ((bob, 404), (charlie, 404), (alice, 302), (carol, 302)):
        link, token = share()
        client.force_login(user)
        assert client.post(f"/links/{link.pk}/revoke").status_code == status
        link.refresh_from_db()
        assert (link.revoked_at is None) == (status == 404)
    client.force_login(bob)
    assert client.get(f"/q/{token}", follow=True).status_code == 410
    assert AuditEvent.objects.filter(action="link-revoked").count() == 2


def test_an_expired_link_is_extended_and_a_revoked_one_is_not(signed_in, alice, bob, share):
    link, _ = share()
    expire(link)
    browser = signed_in(alice)
    browser.post(f"/links/{link.pk}/extend", {"days": 10})
    assert sharing.open_link(link.pk, bob).is_open
    for days in (0, 366, "x"):
        browser.post(f"/links/{link.pk}/extend", {"days": days})
    link.refresh_from_db()
    assert link.expires_at < timezone.now() + timedelta(days=11)
    assert AuditEvent.objects.get(action="link-extended").details == {"days": 10}
    sharing.revoke(alice, link)
    browser.post(f"/links/{link.pk}/extend", {"days": 10})
    assert sharing.open_link(link.pk, bob).state == "revoked"


def test_whoever_left_the_team_may_revoke_their_link_but_not_extend_it(signed_in, alice, share):
    link, _ = share()
    Membership.objects.filter(user=alice).delete()
    assert signed_in(alice).post(f"/links/{link.pk}/extend", {"days": 10}).status_code == 404
    assert signed_in(alice).post(f"/links/{link.pk}/revoke").status_code == 302


def test_each_sees_the_links_that_are_theirs_to_see(client, share, alice, bob, carol, charlie, query):
    share()
    listed, of_query = {}, {}
    for user in (alice, bob, carol, charlie):
        client.force_login(user)
        listed[user.username] = "Brown ones" in told(client.get("/links"))
        of_query[user.username] = client.get(f"/saved/{query.pk}/links").status_code
    assert listed == {"alice": True, "bob": False, "carol": True, "charlie": False}
    assert of_query == {"alice": 200, "bob": 200, "carol": 200, "charlie": 404}


# --- frozen -----------------------------------------------------------------------------------------------------------


def test_a_frozen_link_shows_as_saved_against_now(signed_in, bob, share, make_image):
    first, second = make_image("brown"), make_image("red")
    link, token = share(FROZEN)
    assert [hit.image_id for hit in link.hits.all()] == [first.pk, second.pk]
    assert frozen.compared(link, bob).unchanged
    new = make_image("brown", caption="the newcomer")
    compared = frozen.compared(link, bob)
    assert [each.hit.image.pk for each in compared.new] == [new.pk]
    assert (compared.gone, compared.moved) == (0, 0)
    page = told(signed_in(bob).get(f"/q/{token}", follow=True))
    assert "the newcomer" in page
    assert '<strong class="number">1</strong> new' in page


def test_what_one_may_not_see_is_an_empty_place_without_any_count(signed_in, bob, share, make_image, collection, team_a, alice):
    hidden = Collection.objects.create(team=team_a, name="Hidden", made_by=alice, visibility=Visibility.PRIVATE)
    make_image("brown", into=hidden)
    make_image("brown")
    link, token = share(FROZEN)
    compared = frozen.compared(link, bob)
    assert sorted(hit.image is None for hit in compared.kept) == [False, True]
    assert compared.unchanged
    page = told(signed_in(bob).get(f"/q/{token}", follow=True))
    assert "not available" in page
    for hit in link.hits.all():
        assert (str(hit.image_id) in page) == (hit.image_id in {kept.image.pk for kept in compared.kept if kept.image})


def test_an_image_that_was_deleted_leaves_an_empty_place(bob, share, make_image):
    gone = make_image("brown")
    make_image("red")
    link, _ = share(FROZEN)
    gone.delete()
    assert [hit.image is None for hit in frozen.compared(link, bob).kept] == [True, False]


def test_images_that_changed_places_are_told(bob, share, make_image):
    make_image("brown"), make_image("red")
    link, _ = share(FROZEN)
    one, two = link.hits.all()
    link.hits.filter(pk=one.pk).update(image_id=two.image_id)
    link.hits.filter(pk=two.pk).update(image_id=one.image_id)
    compared = frozen.compared(link, bob)
    assert [hit.moved for hit in compared.kept] == [-1, 1]
    assert [hit.now for hit in compared.kept] == [2, 1]


def test_without_the_index_what_was_saved_is_shown_and_the_outage_told(signed_in, bob, share, make_image, request):
    make_image("brown")
    link, token = share(FROZEN)
    request.getfixturevalue("broken_index")
    page = signed_in(bob).get(f"/q/{token}", follow=True)
    assert page.status_code == 200
    assert "cannot be compared" in told(page)
    assert str(link.hits.get().image_id) in told(page)


def test_another_encoder_is_told(signed_in, bob, share, make_image):
    make_image("brown")
    link, _ = share(FROZEN)
    ShareLink.objects.update(fingerprint="f" * 64)
    assert "another one answers now" in told(signed_in(bob).get(f"/shared/{link.pk}"))


# --- guests -----------------------------------------------------------------------------------------------------------


def for_guests(*, guests_read: bool = False, password: str = "") -> Wish:
    return Wish(mode=LinkMode.FROZEN, guests=True, guests_read=guests_read, password=password)


def test_guests_are_let_in_only_where_the_site_allows_it(client, share, settings, make_image, alice, signed_in, team_a):
    make_image("brown")
    with pytest.raises(BadQuery):
        for_guests()
    assert "guests" not in told(signed_in(alice).get("/share?q=brown"))
    settings.GUEST_LINKS = True
    _, token = share(for_guests())
    visitor = Client()
    assert visitor.get(f"/q/{token}")["Location"].startswith("/q/g/")
    settings.GUEST_LINKS = False
    assert visitor.get(f"/q/{token}")["Location"].startswith("/sign-in")


@pytest.mark.usefixtures("guest_links")
def test_a_guest_sees_small_pictures_and_nothing_else(share, make_image, client):
    image = make_image("brown", caption="pale glands", case="C-17", name="glands.png")
    link, token = share(for_guests())
    visitor = client
    page = visitor.get(f"/q/{token}", follow=True)
    assert page.status_code == 200
    for secret in ("pale glands", "C-17", "glands.png", str(image.pk), "alice", "Brown ones", token, "/original"):
        assert secret not in told(page)
    thumbnail = visitor.get(f"/q/g/{link.pk}/1")
    assert (thumbnail.status_code, thumbnail["Content-Type"]) == (200, "image/jpeg")
    assert thumbnail["Cache-Control"] == "private, no-store"
    assert b"".join(thumbnail.streaming_content)[:2] == b"\xff\xd8"
    thumbnail.close()
    for address in (f"/images/{image.pk}/thumbnail", f"/images/{image.pk}/display", f"/images/{image.pk}/original"):
        assert visitor.get(address)["Location"].startswith("/sign-in")
    assert looked(visitor, f"/q/g/{link.pk}/2") == 404
    assert AuditEvent.objects.get(action="link-opened").details == {"guest": True}


@pytest.mark.usefixtures("guest_links")
def test_captions_and_the_name_are_told_where_chosen(share, make_image):
    make_image("brown", caption="plain words")
    _, token = share(for_guests(guests_read=True))
    page = told(Client().get(f"/q/{token}", follow=True))
    assert "plain words" in page
    assert "Brown ones" in page


@pytest.mark.usefixtures("guest_links")
@pytest.mark.parametrize("ends", ["revoked", "expired", "maker left", "maker inactive", "collection private", "image deleted"])
def test_a_guests_pictures_end_with_the_next_request(ends, share, make_image, alice, carol, team_a, collection):
    image = make_image("brown")
    link, token = share(for_guests())
    visitor = Client()
    visitor.get(f"/q/{token}", follow=True)
    assert looked(visitor, f"/q/g/{link.pk}/1") == 200
    if ends == "maker inactive":
        User.objects.filter(pk=alice.pk).update(is_active=False)
    elif ends == "collection private":
        Collection.objects.update(visibility=Visibility.PRIVATE, made_by=carol)
    elif ends == "image deleted":
        image.delete()
    else:
        bring(link, ends)
    assert looked(visitor, f"/q/g/{link.pk}/1") == 404
    assert visitor.get(f"/q/g/{link.pk}").status_code == (200 if ends in ("collection private", "image deleted") else 404)


@pytest.mark.usefixtures("guest_links")
def test_without_the_link_its_guests_page_is_not_there(share, make_image, client):
    make_image("brown")
    link, token = share(for_guests())
    other, other_token = share(for_guests())
    assert client.get(f"/q/g/{link.pk}").status_code == 404
    assert looked(client, f"/q/g/{link.pk}/1") == 404
    client.get(f"/q/{other_token}")
    cookie = client.cookies["guest-link"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (f"/q/g/{other.pk}", True, "Lax")
    client.cookies.clear()
    client.cookies["guest-link"] = cookie.value
    assert client.get(f"/q/g/{link.pk}").status_code == 404
    assert client.get(f"/shared/by/{digest(token)}")["Location"].startswith("/sign-in")


@pytest.mark.usefixtures("guest_links")
def test_a_password_is_asked_and_throttled(share, make_image, settings):
    make_image("brown")
    link, token = share(for_guests(password="open sesame"))
    assert "sesame" not in link.password
    visitor = Client()
    page = visitor.get(f"/q/{token}", follow=True)
    assert "gave it a password" in told(page)
    assert looked(visitor, f"/q/g/{link.pk}/1") == 404
    assert visitor.post(f"/q/g/{link.pk}", {"password": "wrong"}).status_code == 403
    assert not AuditEvent.objects.filter(action="link-opened").exists()
    assert visitor.post(f"/q/g/{link.pk}", {"password": "open sesame"}).status_code == 302
    assert looked(visitor, f"/q/g/{link.pk}/1") == 200
    settings.RATES = settings.RATES | {"link": "2/minute"}
    limits._limiter().storage.reset()
    other = Client()
    other.get(f"/q/{token}")
    answers = [other.post(f"/q/g/{link.pk}", {"password": "wrong"}).status_code for _ in range(3)]
    assert answers == [403, 429, 429]


@pytest.mark.usefixtures("guest_links")
def test_an_outsider_with_an_account_is_a_guest_too_and_a_member_is_none(client, share, make_image, charlie, bob):
    make_image("brown")
    _, token = share(for_guests())
    client.force_login(charlie)
    assert client.get(f"/q/{token}")["Location"].startswith("/q/g/")
    client.force_login(bob)
    assert client.get(f"/q/{token}")["Location"].startswith("/shared/")


def test_guests_get_nothing_live(settings):
    settings.GUEST_LINKS = True
    with pytest.raises(BadQuery, match="frozen"):
        Wish(guests=True)
    with pytest.raises(BadQuery, match="password"):
        Wish(password="x")


@pytest.mark.usefixtures("guest_links")
def test_a_link_for_guests_alone_needs_no_team(signed_in, alice, make_image):
    make_image("brown")
    assert signed_in(alice).post("/share", fields(None, mode="frozen")).status_code == 422
    signed_in(alice).post("/share", fields(None, mode="frozen", guests="on", password="abc"))
    link = ShareLink.objects.get()
    assert (link.query.team, link.guests) == (None, True)
    assert guests.knows(link, "abc")


def test_a_shared_picture_is_shared_with_the_team(signed_in, alice, bob, team_a, make_image):
    make_image("red")
    asked = search(SearchQuery(image_bytes=picture("blue")), user=alice).picture
    assert asked is not None
    signed_in(alice).post("/share", fields(team_a, address=f"picture={asked.pk}"))
    link = ShareLink.objects.get()
    page = signed_in(bob).get(f"/shared/{link.pk}", follow=True)
    assert page.status_code == 200
    assert str(asked.pk) in told(page)


def test_nobody_is_no_member(share):
    link, _ = share()
    assert not ShareLink.objects.managed_by(AnonymousUser()).exists()
    assert not SavedQuery.objects.visible_to(AnonymousUser()).filter(pk=link.query_id).exists()


def test_a_search_is_watched_from_its_link(signed_in, bob, charlie, query):
    assert signed_in(charlie).post(f"/saved/{query.pk}/watch").status_code == 404
    assert signed_in(bob).post(f"/saved/{query.pk}/watch").status_code == 302
    assert query.watches.get().user == bob


# --- programs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def program(client):
    """program(user): asks the API with a token of theirs."""

    def program(user: User):
        _, token = ApiToken.issue(user, "test")

        def ask(method: str, path: str, sent: object = None):
            headers = {"Authorization": f"Bearer {token}"}
            return client.generic(method, f"/api/v1{path}", json.dumps(sent or {}), "application/json", headers=headers)

        return ask

    return program


def test_a_program_makes_opens_extends_and_revokes_a_link(program, alice, bob, query, make_image):
    image = make_image("brown")
    ask, other = program(alice), program(bob)
    made = ask("POST", "/links", {"query": str(query.pk), "mode": "frozen", "days": 5, "made_by": bob.pk, "opened": 7})
    assert made.status_code == 201
    assert (made.json()["made_by"], made.json()["opened"], made.json()["state"]) == ("alice", 0, "open")
    link, token = made.json()["id"], made.json()["address"].rpartition("/q/")[2]
    opened = other("POST", "/links/open", {"token": token}).json()
    assert opened["query"]["address"] == "q=brown"
    assert [(hit["rank"], hit["image"], hit["now"]) for hit in opened["then"]] == [(1, str(image.pk), 1)]
    assert ask("POST", f"/links/{link}/extend", {"days": 9}).json()["readers"] == 1
    assert ask("POST", f"/links/{link}/extend", {"days": 366}).status_code == 422
    assert other("POST", f"/links/{link}/revoke").status_code == 404
    assert ask("POST", f"/links/{link}/revoke").json()["state"] == "revoked"
    assert [each["id"] for each in ask("GET", "/links").json()] == [link]
    assert other("GET", "/links").json() == []


def test_a_program_learns_nothing_of_foreign_ended_and_unknown_links(program, alice, charlie, share, query):
    link, token = share()
    ask = program(charlie)
    answers = [ask("POST", "/links/open", {"token": token}), ask("POST", "/links/open", {"token": sharing.new_token()})]
    answers += [ask("POST", "/links", {"query": str(query.pk)}), ask("POST", f"/queries/{query.pk}/fork")]
    expire(link)
    answers.append(program(alice)("POST", "/links/open", {"token": token}))
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}


def test_a_program_forks_and_renames_a_search(program, bob, query):
    ask = program(bob)
    made = ask("POST", f"/queries/{query.pk}/fork").json()
    assert (made["owner"], made["team"], made["address"]) == ("bob", None, "q=brown")
    renamed = ask("PATCH", f"/queries/{made['id']}", {"name": "Mine", "owner": "alice", "address": "q=red"}).json()
    assert (renamed["name"], renamed["owner"], renamed["address"], renamed["note"]) == ("Mine", "bob", "q=brown", "look")
    assert ask("PATCH", f"/queries/{query.pk}", {"name": "Theirs"}).status_code == 404
