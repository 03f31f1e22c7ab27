from __future__ import annotations

import pytest

from search import Ask, Nearest, Payload, Point, Scope, plan
from search.filters import OneOf, Tree
from search.plan import KEPT_S, How, Planner, how_for
from tests.search.samples import SCHEMA, axis, point_id, unit_rows

SOME = Tree(must=(OneOf("stain", ("HE",)),))


@pytest.mark.parametrize(
    ("kept", "points", "how"),
    [
        (100_000, 100_000, How.GRAPH),
        (39_499, 100_000, How.GRAPH),  # how the engine estimates fifty collections of a hundred
        (10_000, 100_000, How.SCAN),
        (100_000, 1_000_000, How.SCAN),
        (3_000_000, 10_000_000, How.WIDE),
        (20_000, 40_000, How.SCAN),  # few enough to look at each
        (0, 0, How.SCAN),
    ],
)
def test_the_share_that_a_filter_keeps_decides(kept, points, how):
    assert how_for(kept=kept, points=points) is how


class Counting:
    """Of a thousand points a tenth passes."""

    def __init__(self) -> None:
        self.asked = 0

    def count(self, tree: Tree, *, exact: bool) -> int:
        self.asked += 1
        return 100 if tree.must else 1_000


def test_a_decision_is_kept_for_a_while():
    now, engine = [0.0], Counting()
    planner = Planner(clock=lambda: now[0])
    for _ in range(5):
        assert planner.how("v1", engine, SOME) is How.SCAN  # type: ignore[arg-type]
    assert engine.asked == 2
    now[0] = KEPT_S + 1
    planner.how("v1", engine, SOME)  # type: ignore[arg-type]
    assert engine.asked == 4


def test_without_a_filter_nothing_is_counted():
    engine = Counting()
    assert Planner().how("v1", engine, Tree()) is How.GRAPH  # type: ignore[arg-type]
    assert engine.asked == 0


def test_a_scope_of_one_collection_in_ten_is_scanned(edge, monkeypatch):
    monkeypatch.setattr(plan, "SCANNED_ANYHOW", 0)
    collections = [point_id(5_000 + number) for number in range(10)]
    edge.upsert(
        [Point(point_id(n), row, Payload(collection=collections[n % 10])) for n, row in enumerate(unit_rows(200, seed=50))]
    )
    ask = Ask(query=Nearest(axis(0)))
    assert edge._search(ask, Scope.of(collections[:1]), "v0001", SCHEMA).how is How.SCAN
    assert edge._search(ask, Scope.of(collections[:8]), "v0001", SCHEMA).how is How.GRAPH
    assert edge._search(ask, Scope.everything(), "v0001", SCHEMA).how is How.GRAPH
