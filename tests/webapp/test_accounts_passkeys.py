"""Passkeys: made on the page of the account, and then a way in by themselves, or a second factor beside the password."""

from __future__ import annotations

import json

import pytest
from allauth.mfa.models import Authenticator

from tests.webapp.authenticators import Passkey, add_passkey, confirm, options_of, whoever
from tests.webapp.conftest import PASSWORD
from webapp.accounts.models import AuditEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(client):
    """As a browser that reaches the site by its name: passkeys belong to names."""
    client.defaults["HTTP_HOST"] = "localhost"
    return client


@pytest.fixture
def passkey(client, alice) -> Passkey:
    """alice's; she is signed out again."""
    client.force_login(alice)
    made = add_passkey(client, PASSWORD)
    client.post("/sign-out")
    return made


def asked_at_the_door(client):
    answer = client.get("/sign-in/passkey", headers={"Accept": "application/json"})
    return answer.json()["request_options"]["publicKey"]


def shown(client, credential: str, **more: str):
    return client.post("/sign-in/passkey", {"credential": credential, **more})


def test_a_passkey_signs_in_by_itself_and_leads_on(client, alice, passkey):
    answer = shown(client, passkey.used(asked_at_the_door(client)), next="/collections")
    assert answer["Location"] == "/collections"
    assert whoever(client) == alice
    assert AuditEvent.objects.filter(action="sign-in").latest("pk").details == {"by": "webauthn"}


def test_a_passkey_that_did_not_ask_its_owner_is_not_enough_by_itself(client, passkey):
    passkey.asks_owner = False
    shown(client, passkey.used(asked_at_the_door(client)))
    assert whoever(client) is None


def test_an_answer_to_an_earlier_question_opens_nothing(client, passkey):
    told = passkey.used(asked_at_the_door(client))
    asked_at_the_door(client)
    shown(client, told)
    assert whoever(client) is None


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example"])
def test_an_answer_that_another_site_got_out_of_the_passkey_opens_nothing(client, passkey, origin):
    passkey.origin = origin
    shown(client, passkey.used(asked_at_the_door(client)))
    assert whoever(client) is None


def test_the_passkey_of_nobody_opens_nothing(client, passkey, charlie):
    stranger = Passkey(user_handle=passkey.user_handle)
    answer = shown(client, stranger.used(asked_at_the_door(client)))
    assert answer["Location"] == "/sign-in"
    assert "not right" in client.get("/sign-in").content.decode()
    assert whoever(client) is None


NONSENSE = [
    *("", "no JSON", "[]", "{}", "null", "1", '"text"', '{"response": {}}', json.dumps({"id": "x" * 5000})),
    *('{"id": "eA", "rawId": "eA", "response": 1}', '{"id": "eA", "rawId": "eA", "type": "public-key", "response": {}}'),
]
PARTS = ["authenticatorData", "clientDataJSON", "signature", "userHandle", "attestationObject"]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_is_refused_at_the_door(client, nonsense):
    asked_at_the_door(client)
    assert shown(client, nonsense).status_code == 302
    assert whoever(client) is None


@pytest.mark.parametrize("damage", ["", "eA", "!", None, 7, [], "oWN4", "A" * 3000])
@pytest.mark.parametrize("part", PARTS[:4])
def test_a_damaged_answer_is_refused_at_the_door(client, passkey, part, damage):
    told = json.loads(passkey.used(asked_at_the_door(client)))
    told["response"][part] = damage
    assert shown(client, json.dumps(told)).status_code == 302
    assert whoever(client) is None


def test_another_key_of_the_same_name_opens_nothing(client, passkey):
    forged = Passkey(user_handle=passkey.user_handle, credential_id=passkey.credential_id)
    shown(client, forged.used(asked_at_the_door(client)))
    assert whoever(client) is None


@pytest.mark.parametrize("damage", ["", "eA", "!", None, 7, [], "oWN4", "A" * 3000])
@pytest.mark.parametrize("part", [PARTS[1], PARTS[4]])
def test_a_damaged_new_passkey_is_refused(client, alice, part, damage):
    client.force_login(alice)
    confirm(client, PASSWORD)
    told = json.loads(Passkey().made(options_of(client.get("/account/passkeys/add"))))
    told["response"][part] = damage
    sent = {"name": "x", "credential": json.dumps(told), "passwordless": "true"}
    assert client.post("/account/passkeys/add", sent).status_code == 200
    assert not Authenticator.objects.exists()


def test_the_passkey_of_a_closed_account_opens_nothing(client, alice, passkey):
    alice.is_active = False
    alice.save()
    answer = shown(client, passkey.used(asked_at_the_door(client)))
    assert answer["Location"] == "/sign-in/closed"
    assert whoever(client) is None


def test_a_passkey_is_asked_beside_the_password(client, alice, passkey):
    client.post("/sign-in", {"username": "alice", "password": PASSWORD})
    assert whoever(client) is None
    page = client.get("/sign-in/code")
    client.post("/sign-in/code", {"credential": passkey.used(options_of(page))})
    assert whoever(client) == alice


def test_the_account_lists_passkeys_and_they_are_renamed_and_removed(client, alice, passkey):
    shown(client, passkey.used(asked_at_the_door(client)))
    pk = Authenticator.objects.get(type="webauthn").pk
    assert "laptop" in client.get("/account").content.decode()
    page = client.get("/account/confirm/passkey?next=/account")
    client.post("/account/confirm/passkey", {"credential": passkey.used(options_of(page)), "next": "/account"})
    client.post(f"/account/passkeys/{pk}/rename", {"name": "key on the ring"})
    assert "key on the ring" in client.get("/account").content.decode()
    client.post(f"/account/passkeys/{pk}/remove")
    assert not Authenticator.objects.exists()
    assert "second-factor-removed" in AuditEvent.objects.values_list("action", flat=True)


def test_nobody_renames_or_removes_a_passkey_of_somebody_else(client, alice, passkey, bob):
    pk = Authenticator.objects.get(type="webauthn").pk
    client.force_login(bob)
    confirm(client, PASSWORD)
    for what in ("rename", "remove"):
        assert client.post(f"/account/passkeys/{pk}/{what}", {"name": "mine"}).status_code == 404
    assert Authenticator.objects.filter(pk=pk).exists()


def test_a_passkey_without_a_name_gets_one(client, alice):
    client.force_login(alice)
    add_passkey(client, PASSWORD, name="")
    assert Authenticator.objects.get(type="webauthn").wrap().name == "Passkey 1"


def test_a_name_with_markup_is_shown_as_it_is(client, alice):
    client.force_login(alice)
    add_passkey(client, PASSWORD, name="<script>alert(1)</script>")
    assert "<script>alert(1)" not in client.get("/account").content.decode()


@pytest.mark.parametrize("broken", [{"origin": "https://evil.example"}, {"asks_owner": False}, {"rp_id": "evil.example"}])
def test_a_passkey_that_is_not_this_sites_is_not_added(client, alice, broken):
    client.force_login(alice)
    confirm(client, PASSWORD)
    asked = options_of(client.get("/account/passkeys/add"))
    sent = {"name": "x", "credential": Passkey(**broken).made(asked), "passwordless": "true"}
    assert client.post("/account/passkeys/add", sent).status_code == 200
    assert not Authenticator.objects.exists()
