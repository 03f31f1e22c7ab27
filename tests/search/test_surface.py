from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import search
from search import DateRange, Filters, IntegerRange, Keyword, Like, Payload, Point, Scope, errors
from search.diversity import diverse_order
from search.filters import OneOf, tree_of
from tests.search.samples import LUNG, axis, point_id


def test_the_surface_imports_no_engine_no_torch_and_no_django():
    code = "import sys, search; sys.exit(bool({'qdrant_client', 'qdrant_edge', 'grpc', 'torch', 'django'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_everything_named_is_there():
    assert all(hasattr(search, name) for name in search.__all__)


def test_every_error_has_its_own_reason():
    tree = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.SearchError)]
    assert len({error.reason for error in tree}) == len(tree)


def test_a_scope_that_nobody_filled_hides_everything():
    assert Scope() == Scope.nothing()
    assert Scope.of([]).is_empty
    assert not Scope.everything().is_empty


@pytest.mark.parametrize("wrong", [LUNG, ["not a uuid"], [LUNG.replace("-", "")], [None]])
def test_a_scope_of_something_else_than_uuids_is_refused(wrong):
    with pytest.raises(ValueError):
        Scope.of(wrong)


def test_the_scope_is_the_first_condition_of_every_tree():
    assert tree_of(Scope.of([LUNG]), Filters()).must == (OneOf("collection", (LUNG,)),)


def test_ids_that_are_no_uuids_are_refused():
    with pytest.raises(ValueError, match="UUID"):
        Point("7", axis(0), Payload(collection=LUNG))
    with pytest.raises(ValueError, match="UUID"):
        Payload(collection="lung")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Keyword(field="file_name", any_of=("x",)),
        lambda: Keyword(field="width_px", any_of=("x",)),
        lambda: Keyword(field="stain", any_of="HE"),  # type: ignore[arg-type]
        lambda: IntegerRange(field="width_px"),
        lambda: IntegerRange(field="stain", at_least=1),
        lambda: DateRange(field="width_px"),
        lambda: Filters(exclude_ids=tuple(point_id(number) for number in range(1_001))),
        lambda: Like(),
        lambda: Like((), (axis(0),), "average"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(make):
    with pytest.raises(ValueError):
        make()


def test_without_diversity_the_ranking_stays():
    vectors = np.stack([axis(0), axis(0), axis(1)])
    assert diverse_order(np.array([0.9, 0.8, 0.7], np.float32), vectors, limit=3, diversity=0.0) == [0, 1, 2]


def test_with_full_diversity_a_twin_comes_last():
    vectors = np.stack([axis(0), axis(0), axis(1)])
    assert diverse_order(np.array([0.9, 0.8, 0.7], np.float32), vectors, limit=3, diversity=1.0) == [0, 2, 1]
