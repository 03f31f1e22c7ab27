"""Signing in and out, and the demo's way in."""

from __future__ import annotations

import pytest

from tests.webapp.conftest import PASSWORD
from webapp.accounts.models import AuditEvent, User

pytestmark = pytest.mark.django_db


def test_the_right_password_leads_to_the_page_that_was_asked_for(client, alice):
    answer = client.post("/sign-in", {"username": "alice", "password": PASSWORD, "next": "/collections"})
    assert answer.status_code == 302
    assert answer["Location"] == "/collections"


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(client, alice):
    answers = [client.post("/sign-in", {"username": name, "password": "wrong"}) for name in ("alice", "nobody")]
    bodies = [answer.content.decode().replace('value="alice"', "").replace('value="nobody"', "") for answer in answers]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "is not right" in bodies[0]
    assert _without_tokens(bodies[0]) == _without_tokens(bodies[1])


def _without_tokens(body: str) -> list[str]:
    return [line for line in body.splitlines() if "csrf" not in line.lower()]


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_never_leads_to_another_site(client, alice, elsewhere):
    answer = client.post("/sign-in", {"username": "alice", "password": PASSWORD, "next": elsewhere})
    assert answer["Location"] == "/"


def test_signing_in_and_out_is_written_down(client, alice):
    client.post("/sign-in", {"username": "alice", "password": PASSWORD})
    client.post("/sign-out")
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["sign-out", "sign-in"]


def test_a_refused_sign_in_is_written_down_without_what_was_typed(client, alice):
    client.post("/sign-in", {"username": "my secret", "password": "wrong"})
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.details) == ("sign-in-refused", None, {})


def test_signing_out_takes_a_post(signed_in, alice):
    assert signed_in(alice).get("/sign-out").status_code == 405


def test_a_demo_signs_in_whoever_comes_from_this_machine(client, settings):
    settings.CONCHIVE_DEMO = True
    answer = client.get("/", follow=True)
    assert answer.redirect_chain[-1] == ("/", 302)
    assert answer.wsgi_request.user.get_username() == "demo"


def test_a_demo_lets_its_visitor_sign_out(client, settings):
    settings.CONCHIVE_DEMO = True
    client.get("/", follow=True)
    answer = client.post("/sign-out", follow=True)
    assert not answer.wsgi_request.user.is_authenticated
    assert "demo user" in answer.content.decode()


@pytest.mark.parametrize("away", [{"REMOTE_ADDR": "192.0.2.7"}, {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}, {"REMOTE_ADDR": "unix:"}])
def test_a_demo_signs_in_nobody_from_elsewhere(client, settings, away):
    settings.CONCHIVE_DEMO = True
    answer = client.get("/sign-in?next=/", **away)
    assert answer.status_code == 200
    assert client.post("/enter-demo", **away).status_code == 404


def test_a_real_archive_has_no_demo_user(client):
    assert client.get("/sign-in?next=/").status_code == 200
    assert client.post("/enter-demo").status_code == 404
    assert not User.objects.exists()


def test_the_demo_user_cannot_sign_in_with_any_password(client, settings):
    settings.CONCHIVE_DEMO = True
    client.get("/", follow=True)
    assert not User.objects.get(username="demo").has_usable_password()
