"""Whoever uses CONCH's weights has accepted their terms first, and the archive can say when."""

from __future__ import annotations

import pytest
from django.urls import reverse

from webapp.accounts.models import ApiToken, AuditEvent, LicenceAcceptance
from webapp.accounts.operator import operator
from webapp.library import terms


@pytest.fixture(autouse=True)
def conch(settings):
    settings.CONCHIVE_ENCODER = "conch"


@pytest.fixture
def bobs(signed_in, bob):
    return signed_in(bob)


@pytest.mark.parametrize("address", ["/?q=brown", "/collections", "/describe", "/saved", "/selected"])
def test_without_acceptance_every_page_leads_to_the_terms_and_back(bobs, address):
    led = bobs.get(address)
    assert led.status_code == 302
    page = bobs.get(led.url).content.decode()
    assert "CC-BY-NC-ND" in page
    assert "Nature Medicine" in page
    done = bobs.post(reverse("terms"), {"accept": "yes", "next": address})
    assert (done.status_code, done.url) == (302, address)
    assert bobs.get(address).status_code != 302 or "/terms" not in bobs.get(address).url


def test_accepting_is_written_down_once_with_who_and_when(bobs, bob):
    for _ in range(2):
        bobs.post(reverse("terms"), {"accept": "yes"})
    kept = LicenceAcceptance.objects.get()
    assert (kept.user, kept.encoder, kept.terms_sha256) == (bob, "conch", terms.ALL["conch"].sha256)
    assert AuditEvent.objects.filter(actor=bob, action="terms-accepted").count() == 1


def test_an_unticked_box_accepts_nothing(bobs):
    assert bobs.post(reverse("terms"), {}).status_code == 422
    assert not LicenceAcceptance.objects.exists()


def test_what_changes_something_is_refused_until_then(bobs, collection):
    refused = bobs.post(reverse("ask-with-picture"))
    assert refused.status_code == 403
    assert refused.json()["reason"] == "terms"


def test_terms_that_changed_are_asked_again(bobs, monkeypatch):
    bobs.post(reverse("terms"), {"accept": "yes"})
    monkeypatch.setitem(terms.ALL, "conch", terms.Terms("conch", "CONCH", "Other terms."))
    assert "/terms" in bobs.get("/collections").url


def test_programs_need_their_users_acceptance(client, bob, bobs):
    headers = {"authorization": f"Bearer {ApiToken.issue(bob, 'test')[1]}"}
    refused = client.get("/api/v1/collections", headers=headers)
    assert refused.status_code == 403
    assert "terms" in refused.json()["detail"]
    bobs.post(reverse("terms"), {"accept": "yes"})
    assert client.get("/api/v1/collections", headers=headers).status_code == 200


def test_the_sites_own_commands_need_none(client, db):
    headers = {"authorization": f"Bearer {ApiToken.issue(operator(), 'test')[1]}"}
    assert client.get("/api/v1/collections", headers=headers).status_code == 200


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example/x", "/\\evil.example", "javascript:alert(1)"])
def test_from_the_terms_nobody_is_led_to_another_site(bobs, elsewhere):
    assert bobs.post(reverse("terms"), {"accept": "yes", "next": elsewhere}).url == "/"


def test_signing_out_stays_possible(bobs):
    assert bobs.post(reverse("sign-out")).status_code == 302


@pytest.mark.parametrize("encoder", ["mini", "fake"])
def test_our_own_encoders_have_no_terms_to_accept(settings, bobs, encoder):
    settings.CONCHIVE_ENCODER = encoder
    assert bobs.get("/collections").status_code == 200
    assert bobs.get(reverse("terms")).status_code == 404
