"""The embedded engine optimised beside the process, and its snapshots."""

from __future__ import annotations

import dataclasses
import errno
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from search import EdgeSettings, Nearest, Schema, Scope, errors, open_edge, optimising
from tests.search.samples import SCHEMA, axis, point, point_id, unit_rows

ALL = Scope.everything()
LARGE = Schema(fingerprint=SCHEMA.fingerprint)


# --- optimise ------------------------------------------------------------------------------------------


def test_few_points_are_not_worth_an_index(edge):
    edge.upsert([point(1, axis(0))])
    report = edge.optimise()
    assert not report.ran
    assert "1 unindexed" in report.reason


def test_what_is_written_while_an_index_is_built_is_not_lost(edge):
    rows = unit_rows(400, seed=11)
    edge.upsert([point(number, rows[number]) for number in range(300)])
    with ThreadPoolExecutor(1) as thread:
        report = thread.submit(edge.optimise, force=True)
        written = 300
        while not report.done() and written < 400:
            edge.upsert([point(written, rows[written])])
            edge.delete(scope=ALL, ids=[point_id(written - 300)])
            written += 1
            threading.Event().wait(0.01)
        report.result()
    stored = {one.id for one in edge.scroll(scope=ALL, size=1_000).points}
    assert stored == {point_id(number) for number in range(written - 300, written)}


def test_an_optimised_index_opens_again(edge_template, tmp_path):
    shutil.copytree(edge_template, tmp_path, dirs_exist_ok=True)
    rows = unit_rows(1_500, seed=12, dim=512)
    folder = tmp_path / "images"
    with open_edge(tmp_path) as index:
        index.switch(index.create_version(LARGE), expected_points=0)
        for first in range(0, len(rows), 500):
            index.upsert([point(number, rows[number]) for number in range(first, first + 500)])
        report = index.optimise(force=True)
        assert (report.ran, report.unindexed_after) == (True, 0)
    with open_edge(tmp_path) as index:
        assert index.count(scope=ALL) == 1_500
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["v0001", "v0002.2"]


def test_a_graph_is_built_for_as_many_points_as_it_pays_for(edge_template, tmp_path, monkeypatch):
    """Past that the same index goes on without one, and finds as much."""
    shutil.copytree(edge_template, tmp_path, dirs_exist_ok=True)
    rows, wanted, start = unit_rows(1_500, seed=14, dim=512), [], optimising.start

    def noted(folder, schema, settings):
        wanted.append(settings.graph)
        return start(folder, schema, settings)

    monkeypatch.setattr(optimising, "start", noted)
    with open_edge(tmp_path, settings=EdgeSettings(graph_up_to=1_000)) as index:
        index.switch(index.create_version(LARGE), expected_points=0)
        for last in (1_000, 1_500):
            index.upsert([point(number, rows[number]) for number in range(max(0, last - 1_000), last)])
            assert index.optimise(force=True).ran
            found = index.query(Nearest(rows[7]), scope=ALL, limit=10)
            best = (rows[:last] @ rows[7]).argsort()[::-1][:10]
            assert [hit.id for hit in found] == [point_id(number) for number in best]
    assert wanted == [True, False]
    with open_edge(tmp_path, settings=EdgeSettings(graph_up_to=1_000)) as index:
        assert index.query(Nearest(rows[1_400]), scope=ALL, limit=1)[0].id == point_id(1_400)


def test_closing_stops_a_running_optimisation(edge, monkeypatch):
    edge.upsert([point(number, row) for number, row in enumerate(unit_rows(50, seed=13))])
    started = threading.Event()

    def start_endless(*_):
        started.set()
        return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=-1, stderr=-1, text=True)

    monkeypatch.setattr(optimising, "start", start_endless)
    with ThreadPoolExecutor(1) as thread:
        report = thread.submit(edge.optimise, force=True)
        assert started.wait(20)
        edge.close()
        with pytest.raises(errors.SearchError):
            report.result()


def test_a_child_that_dies_leaves_the_index_as_it_was(edge, monkeypatch):
    edge.upsert([point(1, axis(0))])
    monkeypatch.setattr(optimising, "start", lambda *_: subprocess.Popen(["false"], stdout=-1, stderr=-1, text=True))
    with pytest.raises(errors.UpkeepFailed, match="exit status 1"):
        edge.optimise(force=True)
    assert edge.count(scope=ALL) == 1


@pytest.mark.parametrize("graph", [True, False])
def test_optimising_keeps_every_point_and_the_order_of_hits(edge_template, tmp_path, graph):
    shutil.copytree(edge_template, tmp_path, dirs_exist_ok=True)
    rows = unit_rows(500, seed=8)
    with open_edge(tmp_path, settings=EdgeSettings(graph=graph, optimise_after=100)) as index:
        index.upsert([point(number, row) for number, row in enumerate(rows)])
        before = index.query(Nearest(axis(0)), scope=ALL)
        index.optimise()
        after = index.query(Nearest(axis(0)), scope=ALL)
        assert index.count(scope=ALL) == 500
        assert [hit.id for hit in after] == [hit.id for hit in before]


def test_scores_are_raw_cosines_in_spite_of_the_quantised_copy(edge):
    rows = unit_rows(300, seed=9)
    edge.upsert([point(number, row) for number, row in enumerate(rows)])
    cosines = {point_id(number): float(cosine) for number, cosine in enumerate(rows @ rows[0])}
    for hit in edge.query(Nearest(rows[0]), scope=ALL, limit=20):
        assert hit.score == pytest.approx(cosines[hit.id], abs=1e-3)


def test_optimising_on_a_full_disk_leaves_the_index_as_it_was(edge, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    edge.upsert([point(1, axis(0))])
    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(errors.UpkeepFailed, match="No space left"):
        edge.optimise(force=True)
    edge.upsert([point(2, axis(1))])
    assert edge.count(scope=ALL) == 2


def test_a_copy_that_cannot_be_opened_is_not_taken_over(edge, tmp_path, monkeypatch):
    edge.upsert([point(1, axis(0))])
    ruin = "import pathlib, shutil, sys; [shutil.rmtree(p) for p in pathlib.Path(sys.argv[1]).glob('segments/*')]; print(True)"
    ruin += "; pathlib.Path(sys.argv[1], 'edge_config.json').write_text('{')"
    monkeypatch.setattr(
        optimising,
        "start",
        lambda folder, *_: subprocess.Popen([sys.executable, "-c", ruin, str(folder)], stdout=-1, stderr=-1, text=True),
    )
    with pytest.raises(errors.IndexDamaged):
        edge.optimise(force=True)
    edge.upsert([point(2, axis(1))])
    assert edge.count(scope=ALL) == 2
    assert sorted(path.name for path in (tmp_path / "images").iterdir() if path.is_dir()) == ["v0001"]


def test_questions_are_answered_while_an_index_is_built(edge, monkeypatch):
    edge.upsert([point(1, axis(0))])
    started = threading.Event()

    def start_slow(*_):
        started.set()
        return subprocess.Popen([sys.executable, "-c", "input(); print(False)"], stdin=-1, stdout=-1, stderr=-1, text=True)

    monkeypatch.setattr(optimising, "start", start_slow)
    with ThreadPoolExecutor(1) as thread:
        report = thread.submit(edge.optimise, force=True)
        assert started.wait(20)
        assert len(edge.query(Nearest(axis(0)), scope=ALL)) == 1
        assert edge.optimise(force=True).reason == "another optimisation is running"
        assert not report.done()
        edge.close()
        with pytest.raises(errors.SearchError):
            report.result()


# --- snapshots ------------------------------------------------------------------------------------------


def test_a_snapshot_of_another_encoder_is_refused(edge, tmp_path):
    snapshot = edge.snapshot(str(tmp_path / "kept"))
    with pytest.raises(errors.SchemaMismatch):
        edge.restore(dataclasses.replace(snapshot, fingerprint="0" * 32))


def test_a_snapshot_with_too_few_points_is_not_made_live(edge, tmp_path):
    edge.upsert([point(1, axis(0))])
    snapshot = edge.snapshot(str(tmp_path / "kept"))
    with pytest.raises(errors.CountMismatch):
        edge.restore(dataclasses.replace(snapshot, points=2))
    assert [version.name for version in edge.versions()] == ["v0001"]


def test_a_file_that_is_no_snapshot_is_refused(edge, tmp_path):
    snapshot = edge.snapshot(str(tmp_path / "kept"))
    Path(snapshot.location).write_bytes(b"not a tar file")
    with pytest.raises(errors.SnapshotFailed):
        edge.restore(snapshot)
    assert edge.health().ok
