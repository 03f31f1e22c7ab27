"""Pages that nobody wants to see, and what all pages say to browsers."""

from __future__ import annotations

import re
from errno import ENOSPC
from pathlib import Path

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import InterfaceError, OperationalError
from django.test import Client

from webapp.explore import views

TEMPLATES = sorted((Path(__file__).resolve().parents[2] / "webapp" / "templates").rglob("*.html"))

pytestmark = pytest.mark.django_db


def test_an_unknown_address_is_a_page_that_leads_back(client):
    answer = client.get("/nothing-here")
    assert answer.status_code == 404
    assert 'href="/"' in answer.content.decode()


def test_a_form_without_its_token_is_told_why(alice):
    browser = Client(enforce_csrf_checks=True)
    answer = browser.post("/sign-in", {"username": "alice", "password": "x"})
    assert answer.status_code == 403
    assert "too old" in answer.content.decode()


def test_an_error_of_the_site_tells_nothing_but_that(signed_in, bob, monkeypatch):
    def broken(user):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(views, "coverage", broken)
    browser = signed_in(bob)
    browser.raise_request_exception = False
    answer = browser.get("/")
    assert answer.status_code == 500
    assert "Something broke" in answer.content.decode()
    assert "secret detail" not in answer.content.decode()


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_an_outage_told_without_it(client, monkeypatch, kind):
    def away(self):
        raise kind("the server closed the connection, and its address is a secret")

    monkeypatch.setattr(SessionStore, "load", away)
    client.cookies["sessionid"] = "of somebody"
    client.raise_request_exception = False
    answer = client.get("/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "15")
    assert "The database does not answer" in answer.content.decode()
    assert "secret" not in answer.content.decode()


def test_a_program_is_told_of_a_database_that_is_away(client, monkeypatch):
    def away(*_):
        raise OperationalError

    monkeypatch.setattr("webapp.api.auth.TokenAuth.authenticate", away)
    client.raise_request_exception = False
    answer = client.get("/api/v1/collections", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["reason"]) == (503, "outage")


def test_a_disk_that_fills_up_in_the_middle_is_told(client, monkeypatch):
    def full(*_):
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("webapp.api.auth.TokenAuth.authenticate", full)
    client.raise_request_exception = False
    answer = client.get("/api/v1/collections", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["detail"]) == (507, "The archive's disk is full.")


def test_pages_run_no_script_or_style_but_the_sites_own_and_are_kept_by_nobody(client):
    answer = client.get("/sign-in")
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert {"private", "no-store"} <= set(answer["Cache-Control"].split(", "))
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "address",
    [
        "/?organ_is=%00",
        "/suggest-terms?kind=organ&told=%00",
        "/pick-image?word=%00",
        "/saved?find=%00",
        "/not-searchable?reason=%00",
    ],
)
def test_an_address_with_a_nul_is_refused_before_a_database_refuses_it(signed_in, bob, address):
    answer = signed_in(bob).get(address)
    assert answer.status_code == 400
    assert "could not be read" in answer.content.decode()
    assert "script-src 'self';" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_script_or_style_or_loads_from_elsewhere(template):
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)|\|safe|autoescape off", text)
    assert not re.search(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?:https?:)?//", text)
