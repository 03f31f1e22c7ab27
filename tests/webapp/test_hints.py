"""The cache is a hint: where it is out of order, pages answer as if it remembered nothing."""

from __future__ import annotations

from itertools import count

import pytest
from django.core.cache.backends.base import BaseCache
from redis.exceptions import ConnectionError as RedisAway

from webapp import hints


class AwayCache(BaseCache):
    """Stands for a Redis that nobody reaches."""

    def __init__(self, location, params):
        super().__init__(params)

    def _away(self, *args, **kwargs):
        raise RedisAway("nobody there")

    add = get = set = delete = has_key = clear = _away


@pytest.fixture
def no_cache(settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.AwayCache"}}


def test_what_is_remembered_is_not_made_again():
    made = count(1)
    assert [hints.known_or("hints-test", lambda: next(made), kept_s=60) for _ in range(2)] == [1, 1]
    hints.forget("hints-test")
    assert hints.known_or("hints-test", lambda: next(made), kept_s=60) == 2


def test_without_a_cache_everything_is_made(no_cache):
    assert [hints.known_or("hints-test", lambda: "made", kept_s=60) for _ in range(2)] == ["made", "made"]
    assert hints.known(["hints-test"]) == {}
    hints.forget("hints-test")


def test_pages_and_searches_answer_without_a_cache(no_cache, signed_in, make_image, bob):
    image = make_image("brown", caption="brown things")
    browser = signed_in(bob)
    assert browser.get("/watched").status_code == 200
    assert str(image.pk) in browser.get("/", {"q": "brown"}).content.decode()
