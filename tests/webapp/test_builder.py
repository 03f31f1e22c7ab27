"""The query builder: slots become sentences, sentences become one vector, and nothing foreign is suggested."""

from __future__ import annotations

import numpy as np
import pytest

from embedder.fake import FakeEncoder
from webapp.explore.asking import BadQuery, SearchQuery, Slots
from webapp.explore.builder import MOST_PROMPTS, build, suggestions
from webapp.explore.queries import search
from webapp.explore.subjects import subject_of
from webapp.explore.vocabularies import add_terms, create_vocabulary
from webapp.library.models import TermKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours(alice, team_a):
    """A vocabulary of team A: kidney (or renal tissue), brown necrosis, PAS."""
    vocabulary = create_vocabulary(user=alice, team=team_a, name="Ours")
    add_terms(vocabulary, "kidney; renal tissue\nliver", user=alice, kind=TermKind.ORGAN)
    add_terms(vocabulary, "necrosis; dead tissue\nbrown pigment", user=alice, kind=TermKind.FINDING)
    add_terms(vocabulary, "PAS", user=alice, kind=TermKind.STAIN)
    return vocabulary


def test_every_slot_is_in_every_prompt_and_synonyms_take_turns(ours, alice):
    prompts = build(Slots(organ="kidney", finding="Necrosis", stain="PAS", at="10x"), user=alice).prompts
    assert "Necrosis in the kidney, PAS stain at 10x magnification." in prompts
    assert any("dead tissue in the renal tissue" in prompt for prompt in prompts)
    assert all("PAS" in prompt and "10x magnification" in prompt for prompt in prompts)
    assert len(set(prompts)) == len(prompts) <= MOST_PROMPTS


def test_a_synonym_finds_its_term(ours, alice):
    built = build(Slots(organ="Renal tissue"), user=alice)
    assert built.unknown == ()
    assert any("kidney" in prompt for prompt in built.prompts)
    assert not any("tissue of the Renal tissue" in prompt for prompt in built.prompts)


def test_words_of_no_vocabulary_are_taken_as_written(ours, alice):
    built = build(Slots(organ="spleen", at="40x"), user=alice)
    assert built.unknown == ("spleen",)
    assert built.prompts[0] == "spleen at 40x magnification."


def test_a_term_of_another_team_lends_no_synonyms_and_is_not_suggested(ours, charlie):
    assert build(Slots(organ="kidney"), user=charlie).unknown == ("kidney",)
    assert suggestions(TermKind.ORGAN, "", user=charlie) == []


def test_magnification_alone_is_about_tissue(alice):
    assert "tissue at 20x magnification." in build(Slots(at="20x"), user=alice).prompts


def test_a_long_product_is_thinned_out_evenly(alice, team_a):
    vocabulary = create_vocabulary(user=alice, team=team_a, name="Many")
    for kind in (TermKind.ORGAN, TermKind.STAIN, TermKind.FINDING):
        add_terms(vocabulary, f"{kind} a; {kind} b; {kind} c; {kind} d; {kind} e", user=alice, kind=kind)
    prompts = build(Slots(organ="organ a", stain="stain a", finding="finding a"), user=alice).prompts
    assert len(prompts) == MOST_PROMPTS
    assert {name for name in "abcd" if any(f"organ {name}" in prompt for prompt in prompts)} == set("abcd")


def test_the_prompts_vectors_are_averaged_into_one_unit_vector(ours, alice):
    slots = Slots(finding="necrosis")
    mean = FakeEncoder().encode_texts(build(slots, user=alice).prompts).mean(axis=0)
    vector = subject_of(SearchQuery(slots=slots), user=alice, fingerprint=FakeEncoder.spec.fingerprint).vector
    np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)


def test_what_was_built_finds_images_and_tells_its_prompts(ours, make_image, alice):
    brown, blue = make_image("brown"), make_image("blue")
    page = search(SearchQuery(slots=Slots(finding="brown pigment")), user=alice)
    assert [hit.image for hit in page.hits] == [brown, blue]
    assert page.built is not None
    assert "a histology image of brown pigment." in page.built.prompts


@pytest.mark.parametrize("slots", [{"at": "ten"}, {"at": "10"}, {"organ": "?"}, {"stain": "x" * 201}])
def test_a_slot_that_says_nothing_is_refused(slots):
    with pytest.raises(BadQuery):
        Slots(**slots)


# --- suggestions ------------------------------------------------------------------------------------------------------


def test_terms_that_start_with_what_is_typed_come_first(alice, team_a):
    add_terms(create_vocabulary(user=alice, team=team_a, name="X"), "old kidney\nkidney", user=alice, kind=TermKind.ORGAN)
    assert suggestions(TermKind.ORGAN, "KID", user=alice) == ["kidney", "old kidney"]


def test_the_page_fetches_suggestions_as_options(ours, signed_in, alice, charlie, client):
    address = {"kind": "finding", "told": "nec"}
    assert '<option value="necrosis">' in signed_in(alice).get("/suggest-terms", address).content.decode()
    assert "necrosis" not in signed_in(charlie).get("/suggest-terms", address).content.decode()
    assert signed_in(alice).get("/suggest-terms", {"kind": "nonsense"}).status_code == 404
    client.logout()
    assert client.get("/suggest-terms", address)["Location"].startswith("/sign-in")
