"""Image -> text: captions of the archive and terms of the vocabularies."""

from __future__ import annotations

import pytest

from tests.webapp.conftest import picture, run_tasks
from webapp.explore.asking import BadQuery
from webapp.explore.queries import SearchQuery, describe
from webapp.explore.vocabularies import add_terms, create_vocabulary
from webapp.library.models import Caption, TermKind, Visibility

pytestmark = pytest.mark.django_db


def captions(user, colour: str) -> list[str]:
    return [hit.text for hit in describe(SearchQuery(image_bytes=picture(colour)), user=user).captions]


def terms(user, colour: str) -> list[str]:
    return [hit.text for hit in describe(SearchQuery(image_bytes=picture(colour)), user=user).terms]


@pytest.fixture
def colours(alice, team_a):
    """A vocabulary of team A: brown and blue."""
    vocabulary = create_vocabulary(user=alice, team=team_a, name="Colours")
    add_terms(vocabulary, "brown\nblue", user=alice, kind=TermKind.STAIN)
    return vocabulary


def test_the_caption_that_says_it_comes_first(make_image, alice):
    make_image("brown", caption="a brown field")
    make_image("blue", caption="a blue field")
    assert captions(alice, "blue") == ["a blue field", "a brown field"]


def test_a_sentence_under_many_images_is_one_hit_with_its_count(make_image, alice):
    for _ in range(3):
        make_image("brown", caption="a brown field")
    hits = describe(SearchQuery(image_bytes=picture("brown")), user=alice).captions
    assert [(hit.text, hit.times) for hit in hits] == [("a brown field", 3)]


def test_a_stored_image_is_not_described_with_its_own_caption(make_image, alice):
    red = make_image("red", caption="a red field")
    make_image("blue", caption="a blue field")
    told = describe(SearchQuery(image_id=red.pk), user=alice)
    assert [hit.text for hit in told.captions] == ["a blue field"]


def test_terms_are_ranked_and_say_their_kind(make_image, colours, alice):
    make_image("red")
    run_tasks()
    told = describe(SearchQuery(image_bytes=picture("brown")), user=alice)
    assert [(hit.text, hit.kind) for hit in told.terms] == [("brown", "stain"), ("blue", "stain")]


def test_another_teams_terms_and_captions_stay_hidden(make_image, colours, charlie):
    make_image("red", caption="a secret sentence")
    run_tasks()
    assert captions(charlie, "red") == []
    assert terms(charlie, "red") == []


def test_a_term_of_another_team_stays_hidden_where_the_image_is_for_everyone(make_image, colours, collection, charlie):
    collection.visibility = Visibility.EVERYONE
    collection.save()
    make_image("red", caption="a red field")
    run_tasks()
    assert captions(charlie, "red") == ["a red field"]
    assert terms(charlie, "red") == []


def test_a_caption_deleted_from_sql_drops_out(make_image, alice):
    make_image("red", caption="a red field")
    Caption.objects.all().delete()
    assert captions(alice, "red") == []


def test_words_cannot_be_described(alice):
    with pytest.raises(BadQuery) as refused:
        describe(SearchQuery(text="red"), user=alice)
    assert refused.value.reason == "needs_a_picture"


def test_a_description_takes_few_statements(make_image, colours, alice, django_assert_max_num_queries):
    for number in range(4):
        image = make_image("brown", caption=f"field {number}")
    run_tasks()
    with django_assert_max_num_queries(9):
        describe(SearchQuery(image_id=image.pk), user=alice)
