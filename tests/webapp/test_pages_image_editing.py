"""Editing on an image's page: fragments for htmx, small pages without script, and the same answer for all who may not."""

from __future__ import annotations

import json
import re
import uuid

import pytest

from tests.webapp.conftest import told
from webapp.library import editing
from webapp.library.models import Image, Visibility

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


def plain(answer) -> str:
    return re.sub(r'(FToken": |ken" value=)"\w+"', "", told(answer))


def fresh(image: Image) -> Image:
    return Image.objects.get(pk=image.pk)


@pytest.fixture
def image(make_image):
    return make_image(caption="glands", organ="colon")


@pytest.mark.parametrize("address", ["fields/organ/edit", "captions/new"])
def test_a_revision_of_endless_digits_is_none(signed_in, alice, image, address):
    answer = signed_in(alice).post(f"/images/{image.pk}/{address}", {"value": "liver", "text": "liver", "revision": "9" * 5000})
    assert answer.status_code == 302


def routes(pk: object) -> list[tuple[str, str]]:
    some = uuid.uuid4()
    return [
        ("get", f"/images/{pk}/facts"),
        ("get", f"/images/{pk}/captions"),
        ("get", f"/images/{pk}/history"),
        ("get", f"/images/{pk}/fields/organ"),
        ("get", f"/images/{pk}/fields/organ/edit"),
        ("post", f"/images/{pk}/fields/organ/edit"),
        ("get", f"/images/{pk}/captions/new"),
        ("post", f"/images/{pk}/captions/new"),
        ("get", f"/images/{pk}/captions/{some}"),
        ("post", f"/images/{pk}/captions/{some}"),
        ("post", f"/images/{pk}/history/1/undo"),
        ("get", f"/images/{pk}/neighbours"),
        ("get", f"/images/{pk}/seen"),
        ("post", f"/images/{pk}/seen/{some}/accept"),
    ]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_foreign_and_unknown_images_answer_alike_everywhere(signed_in, charlie, image, headers):
    client = signed_in(charlie)
    for (method, foreign), (_, unknown) in zip(routes(image.pk), routes(uuid.uuid4()), strict=True):
        answers = [getattr(client, method)(address, {"value": "x", "text": "x"}, **headers) for address in (foreign, unknown)]
        assert [answer.status_code for answer in answers] == [404, 404], foreign
        assert plain(answers[0]) == plain(answers[1])


def test_who_may_only_look_meets_no_form(signed_in, bob, image):
    client = signed_in(bob)
    page = told(client.get(f"/images/{image.pk}"))
    assert "Change:" not in page
    assert "Add a caption" not in page
    for method, address in routes(image.pk):
        if "/edit" in address or "/captions/" in address or method == "post":
            answer = getattr(client, method)(address, {"value": "liver", "text": "x"})
            assert answer.status_code == 404, address
    assert fresh(image).organ == "colon"


def test_a_field_is_changed_in_place(signed_in, alice, image):
    client = signed_in(alice)
    form = told(client.get(f"/images/{image.pk}/fields/organ/edit", **HTMX))
    assert "<html" not in form
    assert 'value="colon"' in form
    answer = client.post(f"/images/{image.pk}/fields/organ/edit", {"value": "liver", "revision": "0"}, **HTMX)
    assert answer.status_code == 200
    assert "liver" in told(answer)
    assert set(json.loads(answer.headers["HX-Trigger"])) == {"image-history", "image-seen"}
    assert fresh(image).organ == "liver"


def test_without_script_a_field_has_a_page_of_its_own(signed_in, alice, image):
    client = signed_in(alice)
    assert "<html" in told(client.get(f"/images/{image.pk}/fields/organ/edit"))
    answer = client.post(f"/images/{image.pk}/fields/organ/edit", {"value": "liver", "revision": "0"})
    assert (answer.status_code, answer.url) == (302, f"/images/{image.pk}")


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_refused_value_comes_back_with_a_sentence(signed_in, alice, image, headers):
    answer = signed_in(alice).post(f"/images/{image.pk}/fields/mpp/edit", {"value": "wide"}, **headers)
    assert answer.status_code == 422
    assert "mpp is a number of micrometres per pixel" in told(answer)
    assert 'value="wide"' in told(answer)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_conflict_tells_who_and_what_and_keeps_what_was_typed(signed_in, alice, carol, image, headers):
    editing.edit(image.pk, {"organ": "kidney"}, user=carol)
    client = signed_in(alice)
    answer = client.post(f"/images/{image.pk}/fields/organ/edit", {"value": "liver", "revision": "0"}, **headers)
    assert answer.status_code == 409
    for part in ("carol", "«kidney»", 'value="liver"', 'name="revision" value="1"'):
        assert part in told(answer)
    assert client.post(f"/images/{image.pk}/fields/organ/edit", {"value": "liver", "revision": "1"}).status_code == 302


def test_no_other_field_can_be_named(signed_in, alice, image):
    client = signed_in(alice)
    for name in ("sha256", "collection", "revision"):
        assert client.post(f"/images/{image.pk}/fields/{name}/edit", {"value": "x"}).status_code == 404


def test_the_vocabulary_completes_a_term(signed_in, alice, team_a, image):
    from webapp.explore.vocabularies import add_terms, create_vocabulary
    from webapp.library.models import TermKind

    add_terms(create_vocabulary(user=alice, team=team_a, name="Ours"), "spleen", user=alice, kind=TermKind.ORGAN)
    assert '<option value="spleen">' in told(signed_in(alice).get(f"/images/{image.pk}/fields/organ/edit", **HTMX))


def test_captions_are_added_changed_and_removed(signed_in, alice, image):
    client = signed_in(alice)
    assert "mucin" in told(client.post(f"/images/{image.pk}/captions/new", {"text": "mucin"}, **HTMX))
    caption = image.captions.get(text="mucin")
    address = f"/images/{image.pk}/captions/{caption.pk}"
    assert "mucin" in told(client.get(address, **HTMX))
    assert client.post(address, {"text": "much mucin"}).status_code == 302
    assert image.captions.get(pk=caption.pk).text == "much mucin"
    answer = client.post(address, {"remove": "yes"}, **HTMX)
    assert "much mucin" not in told(answer)
    assert not image.captions.filter(pk=caption.pk).exists()


def test_the_title_follows_the_caption(signed_in, alice, image):
    caption = image.captions.get()
    answer = signed_in(alice).post(f"/images/{image.pk}/captions/{caption.pk}", {"text": "crypts"}, **HTMX)
    assert re.search(r'<h1[^>]*hx-swap-oob="true">crypts</h1>', told(answer))


def test_a_refused_caption_comes_back_in_its_own_place(signed_in, alice, image):
    answer = signed_in(alice).post(f"/images/{image.pk}/captions/new", {"text": "Glands"}, **HTMX)
    assert answer.status_code == 422
    assert "has this caption already" in told(answer)
    assert answer.headers["HX-Retarget"] == "#caption-edit-new"


def test_a_caption_that_is_gone_is_told_with_what_was_typed(signed_in, alice, carol, image):
    caption = image.captions.get()
    with editing.drafted(image.pk, user=carol) as draft:
        draft.remove_caption(caption.pk)
    answer = signed_in(alice).post(f"/images/{image.pk}/captions/{caption.pk}", {"text": "crypts", "revision": "0"}, **HTMX)
    assert answer.status_code == 409
    assert "«crypts»" in told(answer)
    assert answer.headers["HX-Retarget"] == f"#caption-edit-{caption.pk}"


def test_history_shows_who_changed_what_and_undo_takes_it_back(signed_in, alice, carol, image):
    editing.edit(image.pk, {"organ": "kidney"}, user=carol)
    client = signed_in(alice)
    page = told(client.get(f"/images/{image.pk}"))
    for part in ("carol", "<del>colon</del>", "<ins>kidney</ins>", "Undo"):
        assert part in page
    answer = client.post(f"/images/{image.pk}/history/{image.changes.get().pk}/undo", **HTMX)
    assert "took back" in told(answer)
    assert fresh(image).organ == "colon"


def test_what_can_no_longer_be_undone_is_told(signed_in, alice, image):
    editing.edit(image.pk, {"organ": "kidney"}, user=alice)
    first = image.changes.get()
    editing.edit(image.pk, {"organ": "liver"}, user=alice)
    answer = signed_in(alice).post(f"/images/{image.pk}/history/{first.pk}/undo", follow=True)
    assert "cannot be taken back any more" in told(answer)


def test_history_and_names_are_for_the_team(signed_in, bob, alice, charlie, collection, image):
    collection.visibility = Visibility.EVERYONE
    collection.save()
    editing.accept(image.pk, "organ", "liver", user=alice, evidence={})
    assert "by alice" in told(signed_in(bob).get(f"/images/{image.pk}"))
    page = told(signed_in(charlie).get(f"/images/{image.pk}"))
    assert "reviewed" in page
    assert "alice" not in page
    assert signed_in(charlie).get(f"/images/{image.pk}/history", **HTMX).status_code == 404


def test_what_people_typed_is_shown_as_text(signed_in, alice, image):
    editing.edit(image.pk, {"organ": "<img src=x>"}, user=alice)
    page = told(signed_in(alice).get(f"/images/{image.pk}"))
    assert "<img src=x>" not in page


def test_the_viewer_gets_boxes_and_the_scale(signed_in, bob, make_image):
    image = make_image(size=(1200, 1000), mpp="0.5")
    part = image.regions.filter(standard=False).first()
    page = told(signed_in(bob).get(f"/images/{image.pk}?region={part.pk}"))
    assert 'data-mpp="0.5"' in page
    assert f'data-left="{part.left}" data-top="{part.top}"' in page
    assert page.count('<a class="region') == image.regions.count()
    assert page.count('<a class="region matched"') == 1


def test_the_copied_link_leads_to_the_part_that_matched(signed_in, bob, make_image):
    image = make_image(size=(1200, 1000))
    part = image.regions.last()
    page = told(signed_in(bob).get(f"/images/{image.pk}?region={part.pk}"))
    assert f'data-copy="http://testserver/images/{image.pk}?region={part.pk}"' in page


def test_a_single_caption_is_the_title_and_not_said_twice_to_viewers(signed_in, bob, image):
    page = told(signed_in(bob).get(f"/images/{image.pk}"))
    assert "glands" in page
    assert 'id="captions"' not in page
