"""Pages leave compressed, files as they are."""

from __future__ import annotations

import gzip

import pytest
from django.urls import reverse

pytestmark = pytest.mark.django_db
TAKES = {"HTTP_ACCEPT_ENCODING": "gzip, br"}


def test_a_page_leaves_compressed_where_the_browser_takes_it(signed_in, alice):
    browser = signed_in(alice)
    packed = browser.get("/", **TAKES)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert b"Find images by what they show" in gzip.decompress(packed.content)
    assert "Content-Encoding" not in browser.get("/").headers


def test_pictures_and_their_tags_are_left_alone(signed_in, alice, make_image):
    answer = signed_in(alice).get(reverse("thumbnail", args=[make_image().pk]), **TAKES)
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers
    answer.close()
