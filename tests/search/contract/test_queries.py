"""Query forms, filters, scopes, groups and pages: what every engine does alike."""

from __future__ import annotations

import numpy as np
import pytest

from search import Ask, Blend, Context, DateRange, Filters, IntegerRange, Keyword, Like, Nearest, Scope, errors
from tests.search.samples import HIDDEN, LIVER, LUNG, axis, between, day, point, point_id, unit_rows

ALL = Scope.everything()


def numbers(hits):
    known = {point_id(number): number for number in range(2_000)}
    return [known[hit.id] for hit in hits]


def found(index, query, *, scope=ALL, **options):
    return numbers(index.query(query, scope=scope, **options))


# --- forms ----------------------------------------------------------------------------------------------------------


def test_the_nearest_point_comes_first_with_its_cosine(index):
    index.upsert([point(1, between(0, 1, 0.6)), point(2, between(0, 2, 0.9)), point(3, axis(3))])
    hits = index.query(Nearest(axis(0)), scope=ALL)
    assert numbers(hits) == [2, 1, 3]
    assert hits[0].score == pytest.approx(0.9, abs=1e-3)


def test_a_bad_query_vector_is_refused(index):
    with pytest.raises(errors.BadVector):
        index.query(Nearest(np.full(32, np.nan, np.float32)), scope=ALL)


def test_a_bad_query_vector_is_refused_in_an_empty_scope_too(index):
    with pytest.raises(errors.BadVector):
        index.query(Nearest(2 * axis(0)), scope=Scope.nothing())


def test_a_blend_of_image_and_text_finds_what_has_both(index):
    index.upsert([point(1, axis(0)), point(2, axis(1)), point(3, between(0, 1, 0.7071))])
    assert found(index, Blend(((1.0, axis(0)), (1.0, axis(1)))), limit=1) == [3]


def test_a_negative_weight_pushes_away(index):
    index.upsert([point(1, between(0, 1, 0.8)), point(2, between(0, 2, 0.7))])
    assert found(index, Nearest(axis(0)))[0] == 1
    assert found(index, Blend(((1.0, axis(0)), (-0.5, axis(1)))))[0] == 2


def test_a_blend_whose_parts_cancel_is_refused(index):
    with pytest.raises(errors.BadVector, match="cancel"):
        index.query(Blend(((1.0, axis(0)), (-1.0, axis(0)))), scope=ALL)


@pytest.mark.parametrize("strategy", ["best_score", "average"])
def test_like_prefers_liked_and_avoids_disliked(index, strategy):
    index.upsert([point(1, axis(0)), point(2, axis(1)), point(3, between(0, 2, 0.8)), point(4, between(1, 3, 0.8))])
    assert found(index, Like((point_id(1),), (point_id(2),), strategy))[0] == 3


@pytest.mark.parametrize("strategy", ["best_score", "average"])
def test_examples_given_by_id_are_not_among_the_hits(index, strategy):
    index.upsert([point(number, row) for number, row in enumerate(unit_rows(6, seed=3))])
    assert set(found(index, Like((point_id(0),), (point_id(1),), strategy))) == {2, 3, 4, 5}


def test_an_example_by_id_and_by_vector_mean_the_same(index):
    rows = unit_rows(8, seed=4)
    index.upsert([point(number, row) for number, row in enumerate(rows)])
    excluded = Filters(exclude_ids=(point_id(0),))
    assert found(index, Like((point_id(0),))) == found(index, Like((rows[0],)), filters=excluded)


def test_best_score_keeps_two_interests_apart(index):
    index.upsert([point(1, between(0, 5, 0.95)), point(2, between(1, 6, 0.95)), point(3, between(0, 1, 0.7071))])
    assert set(found(index, Like((axis(0), axis(1))), limit=2)) == {1, 2}
    assert found(index, Like((axis(0), axis(1)), (), "average"), limit=1) == [3]


def test_disliked_examples_alone_rank_what_is_far_from_them(index):
    index.upsert([point(1, axis(0)), point(2, between(0, 1, 0.5))])
    assert found(index, Like((), (axis(0),))) == [2, 1]


def test_an_example_outside_the_scope_is_as_good_as_absent(index):
    index.upsert([point(1, axis(0), collection=HIDDEN), point(2, axis(1))])
    for unknown in (point_id(1), point_id(99)):
        with pytest.raises(errors.PointsNotFound):
            index.query(Like((unknown,)), scope=Scope.of([LUNG]))


def test_a_context_pair_divides_the_space(index):
    index.upsert([point(1, between(0, 5, 0.9)), point(2, between(1, 6, 0.9))])
    assert found(index, Context(((axis(0), axis(1)),)), limit=1) == [1]


def test_a_context_with_a_target_ranks_by_it_on_the_right_side(index):
    index.upsert([point(1, between(0, 5, 0.9)), point(2, between(0, 5, 0.5)), point(3, between(1, 5, 0.3))])
    assert found(index, Context(((axis(0), axis(1)),), target=axis(5))) == [2, 1, 3]


# --- scope ----------------------------------------------------------------------------------------------------------


def test_hits_lie_in_scope(index):
    index.upsert([point(1, axis(0), collection=HIDDEN), point(2, axis(1), collection=LUNG), point(3, axis(2), collection=LIVER)])
    assert set(found(index, Nearest(axis(0)), scope=Scope.of([LUNG, LIVER]))) == {2, 3}


def test_a_filter_on_a_hidden_collection_does_not_widen_the_scope(index):
    index.upsert([point(1, axis(0), collection=HIDDEN)])
    asked = Filters(keywords=(Keyword(field="collection", any_of=(HIDDEN,)),))
    assert found(index, Nearest(axis(0)), scope=Scope.of([LUNG]), filters=asked) == []


def test_an_empty_scope_returns_nothing_anywhere(index):
    index.upsert([point(1, axis(0))])
    nothing = Scope.nothing()
    assert index.query(Nearest(axis(0)), scope=nothing) == []
    assert index.query_batch([Ask(query=Nearest(axis(0)))], scope=nothing) == [[]]
    assert index.page(Nearest(axis(0)), scope=nothing).hits == []
    assert index.scroll(scope=nothing).points == []
    assert index.get_vectors([point_id(1)], scope=nothing) == {}
    assert index.facets("stain", scope=nothing) == []
    assert index.count(scope=nothing) == 0


# --- filters --------------------------------------------------------------------------------------------------------

MIXED = (
    point(1, axis(0), stain="HE", tags=("a", "b"), width_px=100, taken_at=day(1), case="k1", slide="s1", has_caption=True),
    point(2, axis(1), stain="PAS", tags=("b",), width_px=200, taken_at=day(2), case="k1", slide="s2"),
    point(3, axis(2), stain="HE", tags=("a",), width_px=300, taken_at=day(3), case="k2", slide="s3"),
    point(4, axis(3), image=point_id(44)),
)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param(Filters(keywords=(Keyword(field="stain", any_of=("HE", "IHC")),)), {1, 3}, id="any of"),
        pytest.param(Filters(keywords=(Keyword(field="tags", all_of=("a", "b")),)), {1}, id="all of"),
        pytest.param(Filters(keywords=(Keyword(field="tags", none_of=("a",)),)), {2, 4}, id="none of"),
        pytest.param(
            Filters(keywords=(Keyword(field="tags", any_of=("b",), none_of=("a",)), Keyword(field="stain", any_of=("PAS",)))),
            {2},
            id="two fields",
        ),
        pytest.param(Filters(ranges=(IntegerRange(field="width_px", at_least=200),)), {2, 3}, id="at least"),
        pytest.param(Filters(ranges=(IntegerRange(field="width_px", at_least=100, at_most=200),)), {1, 2}, id="inclusive range"),
        pytest.param(Filters(ranges=(DateRange(field="taken_at", since=day(2)),)), {2, 3}, id="since"),
        pytest.param(Filters(ranges=(DateRange(field="taken_at", before=day(2)),)), {1}, id="before excludes its moment"),
        pytest.param(Filters(has_caption=True), {1}, id="with caption"),
        pytest.param(Filters(has_caption=False), {2, 3, 4}, id="without caption"),
        pytest.param(Filters(exclude_ids=(point_id(1), point_id(2))), {3, 4}, id="other ids"),
        pytest.param(Filters(exclude_cases=("k1",)), {3, 4}, id="other cases"),
        pytest.param(Filters(exclude_slides=("s1", "s3")), {2, 4}, id="other slides"),
        pytest.param(Filters(exclude_images=(point_id(44),)), {1, 2, 3}, id="other images"),
    ],
)
def test_hits_meet_the_filters(index, filters, expected):
    index.upsert(MIXED)
    assert set(found(index, Nearest(axis(0)), filters=filters)) == expected


def test_a_score_threshold_cuts(index):
    index.upsert([point(1, between(0, 1, 0.9)), point(2, between(0, 1, 0.4))])
    assert found(index, Nearest(axis(0)), min_score=0.5) == [1]


# --- batches --------------------------------------------------------------------------------------------------------


def test_a_batch_answers_in_order_and_like_single_questions(index):
    rows = unit_rows(30, seed=5)
    index.upsert([point(number, row, case=f"k{number % 4}") for number, row in enumerate(rows)])
    asks = [
        Ask(query=Nearest(rows[0]), limit=3),
        Ask(query=Nearest(rows[1]), limit=2, group_by="case"),
        Ask(query=Nearest(rows[2])),
    ]
    single = [index.query(ask.query, scope=ALL, limit=ask.limit, group_by=ask.group_by) for ask in asks]
    assert index.query_batch(asks, scope=ALL) == single


# --- groups and diversity -------------------------------------------------------------------------------------------


def test_grouping_gives_the_best_hit_of_each_case(index):
    index.upsert([point(1, axis(0), case="a"), point(2, between(0, 1, 0.9), case="a"), point(3, between(0, 1, 0.5), case="b")])
    hits = index.query(Nearest(axis(0)), scope=ALL, group_by="case")
    assert numbers(hits) == [1, 3]
    assert [hit.group.rpartition("/")[2] for hit in hits] == ["a", "b"]


def test_cases_of_one_name_in_two_collections_are_two_groups(index):
    index.upsert([point(1, axis(0), case="1", collection=LUNG), point(2, axis(1), case="1", collection=HIDDEN)])
    assert len(index.query(Nearest(axis(0)), scope=ALL, group_by="case")) == 2


def test_groups_are_filled_past_a_case_that_hides_all_others(index):
    crowd = [point(number, between(0, 1, 0.99), case="crowded") for number in range(150)]
    index.upsert([*crowd, *(point(1_000 + number, between(0, 1, 0.5), case=f"k{number}") for number in range(5))])
    hits = index.query(Nearest(axis(0)), scope=ALL, group_by="case", limit=6)
    assert len({hit.group for hit in hits}) == 6


def test_points_without_a_case_are_groups_of_their_own(index):
    index.upsert([point(1, axis(0)), point(2, axis(1)), point(3, axis(2), case="a")])
    assert len(index.query(Nearest(axis(0)), scope=ALL, group_by="case")) == 3


def test_regions_of_one_image_are_one_group(index):
    index.upsert(
        [point(1, axis(0), image=point_id(50)), point(2, axis(1), image=point_id(50)), point(3, axis(2), image=point_id(51))]
    )
    hits = index.query(Nearest(axis(0)), scope=ALL, group_by="image")
    assert [hit.group for hit in hits] == [point_id(50), point_id(51)]


def test_a_threshold_cuts_groups_too(index):
    index.upsert([point(1, axis(0), case="a"), point(2, between(0, 1, 0.4), case="b")])
    assert found(index, Nearest(axis(0)), group_by="case", min_score=0.5) == [1]


def test_diversity_shows_a_second_kind_before_a_twin(index):
    index.upsert([point(1, between(0, 1, 0.95)), point(2, between(0, 1, 0.94)), point(3, between(0, 2, 0.8))])
    assert found(index, Nearest(axis(0)), limit=2) == [1, 2]
    assert found(index, Nearest(axis(0)), limit=2, diversity=0.7) == [1, 3]


# --- pages ----------------------------------------------------------------------------------------------------------


def all_pages(index, query, **options):
    page = index.page(query, scope=ALL, **options)
    hits = list(page.hits)
    while page.next_cursor is not None:
        page = index.page(query, scope=ALL, cursor=page.next_cursor, **options)
        hits += page.hits
    return hits


@pytest.mark.parametrize("group_by", [None, "case"])
def test_pages_show_every_hit_once_and_best_first(index, group_by):
    index.upsert([point(number, row, case=f"k{number % 160}") for number, row in enumerate(unit_rows(300, seed=6))])
    hits = all_pages(index, Nearest(axis(0)), size=50, group_by=group_by)
    assert len({hit.id for hit in hits}) == len(hits) == (300 if group_by is None else 160)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_the_last_page_has_no_cursor(index):
    index.upsert([point(1, axis(0)), point(2, axis(1))])
    assert index.page(Nearest(axis(0)), scope=ALL, size=2).next_cursor is None


@pytest.mark.parametrize("changed", ["query", "scope", "filters"])
def test_a_cursor_of_another_question_is_refused(index, changed):
    index.upsert([point(number, row) for number, row in enumerate(unit_rows(5, seed=7))])
    asked = {"query": Nearest(axis(0)), "scope": ALL, "filters": Filters()}
    cursor = index.page(**asked, size=2).next_cursor
    other = {"query": Nearest(axis(1)), "scope": Scope.of([LUNG]), "filters": Filters(has_caption=False)}
    with pytest.raises(errors.BadCursor):
        index.page(**(asked | {changed: other[changed]}), size=2, cursor=cursor)


@pytest.mark.parametrize("text", ["", "x", "WzEsMl0", "ÿ", "W1tb" * 50_000])  # the last one: brackets without end
def test_what_is_no_cursor_is_refused(index, text):
    with pytest.raises(errors.BadCursor):
        index.page(Nearest(axis(0)), scope=ALL, cursor=text)
