"""Versions behind a name: fill a new one while the old one answers, then switch."""

from __future__ import annotations

import pytest

from search import Nearest, Scope, errors
from tests.search.samples import OTHER_ENCODER, SCHEMA, axis, point, point_id

ALL = Scope.everything()


def test_a_new_version_fills_beside_the_live_one(index):
    index.upsert([point(1, axis(0))])
    new = index.at_version(index.create_version(OTHER_ENCODER))
    new.upsert([point(1, axis(1)), point(2, axis(2))])
    assert (index.count(scope=ALL), new.count(scope=ALL)) == (1, 2)


def test_a_switch_makes_the_new_version_answer(index):
    name = index.create_version(SCHEMA)
    index.at_version(name).upsert([point(5, axis(0))])
    index.switch(name, expected_points=1)
    assert [hit.id for hit in index.query(Nearest(axis(0)), scope=ALL)] == [point_id(5)]
    assert index.describe().name == name


def test_after_a_switch_to_another_encoder_old_processes_are_refused(index):
    name = index.create_version(OTHER_ENCODER)
    index.switch(name, expected_points=0)
    with pytest.raises(errors.SchemaMismatch):
        index.query(Nearest(axis(0)), scope=ALL)
    index.ensure(OTHER_ENCODER)
    assert index.query(Nearest(axis(0)), scope=ALL) == []


def test_a_version_that_is_not_full_is_not_switched_to(index):
    before = index.describe().name
    name = index.create_version(SCHEMA)
    with pytest.raises(errors.CountMismatch, match="0 points, not 3"):
        index.switch(name, expected_points=3)
    assert index.describe().name == before


def test_an_old_version_can_be_dropped(index):
    old = index.describe().name
    name = index.create_version(SCHEMA)
    index.switch(name, expected_points=0)
    index.drop(old)
    assert [version.name for version in index.versions()] == [name]


def test_the_live_version_cannot_be_dropped(index):
    with pytest.raises(ValueError, match="live"):
        index.drop(index.describe().name)


def test_an_unknown_version_is_missing(index):
    with pytest.raises(errors.IndexMissing):
        index.at_version("v9999")
    with pytest.raises(errors.IndexMissing):
        index.drop("v9999")


def test_versions_are_listed_with_schema_and_count(index):
    index.upsert([point(1, axis(0))])
    index.create_version(OTHER_ENCODER)
    assert [
        (version.schema, version.points, version.live) for version in sorted(index.versions(), key=lambda one: not one.live)
    ] == [
        (SCHEMA, 1, True),
        (OTHER_ENCODER, 0, False),
    ]


def test_a_snapshot_brings_back_what_was_deleted(engine, index, tmp_path):
    if engine in ("memory", "standin"):
        pytest.skip("qdrant-client's local mode makes no snapshots")
    index.upsert([point(1, axis(0), stain="HE"), point(2, axis(1))])
    snapshot = index.snapshot(str(tmp_path / "kept") if engine == "edge" else None)
    index.delete(scope=ALL, ids=[point_id(1)])
    index.restore(snapshot)
    assert index.count(scope=ALL) == 2
    assert index.query(Nearest(axis(0)), scope=ALL)[0].id == point_id(1)


def test_an_engine_without_snapshots_says_so(engine, index):
    if engine != "memory":
        pytest.skip("this engine makes snapshots")
    with pytest.raises(errors.SnapshotFailed):
        index.snapshot()
