"""A production site answers those who ask from inside its network, who know neither its name nor that it is behind TLS."""

from __future__ import annotations

import pytest


@pytest.fixture
def production(settings):
    settings.EMBEDDED = False
    settings.ALLOWED_HOSTS = [".archive.example.org"]
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def test_a_health_check_that_asks_an_address_is_answered(production, client):
    answer = client.get("/healthz", headers={"host": "127.0.0.1:8000"})
    assert (answer.status_code, answer.content) == (200, b"conchive\n")


@pytest.mark.parametrize("path", ["/sign-in", "/healthz/", "/collections"])
def test_everything_else_still_wants_the_sites_name(production, client, path):
    assert client.get(path, headers={"host": "127.0.0.1:8000"}).status_code == 400


def test_a_site_on_this_machine_is_asked_by_its_own_names_alone(settings, client):
    settings.EMBEDDED = True
    settings.ALLOWED_HOSTS = ["localhost"]
    assert client.get("/healthz", headers={"host": "another.example"}).status_code == 400
