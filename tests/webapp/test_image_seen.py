"""Beside an image: its nearest others, and the terms that the model sees in it."""

from __future__ import annotations

import pytest

from tests.webapp.conftest import run_tasks, told
from webapp.explore.neighbours import neighbours
from webapp.explore.seeing import seen
from webapp.explore.vocabularies import add_terms, create_vocabulary
from webapp.library import editing
from webapp.library.models import Image, TermKind, Visibility, Vocabulary

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


def fresh(image: Image) -> Image:
    return Image.objects.get(pk=image.pk)


@pytest.fixture
def vocabulary(alice, team_a) -> Vocabulary:
    """Stains, tissues and a finding, named by colours, which the fake encoder reads."""
    made = create_vocabulary(user=alice, team=team_a, name="Colours")
    add_terms(made, "brown\nblue\ngreen\npink", user=alice, kind=TermKind.STAIN)
    add_terms(made, "brown tissue\nblue tissue", user=alice, kind=TermKind.TISSUE)
    add_terms(made, "brown", user=alice, kind=TermKind.FINDING)
    return made


def test_neighbours_come_from_other_cases_first_one_a_case(make_image, alice):
    image = make_image("brown", case="A")
    own = make_image("brown", case="A")
    nearest, _ = make_image("brown", case="B"), make_image("brown", case="B")
    far = make_image("blue", case="C")
    found = neighbours(image, user=alice)
    assert found is not None
    assert [(near.image.case, near.same_case) for near in found] == [("B", False), ("C", False), ("A", True)]
    assert found[1].image == far
    assert found[2].image == own
    assert nearest.case == "B"


def test_images_without_a_case_are_neighbours_each(make_image, alice):
    image, *others = [make_image("brown") for _ in range(3)]
    found = neighbours(image, user=alice)
    assert found is not None
    assert {near.image.pk for near in found} == {other.pk for other in others}


def test_foreign_neighbours_are_never_told(make_image, alice, foreign_collection):
    image = make_image("brown")
    make_image("brown", into=foreign_collection)
    assert neighbours(image, user=alice) == []


def test_an_image_on_its_way_has_no_neighbours_yet(make_image, alice):
    make_image("blue")
    assert neighbours(make_image("brown", ready=False), user=alice) is None


def test_the_strip_is_a_fragment_and_a_page(signed_in, bob, make_image):
    image, other = make_image("brown"), make_image("brown", caption="another")
    fragment = told(signed_in(bob).get(f"/images/{image.pk}/neighbours", **HTMX))
    assert "<html" not in fragment
    assert f"/images/{other.pk}" in fragment
    assert "<html" in told(signed_in(bob).get(f"/images/{image.pk}/neighbours"))


@pytest.mark.parametrize("part", ["neighbours", "seen"])
def test_an_outage_is_told_in_its_place(signed_in, bob, make_image, broken_index, part):
    image = make_image(ready=False)
    answer = signed_in(bob).get(f"/images/{image.pk}/{part}", **HTMX)
    assert answer.status_code == 200
    assert "Search is out of order." in told(answer)
    assert signed_in(bob).get(f"/images/{image.pk}/{part}").status_code == 503


def test_terms_are_told_by_kind_with_the_lead_of_the_first(make_image, alice, vocabulary):
    found = seen(make_image("brown"), user=alice)
    assert found is not None
    assert [kind.kind for kind in found.kinds] == [TermKind.STAIN, TermKind.FINDING, TermKind.TISSUE]
    stain = found.kinds[0]
    assert [len(stain.suggestions), stain.suggestions[0].term.text] == [3, "brown"]
    assert stain.margin == pytest.approx(stain.suggestions[0].score - stain.suggestions[1].score)
    assert found.kinds[1].margin is None


def test_the_same_term_of_two_vocabularies_is_no_runner_up_of_itself(make_image, alice, team_a, vocabulary):
    add_terms(create_vocabulary(user=alice, team=team_a, name="More"), "Brown", user=alice, kind=TermKind.STAIN)
    found = seen(make_image("brown"), user=alice)
    assert found is not None
    texts = [suggestion.term.text.casefold() for suggestion in found.kinds[0].suggestions]
    assert len(texts) == len(set(texts))


def test_vocabularies_of_other_teams_are_never_told(make_image, collection, charlie, vocabulary):
    collection.visibility = Visibility.EVERYONE
    collection.save()
    found = seen(make_image("brown"), user=charlie)
    assert found is not None
    assert found.kinds == []


def test_the_page_says_that_it_is_no_diagnosis_and_offers_nothing_to_viewers(signed_in, bob, make_image, vocabulary):
    page = told(signed_in(bob).get(f"/images/{make_image('brown').pk}/seen", **HTMX))
    assert "suggestion, not a diagnosis" in page
    assert "Accept" not in page


def test_one_click_makes_a_term_reviewed_metadata(signed_in, alice, make_image, vocabulary):
    image = make_image("brown")
    term = vocabulary.terms.get(kind="stain", text="brown")
    answer = signed_in(alice).post(f"/images/{image.pk}/seen/{term.pk}/accept", {"revision": "0"}, **HTMX)
    assert answer.status_code == 200
    assert "reviewed" in told(answer)
    mark = editing.reviewed(fresh(image))["stain", "brown"]
    assert mark.by == alice
    assert mark.evidence["score"] == pytest.approx(mark.evidence["margin"], abs=1)
    assert len(mark.evidence["encoder"]) >= 32
    assert fresh(image).stain == "brown"


def test_a_tissue_becomes_a_tag_and_filters_know_it(signed_in, alice, make_image, vocabulary):
    image = make_image("brown", tags="teaching")
    term = vocabulary.terms.get(text="brown tissue")
    answer = signed_in(alice).post(f"/images/{image.pk}/seen/{term.pk}/accept")
    assert (answer.status_code, answer.url) == (302, f"/images/{image.pk}")
    run_tasks()
    assert fresh(image).tags == ["teaching", "brown tissue"]


def test_a_term_that_was_not_suggested_is_not_accepted(signed_in, alice, charlie, team_b, make_image, vocabulary):
    image = make_image("brown")
    foreign = create_vocabulary(user=charlie, team=team_b, name="Theirs")
    add_terms(foreign, "brown", user=charlie, kind=TermKind.STAIN)
    run_tasks()
    answer = signed_in(alice).post(f"/images/{image.pk}/seen/{foreign.terms.get().pk}/accept")
    assert answer.status_code == 404
    assert fresh(image).stain == ""


def test_a_field_that_was_changed_meanwhile_is_looked_at_first(signed_in, alice, carol, make_image, vocabulary):
    image = make_image("brown")
    editing.edit(image.pk, {"stain": "PAS"}, user=carol)
    term = vocabulary.terms.get(kind="stain", text="brown")
    answer = signed_in(alice).post(f"/images/{image.pk}/seen/{term.pk}/accept", {"revision": "0"}, follow=True)
    assert "changed this field meanwhile" in told(answer)
    assert fresh(image).stain == "PAS"


def test_the_page_names_no_more_than_the_picture_while_the_index_is_away(signed_in, bob, make_image, broken_index):
    image = make_image(ready=False)
    assert signed_in(bob).get(f"/images/{image.pk}").status_code == 200
