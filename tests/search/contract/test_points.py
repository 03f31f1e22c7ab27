"""Schema, points, counts: what every engine does alike."""

from __future__ import annotations

import numpy as np
import pytest

from search import Filters, Keyword, Scope, VectorIndex, errors
from search.schema import FIELDS, Schema
from tests.search.samples import DIM, HIDDEN, LIVER, LUNG, OTHER_ENCODER, SCHEMA, axis, day, point, point_id, unit_rows

ALL = Scope.everything()


def test_the_index_is_a_vector_index(index):
    assert isinstance(index, VectorIndex)


def test_without_a_version_the_index_says_so(empty_index):
    with pytest.raises(errors.IndexMissing):
        empty_index.count(scope=ALL)


def test_ensure_twice_keeps_the_points(index):
    index.upsert([point(1, axis(0))])
    index.ensure(SCHEMA)
    assert index.count(scope=ALL) == 1


def test_describe_names_the_schema_and_the_points(index):
    index.upsert([point(1, axis(0)), point(2, axis(1))])
    described = index.describe()
    assert (described.schema, described.points, described.live) == (SCHEMA, 2, True)


def test_another_fingerprint_is_refused(index):
    with pytest.raises(errors.SchemaMismatch, match="fingerprint"):
        index.ensure(OTHER_ENCODER)


def test_another_dimension_is_refused(index):
    with pytest.raises(errors.SchemaMismatch, match="dim"):
        index.ensure(Schema(fingerprint=SCHEMA.fingerprint, dim=DIM + 1))


def test_a_process_with_a_foreign_encoder_neither_writes_nor_searches(index):
    with pytest.raises(errors.SchemaMismatch):
        index.ensure(OTHER_ENCODER)
    with pytest.raises(errors.SchemaMismatch):
        index.upsert([point(1, axis(0))])
    with pytest.raises(errors.SchemaMismatch):
        index.count(scope=ALL)


def test_an_upsert_with_a_known_id_replaces(index):
    index.upsert([point(1, axis(0), stain="HE")])
    index.upsert([point(1, axis(1), stain="PAS")])
    [stored] = index.scroll(scope=ALL, vectors=True).points
    assert stored.payload.stain == "PAS"
    assert stored.vector[1] == pytest.approx(1.0, abs=1e-3)


def test_a_payload_comes_back_as_it_went_in(index):
    full = point(
        1, axis(0), collection=LIVER, kind="region", image=point_id(7), case="c-1", slide="s-1", stain="HE", organ="liver",
        tags=("a", "b"), width_px=512, height_px=384, mpp_nm=503, taken_at=day(1), added_at=day(2), has_caption=True,
    )  # fmt: skip
    index.upsert([full])
    assert index.scroll(scope=ALL).points[0].payload == full.payload


@pytest.mark.parametrize(
    "vector",
    [
        pytest.param(np.full(DIM, np.nan, np.float32), id="not a number"),
        pytest.param(np.full(DIM, np.inf, np.float32), id="infinite"),
        pytest.param(2 * axis(0), id="too long"),
        pytest.param(np.zeros(DIM, np.float32), id="zero"),
        pytest.param(np.ones(DIM - 1, np.float32) / np.float32(np.sqrt(DIM - 1)), id="wrong dimension"),
        pytest.param(axis(0).astype(np.float64), id="float64"),
        pytest.param(axis(0).tolist(), id="a list"),
    ],
)
def test_a_bad_vector_stops_the_whole_upsert(index, vector):
    with pytest.raises(errors.BadVector):
        index.upsert([point(1, axis(0)), point(2, vector)])
    assert index.count(scope=ALL) == 0


def test_delete_by_id_stays_inside_the_scope(index):
    index.upsert([point(1, axis(0), collection=LUNG), point(2, axis(1), collection=HIDDEN)])
    index.delete(scope=Scope.of([LUNG]), ids=[point_id(1), point_id(2)])
    assert [kept.id for kept in index.scroll(scope=ALL).points] == [point_id(2)]


def test_delete_by_filter_removes_what_matches(index):
    index.upsert([point(1, axis(0), stain="HE"), point(2, axis(1), stain="PAS")])
    index.delete(scope=ALL, filters=Filters(keywords=(Keyword(field="stain", any_of=("HE",)),)))
    assert [kept.id for kept in index.scroll(scope=ALL).points] == [point_id(2)]


def test_delete_of_a_collection_empties_it(index):
    index.upsert([point(1, axis(0), collection=LUNG), point(2, axis(1), collection=LIVER)])
    index.delete(scope=Scope.of([LIVER]))
    assert [kept.id for kept in index.scroll(scope=ALL).points] == [point_id(1)]


def test_delete_of_everything_must_be_a_drop(index):
    with pytest.raises(ValueError, match="every point"):
        index.delete(scope=ALL)


def test_vectors_come_back_at_storage_precision(index):
    rows = unit_rows(5, seed=1)
    index.upsert([point(number, row) for number, row in enumerate(rows)])
    found = index.get_vectors([point_id(number) for number in range(5)], scope=ALL)
    for number, row in enumerate(rows):
        np.testing.assert_allclose(found[point_id(number)], row, rtol=0, atol=1e-3)


def test_vectors_outside_the_scope_are_left_out(index):
    index.upsert([point(1, axis(0), collection=HIDDEN)])
    assert index.get_vectors([point_id(1)], scope=Scope.of([LUNG])) == {}


def test_counts_respect_scope_and_filters(index):
    index.upsert(
        [point(1, axis(0), stain="HE"), point(2, axis(1), stain="PAS"), point(3, axis(2), collection=HIDDEN, stain="HE")]
    )
    haematoxylin = Filters(keywords=(Keyword(field="stain", any_of=("HE",)),))
    assert index.count(scope=Scope.of([LUNG]), filters=haematoxylin) == 1


def test_facets_count_values_in_scope_only(index):
    index.upsert([point(n, axis(n), stain="HE" if n < 3 else "PAS") for n in range(5)])
    index.upsert([point(9, axis(9), collection=HIDDEN, stain="hidden stain")])
    facets = index.facets("stain", scope=Scope.of([LUNG]))
    assert [(facet.value, facet.count) for facet in facets] == [("HE", 3), ("PAS", 2)]


def test_facets_of_a_field_that_is_no_keyword_are_refused(index):
    with pytest.raises(ValueError, match="width_px"):
        index.facets("width_px", scope=ALL)


def test_captioned_points_can_be_counted(index):
    index.upsert([point(1, axis(0), has_caption=True), point(2, axis(1)), point(3, axis(2))])
    facets = index.facets("has_caption", scope=ALL)
    assert [(facet.value, facet.count) for facet in facets] == [("no", 2), ("yes", 1)]


def test_scrolling_visits_every_point_once(index):
    index.upsert([point(number, row) for number, row in enumerate(unit_rows(23, seed=2))])
    seen = [stored.id for batch in index.scroll_all(scope=ALL, size=5) for stored in batch.points]
    assert seen == sorted(point_id(number) for number in range(23))


def test_every_filter_field_has_an_index(engine, index):
    if engine in ("memory", "standin"):
        pytest.skip("qdrant-client's local mode builds no payload indexes")
    assert index._engine().indexed_fields() >= set(FIELDS)


def test_health_of_a_working_index_is_good(index):
    health = index.health()
    assert health.ok
    assert health.points == 0


def test_health_without_a_version_says_what_is_missing(empty_index):
    health = empty_index.health()
    assert not health.ok
    assert "no" in health.detail
