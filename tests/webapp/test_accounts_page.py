"""«Your account»: a name, an address, a password, signed-in browsers and tokens, each only one's own."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.utils import timezone

from tests.webapp.authenticators import confirm, whoever
from tests.webapp.conftest import PASSWORD
from webapp.accounts.browsers import told
from webapp.accounts.limits import _limiter
from webapp.accounts.models import ApiToken, AuditEvent, User
from webapp.unlogged import scrubbed

pytestmark = pytest.mark.django_db
NEW = "another long enough password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def browser(user: User, agent: str = FIREFOX) -> Client:
    """Another browser, in which ``user`` has signed in by the page."""
    other = Client(headers={"User-Agent": agent})
    other.post("/sign-in", {"username": user.username, "password": PASSWORD})
    return other


def page(client) -> str:
    return str(client.get("/account").content.decode())


# --- the page ---------------------------------------------------------------------------------------------------------------


def test_the_account_is_for_whoever_is_signed_in(client):
    assert client.get("/account")["Location"] == "/sign-in?next=/account"


def test_every_page_leads_to_it(signed_in, alice):
    assert '<a class="who" href="/account"' in signed_in(alice).get("/collections").content.decode()


def test_a_name_is_changed_and_nothing_else_by_the_same_form(signed_in, alice):
    client = signed_in(alice)
    raised = {"is_staff": "on", "is_superuser": "on", "username": "root", "email": "root@example.org", "password": "x"}
    client.post("/account/name", {"first_name": "Alice", "last_name": "Lund"} | raised)
    before = (alice.username, alice.email, alice.password)
    alice.refresh_from_db()
    assert alice.get_full_name() == "Alice Lund"
    assert (alice.username, alice.email, alice.password, alice.is_staff, alice.is_superuser) == (*before, False, False)
    assert "name-changed" in actions()


def test_a_name_that_is_too_long_is_told(signed_in, alice):
    answer = signed_in(alice).post("/account/name", {"first_name": "x" * 200, "last_name": ""})
    assert answer.status_code == 422
    assert "at most 150" in answer.content.decode()


# --- the password -----------------------------------------------------------------------------------------------------------


def test_a_password_is_changed_and_other_browsers_are_signed_out(signed_in, alice):
    other, client = browser(alice), signed_in(alice)
    answer = client.post("/account/password", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    assert answer["Location"] == "/account"
    assert whoever(client) == alice
    assert whoever(other) is None
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert actions().count("password-changed") == 1


@pytest.mark.parametrize(
    ("old", "one", "two", "why"),
    [
        ("wrong", NEW, NEW, "not your present password"),
        (PASSWORD, "short", "short", "too short"),
        (PASSWORD, "password123", "password123", "too common"),
        (PASSWORD, NEW, NEW + "!", "same password"),
        (PASSWORD, "", "", "required"),
    ],
)
def test_a_password_is_not_changed_to_a_bad_one_nor_by_a_wrong_one(signed_in, alice, old, one, two, why):
    answer = signed_in(alice).post("/account/password", {"oldpassword": old, "password1": one, "password2": two})
    assert why in answer.content.decode()
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


# --- the address ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mails(settings):
    settings.MAILS = True
    return mail.outbox


def link_in(letter) -> str:
    return re.search(r"https?://[^/]+(/\S+)", letter.body)[1]  # type: ignore[index]


def test_an_address_counts_from_when_it_is_confirmed(signed_in, alice, mails, settings):
    settings.CONCHIVE_URL = "https://archive.example.org"
    client = signed_in(alice)
    confirm(client, PASSWORD)
    client.post("/account/email", {"action_add": "", "email": "alice@example.org"}, headers={"Host": "testserver"})
    alice.refresh_from_db()
    assert alice.email == ""
    [letter] = mails
    assert letter.to == ["alice@example.org"]
    assert "https://archive.example.org/account/email/confirm/" in letter.body
    assert "Yes, confirm it" in client.get(link_in(letter)).content.decode()
    assert client.post(link_in(letter))["Location"] == "/account"
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"
    assert "email-changed" in actions()


def test_an_address_that_somebody_else_confirmed_is_not_taken(signed_in, alice, bob, mails):
    EmailAddress.objects.create(user=bob, email="bob@example.org", verified=True, primary=True)
    client = signed_in(alice)
    confirm(client, PASSWORD)
    client.post("/account/email", {"action_add": "", "email": "bob@example.org"})
    assert "Another account has this address" in client.get(link_in(mails[0])).content.decode()
    client.post(link_in(mails[0]))
    alice.refresh_from_db()
    assert alice.email == ""


def test_changing_the_address_asks_again_who_one_is(signed_in, alice, mails):
    answer = signed_in(alice).post("/account/email", {"action_add": "", "email": "alice@example.org"})
    assert answer["Location"].startswith("/account/confirm")
    assert not mails


def test_a_link_that_is_not_right_confirms_nothing(client, db):
    assert "opens nothing" in client.get("/account/email/confirm/nonsense").content.decode()
    assert client.post("/account/email/confirm/nonsense").status_code == 404


def test_where_the_site_sends_no_mail_an_administrator_changes_addresses(signed_in, alice):
    client = signed_in(alice)
    assert client.get("/account/email").status_code == 404
    assert "this site sends no mail" in page(client)


# --- signed-in browsers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36", "Chrome on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 Version/19.0 Safari/604.1",
            "Safari on an iPhone",
        ),
        ("curl/8.0", "A browser"),
        ("", "A browser"),
    ],
)
def test_browsers_are_told_in_words(agent, words):
    assert told(agent) == words


def test_the_browsers_that_one_is_signed_in_with_are_listed_and_nobody_elses(alice, bob):
    mine, _, theirs = browser(alice), browser(alice, "curl/8.0"), browser(bob, "Opera OPR/1")
    shown = page(mine)
    assert shown.count("Firefox on Linux") == 1
    assert "A browser" in shown
    assert "this one" in shown
    assert "Opera" not in shown
    assert "Opera" in page(theirs)


def test_others_are_signed_out_at_their_next_request_and_this_one_is_not(alice):
    mine, other = browser(alice), browser(alice)
    mine.post("/account/browsers/end-others")
    assert whoever(other) is None
    assert whoever(mine) == alice
    assert AuditEvent.objects.get(action="sessions-ended").details == {"n": 1}


def test_one_is_signed_out_and_nobody_elses_can_be(alice, bob):
    mine, other, foreign = browser(alice), browser(alice), browser(bob)
    theirs = UserSession.objects.get(user=bob)
    mine.post(f"/account/browsers/{theirs.pk}/end")
    assert whoever(foreign) == bob
    row = UserSession.objects.filter(user=alice).latest("pk")
    mine.post(f"/account/browsers/{row.pk}/end")
    assert whoever(other) is None


# --- tokens -----------------------------------------------------------------------------------------------------------------


def make(client, **changed):
    return client.post("/account/tokens", {"name": "scanner", "scopes": ["read", "write"], "days": "90"} | changed)


def shown_token(answer) -> str:
    return re.search(r'value="(cnv_[^"]+)"', answer.content.decode())[1]  # type: ignore[index]


def test_a_token_is_shown_once_and_works(signed_in, alice):
    client = signed_in(alice)
    confirm(client, PASSWORD)
    token = shown_token(make(client))
    assert token not in page(client)
    answer = Client().get("/api/v1/teams", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    kept = ApiToken.objects.get()
    assert (kept.user, kept.scopes) == (alice, ["read", "write"])
    assert kept.expires_at is not None
    assert timedelta(days=89) < kept.expires_at - timezone.now() < timedelta(days=91)
    assert AuditEvent.objects.get(action="token-made").details == {"scopes": ["read", "write"], "days": 90}


def test_making_a_token_asks_again_who_one_is_and_then_goes_on(signed_in, alice):
    client = signed_in(alice)
    assert make(client)["Location"] == "/account/confirm?next=%2Faccount%2Ftokens"
    assert not ApiToken.objects.exists()
    answer = client.post("/account/confirm", {"password": PASSWORD, "next": "/account/tokens"})
    assert shown_token(answer).startswith("cnv_")


@pytest.mark.parametrize(
    "bad",
    [
        {"name": ""},
        {"name": "x" * 200},
        {"scopes": []},
        {"scopes": ["operate"]},
        {"scopes": ["all"]},
        {"days": "0"},
        {"days": "4000"},
    ],
)
def test_a_token_that_cannot_be_is_told(signed_in, alice, bad):
    client = signed_in(alice)
    confirm(client, PASSWORD)
    assert make(client, **bad).status_code == 422
    assert not ApiToken.objects.exists()


def test_only_administrators_give_the_right_to_run_the_archive(client, admin_user):
    client.force_login(admin_user)
    confirm(client, "password")
    make(client, scopes=["operate"])
    assert ApiToken.objects.get().scopes == ["operate"]


def test_a_revoked_token_is_refused_and_nobody_revokes_anothers(signed_in, alice, bob):
    mine, token = ApiToken.issue(alice, "mine")
    theirs, _ = ApiToken.issue(bob, "theirs")
    client = signed_in(alice)
    assert "theirs" not in page(client)
    assert client.post(f"/account/tokens/{theirs.pk}/revoke").status_code == 404
    client.post(f"/account/tokens/{mine.pk}/revoke")
    assert Client().get("/api/v1/teams", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert ApiToken.objects.get() == theirs
    assert "token-revoked" in actions()


def test_the_demos_user_makes_tokens_too(client, settings):
    settings.CONCHIVE_DEMO = True
    client.get("/", follow=True)
    assert shown_token(make(client)).startswith("cnv_")
    assert "nothing to guard" in page(client)


# --- a forgotten password -----------------------------------------------------------------------------------------------


@pytest.fixture
def forgetful(alice: User) -> User:
    alice.email = "alice@example.org"
    alice.save()
    return alice


@pytest.fixture
def worker(monkeypatch):
    """Tasks run at once, as a worker would soon."""
    from webapp.accounts import tasks

    monkeypatch.setattr(tasks.mail_reset, "apply_async", lambda arguments, **_: tasks.mail_reset(*arguments))


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(client, forgetful, mails, worker, settings):
    settings.CONCHIVE_URL = "https://archive.example.org"
    other = browser(forgetful)
    sent = client.post("/account/forgotten", {"email": "Alice@example.org"}, headers={"Host": "localhost"})
    assert sent["Location"] == "/account/forgotten/sent"
    [letter] = mails
    assert "https://archive.example.org/account/forgotten/" in letter.body
    onward = client.get(link_in(letter))["Location"]
    assert onward.endswith("/set-password")
    assert client.post(onward, {"password1": NEW, "password2": NEW})["Location"] == "/account/forgotten/done"
    assert whoever(client) is None
    assert whoever(other) is None
    forgetful.refresh_from_db()
    assert forgetful.check_password(NEW)
    assert "opens nothing" in client.get(link_in(letter)).content.decode()
    assert {"password-forgotten", "password-changed"} <= set(actions())


def test_a_new_password_unlocks_the_account(client, forgetful, mails, worker, settings):
    settings.AXES_FAILURE_LIMIT = 2
    for _ in range(2):
        client.post("/sign-in", {"username": "alice", "password": "wrong"})
    client.post("/account/forgotten", {"email": "alice@example.org"})
    client.post(client.get(link_in(mails[0]))["Location"], {"password1": NEW, "password2": NEW})
    assert client.post("/sign-in", {"username": "alice", "password": NEW})["Location"] == "/"


@pytest.mark.parametrize("whose", ["nobody@example.org", "closed@example.org", "sso@example.org", "twice@example.org"])
def test_whose_address_is_unknown_or_opens_no_account_is_answered_alike(client, forgetful, mails, worker, whose):
    User.objects.create_user("closed", "closed@example.org", PASSWORD, is_active=False)
    User.objects.create_user("sso", "sso@example.org")
    for name in ("one", "two"):
        User.objects.create_user(name, "twice@example.org", PASSWORD)
    answers = [client.post("/account/forgotten", {"email": email}) for email in ("alice@example.org", whose)]
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, "/account/forgotten/sent")}
    assert [letter.to for letter in mails] == [["alice@example.org"]]


def test_where_the_site_sends_no_mail_a_sentence_says_whom_to_ask(client, forgetful):
    assert "Ask an administrator" in client.get("/account/forgotten").content.decode()
    client.post("/account/forgotten", {"email": "alice@example.org"})
    assert not mail.outbox


def test_nobodys_mailbox_is_filled(client, forgetful, mails, worker, settings):
    _limiter.cache_clear()
    settings.RATES = settings.RATES | {"mail": "2/hour"}
    tries = [client.post("/account/forgotten", {"email": "alice@example.org"}, REMOTE_ADDR=f"10.0.0.{n}") for n in range(4)]
    assert [answer.status_code for answer in tries] == [302, 302, 429, 429]
    assert len(mails) == 2
    _limiter.cache_clear()


def test_a_signed_in_user_fills_nobodys_mailbox_either(signed_in, alice, mails, settings):
    _limiter.cache_clear()
    settings.RATES = settings.RATES | {"mail": "2/hour"}
    client = signed_in(alice)
    confirm(client, PASSWORD)
    sent = [client.post("/account/email", {"action_add": "", "email": "bob@example.org"}).status_code]
    sent += [client.post("/account/email", {"action_send": "", "email": "bob@example.org"}).status_code for _ in range(3)]
    assert sent == [302, 302, 429, 429]
    assert len(mails) == 2
    _limiter.cache_clear()


def test_a_queue_that_is_away_is_an_outage_and_not_a_letter_that_never_comes(client, forgetful, mails, monkeypatch):
    from kombu.exceptions import OperationalError

    from webapp.accounts import tasks

    def away(*_, **__):
        raise OperationalError("refused")

    monkeypatch.setattr(tasks.mail_reset, "apply_async", away)
    assert client.post("/account/forgotten", {"email": "alice@example.org"}).status_code == 503


@pytest.mark.parametrize(
    "path", ["/account/forgotten/1/set-password", "/account/forgotten/zzz/nonsense", "/account/forgotten/1/a-b"]
)
def test_a_link_that_was_made_up_opens_nothing(client, forgetful, path):
    assert "opens nothing" in client.get(path).content.decode()
    client.post(path, {"password1": NEW, "password2": NEW})
    forgetful.refresh_from_db()
    assert forgetful.check_password(PASSWORD)


@pytest.mark.parametrize(
    "path", ["/account/forgotten/1f/{key}", "/account/email/confirm/{key}", "/sign-in?next=%2Faccount%2Femail%2Fconfirm%2F{key}"]
)
def test_links_of_letters_stay_out_of_logs(path):
    key = "d2a9vk-5c1f7d0a:1w6bcd:Aa_0-9"
    assert key not in scrubbed(f'"GET {path.format(key=key)} HTTP/1.1" 200')
