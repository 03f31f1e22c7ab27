"""What must hold for every archive and every question, on every engine."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search import DateRange, Filters, IntegerRange, Keyword, Nearest, Payload, Point, Scope, case_group
from search.filters import Tree
from tests.search.conftest import ENGINES, open_index, remove
from tests.search.samples import HIDDEN, LIVER, LUNG, SCHEMA, day, point_id, unit_rows

COLLECTIONS = (LUNG, LIVER, HIDDEN)
ROWS = unit_rows(200, seed=20)
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

words = st.sampled_from(["HE", "PAS", "IHC"])
tags = st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=3).map(tuple)
maybe = st.one_of


def payloads():
    return st.builds(
        Payload,
        collection=st.sampled_from(COLLECTIONS),
        image=maybe(st.none(), st.integers(900, 905).map(point_id)),
        case=maybe(st.none(), st.sampled_from(["k1", "k2", "k3"])),
        slide=maybe(st.none(), st.sampled_from(["s1", "s2"])),
        stain=maybe(st.none(), words),
        tags=tags,
        width_px=maybe(st.none(), st.integers(0, 5)),
        taken_at=maybe(st.none(), st.integers(1, 5).map(day)),
        has_caption=st.booleans(),
    )


archives = st.lists(payloads(), min_size=0, max_size=40).map(
    lambda drawn: [Point(point_id(number), ROWS[number], payload) for number, payload in enumerate(drawn)]
)
scopes = maybe(st.sets(st.sampled_from(COLLECTIONS)).map(Scope.of), st.just(Scope.everything()))
days = st.integers(1, 5).map(day)
limits = maybe(st.none(), st.integers(0, 5))
filters = st.builds(
    Filters,
    keywords=st.lists(
        maybe(
            st.builds(Keyword, field=st.just("tags"), any_of=tags, all_of=tags, none_of=tags),
            st.builds(Keyword, field=st.just("stain"), any_of=st.lists(words, max_size=2).map(tuple)),
        ),
        max_size=2,
    ).map(tuple),
    ranges=st.lists(
        maybe(
            st.builds(IntegerRange, field=st.just("width_px"), at_least=st.integers(0, 5), at_most=limits),
            st.builds(IntegerRange, field=st.just("width_px"), at_most=st.integers(0, 5)),
            st.builds(DateRange, field=st.just("taken_at"), since=days, before=maybe(st.none(), days)),
            st.builds(DateRange, field=st.just("taken_at"), before=days),
        ),
        max_size=1,
    ).map(tuple),
    has_caption=maybe(st.none(), st.booleans()),
    exclude_cases=st.lists(st.sampled_from(["k1", "k2"]), unique=True, max_size=1).map(tuple),
    exclude_ids=st.lists(st.integers(0, 9).map(point_id), unique=True, max_size=2).map(tuple),
)


def visible(point: Point, scope: Scope, asked: Filters) -> bool:
    """The rules again, written from their descriptions and knowing no engine."""
    payload = point.payload
    if not scope.sees_everything and payload.collection not in scope.collections:
        return False
    if point.id in asked.exclude_ids or payload.case in asked.exclude_cases:
        return False
    if asked.has_caption is not None and payload.has_caption != asked.has_caption:
        return False
    return all(carries(payload, keyword) for keyword in asked.keywords) and all(within(payload, one) for one in asked.ranges)


def carries(payload: Payload, keyword: Keyword) -> bool:
    values = set(payload.tags) if keyword.field == "tags" else {payload.stain} - {None}
    wanted = not keyword.any_of or values & set(keyword.any_of)
    return bool(wanted) and values >= set(keyword.all_of) and not values & set(keyword.none_of)


def within(payload: Payload, one: IntegerRange | DateRange) -> bool:
    if isinstance(one, DateRange):
        taken = payload.taken_at
        return taken is not None and (one.since is None or taken >= one.since) and (one.before is None or taken < one.before)
    width = payload.width_px
    return width is not None and (one.at_least is None or width >= one.at_least) and (one.at_most is None or width <= one.at_most)


@pytest.fixture(scope="module", params=ENGINES)
def shared_index(request, tmp_path_factory):
    """One index for all examples, emptied before each: making one takes longer than asking it."""
    folder = tmp_path_factory.mktemp("properties")
    if request.param == "edge":
        shutil.copytree(request.getfixturevalue("edge_template"), folder, dirs_exist_ok=True)
    index = open_index(request.param, folder, request)
    index.ensure(SCHEMA)
    yield index
    remove(index, request.param)


def refill(index, archive) -> None:
    index._engine().delete(Tree())
    index.upsert(archive)


@QUICK
@given(archive=archives, scope=scopes, asked=filters)
def test_hits_are_exactly_what_scope_and_filters_allow(shared_index, archive, scope, asked):
    refill(shared_index, archive)
    hits = shared_index.query(Nearest(ROWS[-1]), scope=scope, filters=asked, limit=100)
    expected = {point.id for point in archive if visible(point, scope, asked)}
    assert {hit.id for hit in hits} == expected
    assert shared_index.count(scope=scope, filters=asked) == len(expected)
    assert {point.id for point in shared_index.scroll(scope=scope, filters=asked).points} == expected


@QUICK
@given(archive=archives, scope=scopes, group_by=st.sampled_from(["image", "case"]), limit=st.integers(1, 12))
def test_groups_never_repeat_and_are_full(shared_index, archive, scope, group_by, limit):
    refill(shared_index, archive)
    hits = shared_index.query(Nearest(ROWS[-1]), scope=scope, group_by=group_by, limit=limit)
    shown = [point for point in archive if visible(point, scope, Filters())]
    images = {point.id: point.payload.image or point.id for point in shown}
    cases = {point.id: case_group(point.payload.collection, point.payload.case) for point in shown if point.payload.case}
    groups = images if group_by == "image" else images | cases
    assert len({hit.group for hit in hits}) == len(hits) == min(limit, len(set(groups.values())))
    assert all(groups[hit.id] == hit.group for hit in hits)


@QUICK
@given(
    n=st.integers(0, 200),
    size=st.integers(20, 90),
    group_by=st.sampled_from([None, "case"]),
)
def test_pages_neither_repeat_nor_lose_a_hit(shared_index, n, size, group_by):
    refill(shared_index, [Point(point_id(k), ROWS[k], Payload(collection=LUNG, case=f"k{k % 150}")) for k in range(n)])
    page = shared_index.page(Nearest(ROWS[-1]), scope=Scope.of([LUNG]), size=size, group_by=group_by)
    hits = list(page.hits)
    while page.next_cursor is not None:
        page = shared_index.page(
            Nearest(ROWS[-1]), scope=Scope.of([LUNG]), size=size, group_by=group_by, cursor=page.next_cursor
        )  # fmt: skip
        hits += page.hits
    assert len({hit.id for hit in hits}) == len(hits) == (n if group_by is None else min(n, 150))
