"""Behind proxies, rates are counted by visitors; what a visitor says of itself is worth nothing."""

from __future__ import annotations

import pytest
from django.http import HttpResponse

from webapp.proxied import ProxiedMiddleware
from webapp.secret import with_password


def asked_from(rf, told: str) -> str:
    request = rf.get("/", REMOTE_ADDR="10.0.0.2", headers={"X-Forwarded-For": told} if told else {})
    ProxiedMiddleware(lambda request: HttpResponse())(request)
    return str(request.META["REMOTE_ADDR"])


@pytest.mark.parametrize(
    ("proxies", "told", "address"),
    [
        (0, "203.0.113.9", "10.0.0.2"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (1, "", "10.0.0.2"),
        (2, "203.0.113.9", "10.0.0.2"),
    ],
)
def test_the_address_is_the_one_that_the_outermost_trusted_proxy_saw(rf, settings, proxies, told, address):
    settings.PROXIES = proxies
    assert asked_from(rf, told) == address


def test_a_password_comes_into_an_address_whole():
    assert with_password("redis://redis:6379/0", "a/b@c") == "redis://:a%2Fb%40c@redis:6379/0"
    assert with_password("postgres://conchive@db/conchive", "p") == "postgres://conchive:p@db/conchive"
    assert with_password("redis://redis", "") == "redis://redis"
    assert with_password("", "p") == ""
