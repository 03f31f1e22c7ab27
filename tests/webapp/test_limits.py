"""One user's haste is told to that user, and is nobody else's wait."""

from __future__ import annotations

import threading

import pytest
from django.urls import reverse
from limits.errors import StorageError
from redis.exceptions import ConnectionError as RedisAway

from webapp.accounts import limits
from webapp.accounts.models import ApiToken


@pytest.fixture(autouse=True)
def own_counter(settings):
    forget = limits._limiter.cache_clear
    forget()
    settings.RATES = settings.RATES | {"search": "2/minute", "api": "3/minute", "sign-in": "2/minute"}
    yield
    forget()


def test_a_user_who_searches_too_often_is_told_when_to_try_again(signed_in, make_image, bob):
    make_image("brown")
    browser = signed_in(bob)
    assert [browser.get("/?q=brown").status_code for _ in range(3)] == [200, 200, 429]
    refused = browser.get("/?q=brown")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "searched very often" in refused.content.decode()
    assert browser.get("/collections").status_code == 200


def test_another_user_is_not_kept_waiting(signed_in, make_image, bob, alice):
    make_image("brown")
    hasty = signed_in(bob)
    for _ in range(3):
        hasty.get("/?q=brown")
    assert signed_in(alice).get("/?q=brown").status_code == 200


def test_a_program_is_told_as_json(client, bob):
    token = ApiToken.issue(bob, "hasty")[1]
    answers = [client.get("/api/v1/collections", headers={"Authorization": f"Bearer {token}"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json()["reason"] == "too_many"
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_attempts_to_sign_in_are_counted_by_address(client, bob):
    tries = [client.post(reverse("sign-in"), {"username": "bob", "password": "wrong"}).status_code for _ in range(3)]
    assert tries[-1] == 429
    assert client.post(reverse("sign-in"), {"username": "bob", "password": "wrong"}, REMOTE_ADDR="10.9.8.7").status_code == 200


def test_no_rate_means_no_limit(settings, bob):
    settings.RATES = settings.RATES | {"search": ""}
    for _ in range(100):
        limits.count("search", bob)


@pytest.mark.parametrize("away", [RedisAway("refused"), StorageError(RedisAway("refused"))])
def test_a_counter_that_is_out_of_order_limits_nothing(monkeypatch, bob, away):
    class Away:
        def hit(self, *_):
            raise away

    monkeypatch.setattr(limits, "_limiter", Away)
    for _ in range(10):
        limits.count("search", bob)


def test_so_many_searches_of_one_user_run_at_once_and_no_more(settings, bob, alice):
    settings.SEARCHES_AT_ONCE = 1
    with limits.at_once(bob):
        with pytest.raises(limits.TooMany), limits.at_once(bob):
            pass
        with limits.at_once(alice):
            pass
    with limits.at_once(bob):
        pass
    assert not limits._AT_ONCE


def test_counts_are_right_with_many_threads(settings, bob):
    settings.SEARCHES_AT_ONCE = 1000

    def often():
        for _ in range(200):
            with limits.at_once(bob):
                pass

    threads = [threading.Thread(target=often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not limits._AT_ONCE
