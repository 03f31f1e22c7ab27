"""What only the embedded engine has: a folder, a lock, a log, an optimiser, and several threads at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import qdrant_edge

from search import Nearest, Schema, Scope, errors, open_edge
from tests.search.samples import DIM, SCHEMA, axis, point, point_id, unit_rows

ALL = Scope.everything()
LARGE = Schema(fingerprint=SCHEMA.fingerprint)


def test_points_are_there_after_closing_and_opening(edge, tmp_path):
    edge.upsert([point(1, axis(0))])
    edge.close()
    with open_edge(tmp_path) as again:
        assert again.count(scope=ALL) == 1


def test_a_second_opening_is_refused_with_the_holder(edge, tmp_path):
    with pytest.raises(errors.IndexLocked, match=r"process [0-9]+ has the index"):
        open_edge(tmp_path)


def test_another_process_is_refused(edge, tmp_path):
    code = "import sys; from search import errors, open_edge\ntry: open_edge(sys.argv[1])\nexcept errors.IndexLocked: sys.exit(7)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 7


def test_a_lock_that_a_forked_child_holds_for_a_moment_is_waited_for(edge, tmp_path, monkeypatch):
    edge.close()
    load, tries = qdrant_edge.EdgeShard.load, []

    def busy_at_first(*arguments):
        tries.append(arguments)
        if len(tries) < 4:
            raise Exception("Failed to open WAL: WouldBlock")
        return load(*arguments)

    monkeypatch.setattr(qdrant_edge, "EdgeShard", SimpleNamespace(load=busy_at_first))
    with open_edge(tmp_path) as again:
        assert again.count(scope=ALL) == 0
    assert len(tries) == 4


def test_a_closed_index_is_unavailable_not_empty(edge):
    edge.close()
    with pytest.raises(errors.IndexUnavailable):
        edge.count(scope=ALL)


def test_closing_twice_does_nothing(edge):
    edge.close()
    edge.close()


def test_a_damaged_shard_is_named_and_the_lock_released(edge, tmp_path):
    edge.close()
    shutil.rmtree(tmp_path / "images" / "v0001")
    for _ in range(2):
        with pytest.raises(errors.IndexDamaged, match="v0001"):
            open_edge(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"live": "v0001"}', '{"live": null, "versions": {"v0001": {"dim": 3}}, "folders": {}}']
)
def test_a_damaged_manifest_is_named(edge, tmp_path, text):
    edge.close()
    (tmp_path / "images" / "manifest.json").write_text(text)
    with pytest.raises(errors.IndexDamaged, match=r"manifest\.json"):
        open_edge(tmp_path)


def test_what_a_crash_left_of_a_new_version_is_removed(edge, tmp_path):
    edge.close()
    (tmp_path / "images" / ".new-v0002").mkdir()
    (tmp_path / "images" / "v0007").mkdir()
    open_edge(tmp_path).close()
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["lock", "manifest.json", "v0001"]


def test_a_name_that_leaves_the_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="name"):
        open_edge(tmp_path, name="../other")


def test_non_finite_values_never_reach_the_engine(edge):
    for vector in (np.full(DIM, np.nan, np.float32), np.full(DIM, -np.inf, np.float32)):
        with pytest.raises(errors.BadVector):
            edge.upsert([point(1, vector)])
        with pytest.raises(errors.BadVector):
            edge.query(Nearest(vector), scope=ALL)
    assert edge.count(scope=ALL) == 0


# --- threads ----------------------------------------------------------------------------------------------------

WRITERS, READERS, BATCHES, BATCH = 8, 8, 20, 5


def test_eight_writers_and_eight_readers_lose_no_point(edge):
    rows = unit_rows(WRITERS * BATCHES * BATCH, seed=10)
    writing = threading.Event()
    writing.set()

    def write(writer: int) -> None:
        for batch in range(BATCHES):
            first = (writer * BATCHES + batch) * BATCH
            edge.upsert([point(number, rows[number]) for number in range(first, first + BATCH)])

    def read(_: int) -> int:
        asked = 0
        while writing.is_set():
            assert len(edge.query(Nearest(rows[asked]), scope=ALL)) <= 10
            asked = (asked + 1) % len(rows)
        return asked

    with ThreadPoolExecutor(WRITERS + READERS) as threads:
        readers = [threads.submit(read, number) for number in range(READERS)]
        writers = [threads.submit(write, number) for number in range(WRITERS)]
        for writer in writers:
            writer.result()
        writing.clear()
        assert all(reader.result() >= 0 for reader in readers)
    seen = {stored.id for batch in edge.scroll_all(scope=ALL, size=1_000) for stored in batch.points}
    assert seen == {point_id(number) for number in range(len(rows))}


def test_switching_under_readers_never_fails_them(edge):
    edge.upsert([point(1, axis(0))])
    second = edge.create_version(SCHEMA)
    edge.at_version(second).upsert([point(1, axis(0))])
    stop = threading.Event()

    def read() -> int:
        asked = 0
        while not stop.is_set():
            assert len(edge.query(Nearest(axis(0)), scope=ALL)) == 1
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read) for _ in range(4)]
        for name in ("v0002", "v0001") * 3:
            edge.switch(name, expected_points=1)
        stop.set()
        assert sum(reader.result() for reader in readers) > 0
