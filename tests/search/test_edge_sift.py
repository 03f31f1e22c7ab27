"""A broad filter on Edge finds the same points whether it is sifted or walked."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from search import Ask, EdgeSettings, Filters, Keyword, Nearest, Scope, open_edge
from search.edge_sift import MOST_SIFTED, first_of
from search.filters import Tree, tree_of
from search.plan import How
from search.queries import ByVector
from search.store import Search
from tests.search.samples import DIM, HIDDEN, LIVER, LUNG, SCHEMA, axis, point, point_id, unit_rows

BROAD = tree_of(Scope.of([LUNG]), Filters())


def question(*, tree: Tree = BROAD, limit: int = 10, how: How = How.GRAPH) -> Search:
    return Search(form=ByVector(axis(0)), tree=tree, limit=limit, how=how)


def test_a_question_without_a_filter_goes_to_the_engine_as_it_is():
    asked = question(tree=Tree())
    assert first_of(asked, graph=False) == (asked, False)


def test_what_is_scanned_is_not_sifted():
    asked = question(how=How.SCAN)
    assert first_of(asked, graph=False) == (asked, False)


def test_a_broad_filter_is_sifted_from_the_best_of_all():
    first = first_of(question(), graph=False)
    assert first.sift
    assert first.asked.tree == Tree()
    assert first.asked.limit > 2 * 10


def test_so_many_hits_that_sifting_takes_longer_are_asked_with_the_filter():
    assert not first_of(question(limit=MOST_SIFTED), graph=False).sift


def test_with_a_graph_the_engine_walks_under_the_filter():
    asked = question()
    assert first_of(asked, graph=True) == (asked, False)


# --- sifting on a real shard ---------------------------------------------------------------------------------------------


@pytest.fixture
def edge(edge_template, tmp_path):
    """An empty index without a graph."""
    shutil.copytree(edge_template, tmp_path, dirs_exist_ok=True)
    with open_edge(tmp_path, settings=EdgeSettings(graph=False)) as index:
        index.ensure(SCHEMA)
        yield index


@pytest.fixture
def sifting(edge):
    """An index of 300 points; two of three are in LUNG."""
    rows = unit_rows(300, seed=5)
    edge.upsert([point(n, row, collection=LIVER if n % 3 == 0 else LUNG, case=f"C{n % 7}") for n, row in enumerate(rows)])
    return edge, rows


def best(rows: np.ndarray, query: np.ndarray, numbers: list[int], limit: int) -> list[str]:
    scores = rows[numbers] @ query
    return [point_id(numbers[at]) for at in np.argsort(-scores)[:limit]]


LUNGS = [n for n in range(300) if n % 3]


def test_sifted_hits_are_the_best_in_scope(sifting):
    edge, rows = sifting
    hits = edge.query(Nearest(axis(1)), scope=Scope.of([LUNG]), limit=10)
    assert [hit.id for hit in hits] == best(rows, axis(1), LUNGS, 10)


def test_sifting_finds_what_lies_behind_many_points_out_of_scope(edge):
    near = [point(n, axis(0), collection=HIDDEN) for n in range(85)]
    far = [point(n, row, collection=LUNG) for n, row in enumerate(unit_rows(60, seed=6), start=85)]
    edge.upsert(near + far)
    hits = edge.query(Nearest(axis(0)), scope=Scope.of([LUNG]), limit=20)
    assert len(hits) == 20
    assert {hit.id for hit in hits} <= {one.id for one in far}


def test_sifting_keeps_to_every_filter(sifting):
    edge, rows = sifting
    wanted = Filters(keywords=(Keyword(field="case", none_of=("C1",)),))
    hits = edge.query(Nearest(axis(2)), scope=Scope.of([LUNG]), filters=wanted, limit=10)
    assert [hit.id for hit in hits] == best(rows, axis(2), [n for n in LUNGS if n % 7 != 1], 10)


def test_sifting_ends_at_the_score_asked_for(sifting):
    edge, rows = sifting
    scores = sorted((float(rows[n] @ axis(3)) for n in LUNGS), reverse=True)
    hits = edge.query(Nearest(axis(3)), scope=Scope.of([LUNG]), limit=10, min_score=(scores[2] + scores[3]) / 2)
    assert len(hits) == 3


def test_sifted_groups_carry_their_names(sifting):
    edge, _ = sifting
    hits = edge.query(Nearest(axis(4)), scope=Scope.of([LUNG]), limit=7, group_by="case")
    assert {hit.group.rpartition("/")[2] for hit in hits if hit.group} == {f"C{n}" for n in range(7)}


def test_a_batch_answers_each_question_its_own_way(sifting):
    edge, rows = sifting
    one_case = Filters(keywords=(Keyword(field="case", any_of=("C2",)),))
    asks = [Ask(query=Nearest(axis(5)), limit=5), Ask(query=Nearest(axis(5)), filters=one_case, limit=5)]
    broad, narrow = edge.query_batch(asks, scope=Scope.of([LUNG]))
    assert [hit.id for hit in broad] == best(rows, axis(5), LUNGS, 5)
    assert [hit.id for hit in narrow] == best(rows, axis(5), [n for n in LUNGS if n % 7 == 2], 5)


def test_an_empty_index_has_nothing_to_sift(edge):
    assert edge.query(Nearest(unit_rows(1, seed=1, dim=DIM)[0]), scope=Scope.of([LUNG])) == []
