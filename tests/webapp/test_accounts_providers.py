"""Signing in by another site: who comes in for the first time, as whom, and that nobody's account is taken over."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.core.exceptions import ImproperlyConfigured

from tests.webapp import fake_provider
from tests.webapp.authenticators import add_app, confirm, totp, whoever
from tests.webapp.conftest import PASSWORD
from tests.webapp.fake_provider import Provider
from webapp import oidc
from webapp.accounts import invitations
from webapp.accounts.models import AuditEvent, Role, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(settings) -> Iterator[Provider]:
    """A provider that the site's settings name."""
    with fake_provider.running() as provider:
        named(settings, provider)
        yield provider


def named(settings, provider: Provider, **options):
    apps = oidc.providers("", provider.settings(**options))
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": apps}}


def address_of_going_on(page) -> str:
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.content.decode())
    assert found is not None, page.content.decode()
    return html.unescape(found[1])


def sign_in(client, lab: Provider, then: str = "", door: str = "/sign-in/with/lab"):
    """There and back: the answer to the browser that comes back."""
    onward = address_of_going_on(client.post(door, {"next": then} if then else {}))
    parts = urlsplit(lab.visited(onward))
    assert (parts.hostname, parts.path) == ("testserver", "/sign-in/with/lab/back")
    return client.get(f"{parts.path}?{parts.query}")


def linked(user: User, subject: str = "42") -> User:
    SocialAccount.objects.create(user=user, provider="lab", uid=subject)
    return user


def event(action: str) -> AuditEvent:
    return AuditEvent.objects.get(action=action)


# --- who has an account -----------------------------------------------------------------------------------------------------


def test_who_is_linked_signs_in_and_is_led_on(client, lab, bob):
    linked(bob)
    assert sign_in(client, lab, "/collections")["Location"] == "/collections"
    assert whoever(client) == bob
    assert event("sign-in").details == {"by": "lab"}


def test_the_question_names_this_site_with_a_state_and_pkce(client, lab):
    asked = {
        name: value[0] for name, value in parse_qs(urlsplit(address_of_going_on(client.post("/sign-in/with/lab"))).query).items()
    }
    assert asked["redirect_uri"] == "http://testserver/sign-in/with/lab/back"
    assert asked["client_id"] == fake_provider.CLIENT
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["state"]) >= 16


def test_the_second_factor_of_this_site_is_asked_all_the_same(client, lab, alice):
    linked(alice)
    client.force_login(alice)
    secret, _ = add_app(client, PASSWORD)
    client.post("/sign-out")
    assert sign_in(client, lab)["Location"] == "/sign-in/code"
    assert whoever(client) is None
    client.post("/sign-in/code", {"code": totp(secret)})
    assert whoever(client) == alice


def test_a_closed_account_stays_closed(client, lab, bob):
    linked(bob)
    User.objects.update(is_active=False)
    assert sign_in(client, lab)["Location"] == "/sign-in/closed"
    assert whoever(client) is None


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_coming_back_leads_to_no_other_site(client, lab, bob, elsewhere):
    linked(bob)
    assert sign_in(client, lab, elsewhere)["Location"] == "/"


def test_a_link_or_a_picture_starts_nothing(client, lab):
    assert client.get("/sign-in/with/lab").status_code == 405


# --- who has none -----------------------------------------------------------------------------------------------------------


def test_who_is_not_invited_is_refused_with_a_sentence(client, lab):
    answer = sign_in(client, lab)
    assert answer.status_code == 403
    assert "People come in by an invitation" in answer.content.decode()
    assert not User.objects.exists()


def test_where_everybody_may_have_an_account_one_is_made(client, lab, settings):
    settings.SIGN_UP = True
    lab.claims |= {"email": "dora@example.org", "email_verified": True, "given_name": "Dora", "family_name": "Lund"}
    sign_in(client, lab)
    dora = whoever(client)
    assert dora is not None
    assert (dora.username, dora.get_full_name(), dora.email) == ("dora", "Dora Lund", "dora@example.org")
    assert not dora.has_usable_password()
    assert EmailAddress.objects.get(user=dora).verified
    assert event("account-made").details == {"by": "lab"}


@pytest.mark.parametrize("taken", ["operator", "demo", "alice", "dora@lab", "", None])
def test_a_name_that_cannot_be_taken_becomes_another(client, lab, settings, alice, taken):
    settings.SIGN_UP = True
    lab.claims["preferred_username"] = taken
    sign_in(client, lab)
    made = whoever(client)
    assert made is not None
    assert made.username not in ("operator", "demo", "alice", "")
    assert "@" not in made.username


def test_an_invitation_lets_one_person_in_and_into_the_team(client, lab, carol, team_a):
    _, link = invitations.invite(team_a, by=carol, role=Role.EDITOR)
    path = urlsplit(link).path
    assert "Lab Login" in client.get(path).content.decode()
    assert sign_in(client, lab, path)["Location"] == f"/teams/{team_a.pk}"
    dora = whoever(client)
    assert dora is not None
    assert dora.role_in(team_a) == Role.EDITOR
    client.post("/sign-out")
    lab.claims = {"sub": "43"}
    assert sign_in(client, lab, path).status_code == 403
    assert not SocialAccount.objects.filter(uid="43").exists()


@pytest.mark.parametrize(
    ("claims", "in_"),
    [
        ({"email": "dora@example.org", "email_verified": True}, True),
        ({"email": "Dora@Example.org", "email_verified": True}, True),
        ({"email": "dora@example.org", "email_verified": False}, False),
        ({"email": "dora@example.org"}, False),
        ({"email": "other@example.org", "email_verified": True}, False),
        ({}, False),
    ],
)
def test_an_invitation_for_an_address_lets_in_only_who_has_it_confirmed(client, lab, carol, team_a, claims, in_):
    _, link = invitations.invite(team_a, by=carol, role=Role.VIEWER, email="dora@example.org")
    lab.claims |= claims
    answer = sign_in(client, lab, urlsplit(link).path)
    assert (answer.status_code == 302) is in_
    assert User.objects.filter(username="dora").exists() is in_


def test_an_invitation_that_was_used_meanwhile_makes_no_account(client, lab, carol, team_a, monkeypatch):
    _, link = invitations.invite(team_a, by=carol, role=Role.VIEWER)

    def too_late(*_):
        raise invitations.Refused("Somebody was faster: this invitation has been used.")

    monkeypatch.setattr(invitations, "accept", too_late)
    answer = sign_in(client, lab, urlsplit(link).path)
    assert answer.status_code == 409
    assert "Somebody was faster" in answer.content.decode()
    assert not User.objects.filter(username="dora").exists()


# --- nobody's account is taken over -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("confirmed", [True, False])
def test_the_same_address_opens_nobodys_account(client, lab, settings, alice, confirmed):
    settings.SIGN_UP = True
    alice.email = "alice@example.org"
    alice.save()
    EmailAddress.objects.create(user=alice, email=alice.email, verified=confirmed, primary=True)
    lab.claims |= {"email": "alice@example.org", "email_verified": True}
    answer = sign_in(client, lab)
    assert answer.status_code == 409
    assert "link the other sign-in" in answer.content.decode()
    assert whoever(client) is None
    assert not SocialAccount.objects.exists()


def test_an_address_that_the_provider_did_not_confirm_is_not_taken_over_from_it(client, lab, settings, alice):
    settings.SIGN_UP = True
    alice.email = "alice@example.org"
    alice.save()
    lab.claims |= {"email": "alice@example.org", "email_verified": False}
    sign_in(client, lab)
    made = whoever(client)
    assert made is not None
    assert (made.username, made.email) == ("dora", "")


def test_a_provider_whose_addresses_are_trusted_need_not_say_that_they_are_confirmed(client, lab, settings):
    settings.SIGN_UP = True
    named(settings, lab, trust_email=True)
    lab.claims["email"] = "dora@example.org"
    sign_in(client, lab)
    made = whoever(client)
    assert made is not None
    assert made.email == "dora@example.org"


def test_two_answers_about_different_people_open_nothing(client, lab, bob):
    linked(bob)
    lab.id_claims = {"sub": "43"}
    assert sign_in(client, lab).status_code == 403
    assert whoever(client) is None


@pytest.mark.parametrize("wrong", [{"iss": "https://evil.example"}, {"aud": "another site"}, {"exp": 1}])
def test_a_token_that_is_not_for_this_site_opens_nothing(client, lab, bob, wrong):
    linked(bob)
    lab.id_claims = wrong
    assert sign_in(client, lab).status_code == 401
    assert whoever(client) is None


def test_an_answer_is_good_once_and_only_in_the_browser_that_asked(client, lab, bob):
    linked(bob)
    parts = urlsplit(lab.visited(address_of_going_on(client.post("/sign-in/with/lab"))))
    back = f"{parts.path}?{parts.query}"
    other = type(client)()
    assert other.get(back).status_code == 401
    assert client.get(back).status_code == 302
    client.post("/sign-out")
    assert client.get(back).status_code == 401


def test_who_cancels_there_is_told_that_nothing_happened(client, lab):
    lab.cancels = True
    answer = sign_in(client, lab)
    assert answer["Location"] == "/sign-in/cancelled"
    assert "did not sign in" in client.get("/sign-in/cancelled").content.decode()


def test_a_row_in_the_database_is_no_provider(client, lab):
    told = {"provider": "openid_connect", "client_id": "x", "secret": "y", "settings": {"server_url": lab.issuer}}
    SocialApp.objects.create(provider_id="rogue", name="Rogue", **told)
    assert "Rogue" not in client.get("/sign-in").content.decode()
    assert client.post("/sign-in/with/rogue").status_code == 404
    assert client.get("/sign-in/with/rogue/back?code=1&state=2").status_code == 404


def test_a_provider_that_is_away_is_an_outage(client, settings):
    with fake_provider.running() as gone:
        named(settings, gone)
    answer = client.post("/sign-in/with/lab")
    assert answer.status_code == 503
    assert "password of this site" in answer.content.decode()


# --- linking ----------------------------------------------------------------------------------------------------------------


def test_an_owner_links_and_unlinks(client, lab, alice):
    client.force_login(alice)
    confirm(client, PASSWORD)
    assert sign_in(client, lab, door="/account/sites/lab/link")["Location"] == "/account"
    row = SocialAccount.objects.get(user=alice)
    assert event("provider-linked").details == {"by": "lab"}
    client.post(f"/account/sites/{row.pk}/unlink")
    assert not SocialAccount.objects.exists()
    assert event("provider-unlinked").details == {"by": "lab"}


def test_linking_asks_again_who_one_is(client, lab, alice):
    client.force_login(alice)
    assert client.post("/account/sites/lab/link")["Location"].startswith("/account/confirm")


def test_what_is_linked_to_somebody_else_is_not_linked_again(client, lab, alice, bob):
    linked(bob)
    client.force_login(alice)
    confirm(client, PASSWORD)
    sign_in(client, lab, door="/account/sites/lab/link")
    assert SocialAccount.objects.get().user == bob
    assert "belongs to another account" in client.get("/account").content.decode()


def test_nobody_unlinks_what_is_somebody_elses_or_their_own_last_way_in(client, lab, bob, alice):
    row = SocialAccount.objects.get(user=linked(bob))
    client.force_login(alice)
    confirm(client, PASSWORD)
    assert client.post(f"/account/sites/{row.pk}/unlink").status_code == 404
    client.post("/sign-out")
    bob.set_unusable_password()
    bob.save()
    sign_in(client, lab)
    assert "only way to sign in" in client.post(f"/account/sites/{row.pk}/unlink", follow=True).content.decode()
    assert SocialAccount.objects.exists()


def test_who_has_no_password_sets_up_a_second_factor_after_signing_in_lately(client, lab, bob, settings):
    linked(bob)
    bob.set_unusable_password()
    bob.save()
    sign_in(client, lab)
    assert client.get("/account/app").status_code == 200
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    assert "Sign in again first" in client.get("/account/app").content.decode()


# --- settings ---------------------------------------------------------------------------------------------------------------

GOOD = {"id": "lab", "issuer": "https://login.example.org/", "client_id": "conchive"}


@pytest.mark.parametrize(
    ("told", "single", "why"),
    [
        ("no JSON", {}, "no JSON"),
        ('{"id": "lab"}', {}, "list of objects"),
        ("[1]", {}, "list of objects"),
        ('[{"id": "lab"}]', {}, "lacks its issuer and client_id"),
        ("", GOOD | {"issuer": "http://login.example.org"}, "https://"),
        ("", GOOD | {"issuer": "ldap://login.example.org"}, "https://"),
        ("", GOOD | {"id": "Lab Login"}, "small letters"),
        ("", GOOD | {"colour": "blue"}, "colour"),
        ("", GOOD | {"client_secret_file": "/nowhere"}, "cannot be read"),
        ('[{"id": "lab", "issuer": "https://a.example", "client_id": "c"}]', GOOD, "an id of its own"),
    ],
)
def test_settings_of_providers_that_cannot_be_stop_the_start_with_the_reason(told, single, why):
    with pytest.raises(ImproperlyConfigured, match=why):
        oidc.providers(told, single)


def test_a_secret_is_read_from_its_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    (made,) = oidc.providers("", GOOD | {"client_secret_file": str(file), "name": "Hospital"})
    assert (made["secret"], made["name"], made["settings"]["server_url"]) == ("s3cret", "Hospital", "https://login.example.org")


def test_no_issuer_is_no_provider():
    assert oidc.providers("", {"id": "oidc", "issuer": "", "client_id": ""}) == []
