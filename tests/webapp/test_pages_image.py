"""An image's own page, and the list of those that cannot be found."""

from __future__ import annotations

import re
import uuid

import pytest

from tests.webapp.conftest import added, run_tasks, told

pytestmark = pytest.mark.django_db


def test_the_page_tells_what_is_known(signed_in, bob, make_image):
    image = make_image(caption="Glands with mucin", stain="PAS", organ="colon", mpp="0.5", mymarker="7")
    page = told(signed_in(bob).get(f"/images/{image.pk}"))
    for fact in ("Glands with mucin", "PAS", "colon", "0.5 µm per pixel", "32 × 32 µm", "Mymarker", "Searchable"):
        assert fact in page


def test_it_needs_signing_in(client, make_image):
    assert client.get(f"/images/{make_image().pk}").status_code == 302


def test_a_foreign_image_and_none_are_answered_alike(signed_in, charlie, make_image):
    foreign, unknown = (signed_in(charlie).get(f"/images/{pk}") for pk in (make_image().pk, uuid.uuid4()))
    bodies = [re.sub(r'(FToken": |ken" value=)"\w+"', "", told(answer)) for answer in (foreign, unknown)]
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert bodies[0] == bodies[1]


def test_the_file_name_is_for_editors(signed_in, alice, bob, make_image):
    image = make_image(name="DOE-JANE.png")
    assert "DOE-JANE" in told(signed_in(alice).get(f"/images/{image.pk}"))
    assert "DOE-JANE" not in told(signed_in(bob).get(f"/images/{image.pk}"))


def test_a_failed_image_says_why_and_offers_no_search(signed_in, alice, collection):
    image = added(collection, b"no picture at all").image
    assert image is not None
    run_tasks()
    page = told(signed_in(alice).get(f"/images/{image.pk}"))
    assert "message error" in page
    assert "More like this" not in page


def test_what_people_wrote_is_shown_as_text(signed_in, bob, make_image):
    image = make_image(caption="<script>alert(1)</script>", stain='"><img src=x>')
    page = told(signed_in(bob).get(f"/images/{image.pk}"))
    assert "<script>alert" not in page
    assert "<img src=x>" not in page


def test_a_matched_part_is_drawn_on_the_image(signed_in, bob, make_image):
    image = make_image(size=(1200, 1000))
    part = image.regions.filter(standard=False).first()
    page = told(signed_in(bob).get(f"/images/{image.pk}?region={part.pk}"))
    assert f'<rect x="{part.left}" y="{part.top}"' in page


def test_a_part_of_another_image_or_nonsense_is_left_out(signed_in, bob, make_image):
    image, other = make_image(), make_image("brown")
    for region in (other.regions.get().pk, "nonsense"):
        answer = signed_in(bob).get(f"/images/{image.pk}?region={region}")
        assert answer.status_code == 200
        assert "<rect" not in told(answer)


def test_the_page_is_there_while_the_index_is_not(signed_in, bob, make_image, broken_index):
    assert signed_in(bob).get(f"/images/{make_image(ready=False).pk}").status_code == 200


def test_what_cannot_be_found_is_listed_with_its_reason(signed_in, bob, charlie, collection):
    added(collection, b"no picture at all", name="DOE-JANE.jpg")
    run_tasks()
    page = told(signed_in(bob).get("/not-searchable"))
    assert "failed" in page
    assert "DOE-JANE" not in page
    assert "Every image can be found" in told(signed_in(charlie).get("/not-searchable"))
