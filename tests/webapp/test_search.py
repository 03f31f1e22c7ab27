"""Searching as people do, over the real index with the fake encoder, whose colours have names."""

from __future__ import annotations

import uuid

import pytest
from django.http import Http404

from search import errors as index_errors
from tests.webapp.conftest import picture
from webapp import wiring
from webapp.explore.asking import BadQuery, Concept, Crop
from webapp.explore.queries import SearchFilters, SearchQuery, search
from webapp.library.models import Collection, Image, Region, Visibility
from webapp.outages import Outage

pytestmark = pytest.mark.django_db


def found(user, **asked) -> list[Image]:
    return [hit.image for hit in search(SearchQuery(**asked), user=user).hits]


def test_words_find_the_matching_image_first(make_image, alice):
    brown, blue = make_image("brown"), make_image("blue")
    assert found(alice, text="brown stained nuclei") == [brown, blue]


def test_a_stored_image_finds_its_like_and_not_itself(make_image, alice):
    red, pink, blue = make_image("red"), make_image("pink"), make_image("blue")
    assert found(alice, image_id=red.pk) == [pink, blue]


def test_a_region_finds_as_its_image_does(make_image, alice):
    red, pink = make_image("red"), make_image("pink")
    region = Region.objects.get(image=red, standard=True)
    assert found(alice, region_id=region.pk) == [pink]


def test_an_uploaded_picture_finds_its_like_and_can_be_asked_again(make_image, alice):
    red, blue = make_image("red"), make_image("blue")
    page = search(SearchQuery(image_bytes=picture("blue")), user=alice)
    assert page.picture is not None
    assert [hit.image for hit in page.hits] == [blue, red]
    assert found(alice, picture_id=page.picture.pk) == [blue, red]


def test_a_query_picture_belongs_to_whoever_searched_with_it(make_image, alice, bob):
    make_image("red")
    page = search(SearchQuery(image_bytes=picture("blue")), user=alice)
    assert page.picture is not None
    with pytest.raises(Http404):
        search(SearchQuery(picture_id=page.picture.pk), user=bob)


def test_a_broken_picture_is_refused_with_its_reason(make_image, alice):
    make_image("red")
    with pytest.raises(BadQuery) as refused:
        search(SearchQuery(image_bytes=b"no picture"), user=alice)
    assert refused.value.reason == "unsupported_type"


def test_an_outsider_finds_nothing_and_counts_nothing(make_image, charlie):
    make_image("brown", stain="DAB")
    page = search(SearchQuery(text="brown"), user=charlie)
    assert page.hits == []
    assert page.coverage.total == 0
    assert not any(page.facets.values())
    assert page.background.sample_size == 0


def test_anothers_image_answers_like_an_unknown_one(make_image, charlie):
    image = make_image("brown")
    region = Region.objects.get(image=image, standard=True)
    for asked in ({"image_id": image.pk}, {"region_id": region.pk}, {"image_id": uuid.uuid4()}):
        with pytest.raises(Http404):
            search(SearchQuery(**asked), user=charlie)


def test_a_private_collection_is_its_makers_and_the_owners(make_image, collection, alice, bob, carol):
    collection.visibility = Visibility.PRIVATE
    collection.save()
    image = make_image("brown")
    assert found(alice, text="brown") == found(carol, text="brown") == [image]
    assert found(bob, text="brown") == []


def test_a_right_that_is_taken_away_takes_the_hits_and_facets_with_it_at_once(make_image, collection, bob):
    make_image("brown", stain="DAB")
    before = search(SearchQuery(text="brown"), user=bob)
    bob.memberships.all().delete()
    after = search(SearchQuery(text="brown"), user=bob)
    assert (len(before.hits), len(after.hits)) == (1, 0)
    assert (len(before.facets["stain"]), len(after.facets["stain"])) == (1, 0)


def test_an_image_moved_to_a_hidden_collection_drops_out_before_the_index_knows(make_image, foreign_collection, alice):
    image = make_image("brown")
    Image.objects.filter(pk=image.pk).update(collection=foreign_collection)
    assert found(alice, text="brown") == []


def test_an_image_deleted_from_sql_drops_out(make_image, alice):
    make_image("brown").delete()
    assert found(alice, text="brown") == []


def test_filters_narrow(make_image, alice):
    he, dab = make_image("pink", stain="H&E", tags=["a", "b"]), make_image("brown", stain="DAB", tags=["a"])
    assert found(alice, text="brown", filters=SearchFilters(stains=("H&E",))) == [he]
    assert found(alice, text="brown", filters=SearchFilters(stains=("H&E", "DAB"))) == [dab, he]
    assert found(alice, text="brown", filters=SearchFilters(tags=("a", "b"))) == [he]


def test_a_foreign_collection_as_a_filter_finds_nothing(make_image, foreign_collection, alice):
    make_image("brown", into=foreign_collection)
    assert found(alice, text="brown", filters=SearchFilters(collections=(foreign_collection.pk,))) == []


def test_mpp_narrows_and_leaves_out_what_has_none(make_image, alice):
    fine, _, _ = make_image("red", mpp=0.25), make_image("red", mpp=1.0), make_image("red")
    assert found(alice, text="red", filters=SearchFilters(mpp_at_most=0.5)) == [fine]


def test_the_best_image_of_each_case_is_shown_unless_every_one_is_asked_for(make_image, alice):
    best, next_best = make_image("brown", case="S1"), make_image("pink", case="S1")
    other = make_image("blue", case="S2")
    assert found(alice, text="brown") == [best, other]
    assert set(found(alice, text="brown", every_image=True)) == {best, next_best, other}


def test_an_image_can_leave_out_its_own_case(make_image, alice):
    red, _ = make_image("red", case="S1"), make_image("red", case="S1")
    other = make_image("blue", case="S2")
    assert found(alice, image_id=red.pk, exclude_case=True) == [other]


def test_cases_can_be_left_out_and_their_counts_with_them(make_image, alice):
    make_image("brown", case="S1", stain="DAB")
    other = make_image("blue", case="S2", stain="H&E")
    page = search(SearchQuery(text="brown", filters=SearchFilters(without_cases=("S1",))), user=alice)
    assert [hit.image for hit in page.hits] == [other]
    assert [value.value for value in page.facets["stain"]] == ["H&E"]


def test_a_large_image_is_one_hit_with_the_region_that_matched(make_image, alice):
    large = make_image("brown", size=(1000, 950))
    page = search(SearchQuery(text="brown"), user=alice)
    assert Region.objects.filter(image=large).count() > 1
    assert [hit.image for hit in page.hits] == [large]
    assert page.hits[0].region.image_id == large.pk


def test_facets_count_images_and_not_their_regions(make_image, alice):
    make_image("brown", size=(1000, 950), stain="DAB")
    make_image("pink", stain="H&E")
    page = search(SearchQuery(text="brown", filters=SearchFilters(stains=("DAB",))), user=alice)
    assert {value.value: value.count for value in page.facets["stain"]} == {"DAB": 1, "H&E": 1}
    assert [(value.label, value.count) for value in page.facets["collection"]] == [("Kidneys", 1)]


def test_pages_go_on_where_the_last_one_ended(make_image, alice):
    images = {make_image(colour) for colour in ("red", "pink", "blue")}
    first = search(SearchQuery(text="red", size=2), user=alice)
    second = search(SearchQuery(text="red", size=2, cursor=first.next_cursor), user=alice)
    assert [len(first.hits), len(second.hits)] == [2, 1]
    assert {hit.image for hit in (*first.hits, *second.hits)} == images
    assert second.next_cursor is None


def test_a_cursor_of_another_search_is_refused(make_image, alice):
    for colour in ("red", "pink"):
        make_image(colour)
    cursor = search(SearchQuery(text="red", size=1), user=alice).next_cursor
    with pytest.raises(BadQuery) as refused:
        search(SearchQuery(text="blue", size=1, cursor=cursor), user=alice)
    assert refused.value.reason == "bad_cursor"


def test_words_that_are_not_read_are_told(make_image, alice):
    make_image("red")
    page = search(SearchQuery(text="red " * 127 + "end"), user=alice)
    assert page.cut_text == "end"


def test_a_small_archive_gets_no_bands(make_image, alice):
    make_image("red")
    page = search(SearchQuery(text="red"), user=alice)
    assert (page.hits[0].band, page.background.reliable) == ("unknown", False)
    assert page.hits[0].stands_out


def test_captions_come_with_their_hits(make_image, alice):
    make_image("red", caption="A red field.")
    assert search(SearchQuery(text="red"), user=alice).hits[0].caption == "A red field."


def test_an_image_that_is_not_ready_yet_says_so(make_image, alice):
    make_image("red")
    waiting = make_image("blue", ready=False)
    with pytest.raises(BadQuery) as refused:
        search(SearchQuery(image_id=waiting.pk), user=alice)
    assert refused.value.reason == "not_searchable_yet"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, "nothing_asked"),
        ({"text": "  "}, "nothing_asked"),
        ({"minus": (Concept("red"),)}, "nothing_positive"),
        ({"dislikes": (uuid.uuid4(),)}, "nothing_positive"),
        ({"region_id": uuid.uuid4(), "image_id": uuid.uuid4()}, "one_picture"),
        ({"text": "red", "crop": Crop(0, 0, 500, 500)}, "bad_crop"),
        ({"text": "red", "plus": (Concept("red"),) * 21}, "too_many_parts"),
        ({"text": "red", "likes": (uuid.uuid4(),) * 51}, "too_many_parts"),
        ({"text": "?!…"}, "no_words"),
        ({"text": "a" * 513}, "text_too_long"),
        ({"text": "red", "size": 201}, "page_size"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(asked, reason):
    with pytest.raises(BadQuery) as refused:
        SearchQuery(**asked)
    assert refused.value.reason == reason


def test_an_index_that_is_away_is_an_outage(make_image, alice, monkeypatch):
    make_image("red")

    def away(*arguments, **options):
        raise index_errors.IndexTimedOut("the engine took too long")

    monkeypatch.setattr(type(wiring.get_image_index()), "page", away)
    with pytest.raises(Outage):
        search(SearchQuery(text="red"), user=alice)


def test_an_index_that_was_never_built_is_an_outage(alice):
    with pytest.raises(Outage):
        search(SearchQuery(text="red"), user=alice)


@pytest.mark.parametrize("images", [1, 6])
def test_a_search_page_takes_at_most_twelve_statements_however_large_the_archive_is(
    images, make_image, alice, signed_in, django_assert_max_num_queries
):  # fmt: skip
    for number in range(images):
        make_image("red", caption=f"field {number}", stain="H&E", ready=number == images - 1)
    browser = signed_in(alice)
    with django_assert_max_num_queries(12):
        answer = browser.get("/", {"q": "red"})
    assert (answer.status_code, len(answer.context["results"].page.hits)) == (200, images)


def test_cases_of_one_name_in_two_collections_are_two_cases(make_image, alice, team_a):
    """«1» in another collection is another patient's: neither hides the other, nor counts with it."""
    other = Collection.objects.create(team=team_a, name="Hearts", made_by=alice, visibility=Visibility.TEAM)
    here, there = make_image("brown", case="1"), make_image("pink", case="1", into=other)
    page = search(SearchQuery(text="brown"), user=alice)
    assert {hit.image: hit.more_in_case for hit in page.hits} == {here: 0, there: 0}
