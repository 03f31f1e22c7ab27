"""SIGKILL at any moment: every acknowledged point is there, the index opens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from search import Scope, open_edge
from tests.search.samples import axis, point, point_id

ALL = Scope.everything()


WRITER = """
import sys
from search import Payload, Point, open_edge
from tests.search.samples import SCHEMA, point, unit_rows
index = open_edge(sys.argv[1])
index.ensure(SCHEMA)
first, rows = int(sys.argv[2]), unit_rows(20_000, seed=int(sys.argv[2]))
print("ready", flush=True)
for start in range(0, len(rows), 10):
    index.upsert([point(first + start + number, rows[start + number]) for number in range(10)])
    print(first + start, flush=True)   # after the acknowledgement
"""


def _killed_while_writing(folder: Path, *, first: int, after_batches: int) -> list[int]:
    """Starts a writer, kills it (SIGKILL) once it acknowledged some batches, and returns the acknowledged numbers."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(first)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer.stdout as output:
        assert output.readline() == "ready\n"
        said = [output.readline() for _ in range(after_batches)]
        writer.kill()
        said += output.readlines()
    writer.wait()
    whole = [line for line in said if line.endswith("\n")]
    return [int(line) + number for line in whole for number in range(10)]


def _kill_and_check(folder: Path, *, kills: int) -> None:
    acknowledged: list[int] = []
    for kill in range(kills):
        acknowledged += _killed_while_writing(folder, first=100_000 * (kill + 1), after_batches=5 + 7 * kill % 40)
        with open_edge(folder) as index:
            stored = {one.id for batch in index.scroll_all(scope=ALL, size=5_000) for one in batch.points}
            assert stored >= {point_id(number) for number in acknowledged}
            assert index.health().ok


def test_acknowledged_points_survive_kill_9(edge, tmp_path):
    edge.close()
    _kill_and_check(tmp_path, kills=3)


@pytest.mark.kills
@pytest.mark.skipif(not os.environ.get("CI"), reason="skipped: CI not set; three kills are tried everywhere")
def test_acknowledged_points_survive_twenty_kills(edge, tmp_path):
    edge.close()
    _kill_and_check(tmp_path, kills=20)


def test_a_kill_while_an_index_is_built_keeps_every_acknowledged_point(edge, tmp_path):
    edge.close()
    code = """
import sys, threading
from search import open_edge
from tests.search.samples import SCHEMA, point, unit_rows
index = open_edge(sys.argv[1])
index.ensure(SCHEMA)
rows = unit_rows(200, seed=1)
index.upsert([point(number, rows[number]) for number in range(100)])
threading.Thread(target=index.optimise, kwargs={"force": True}, daemon=True).start()
for number in range(100, 200):
    index.upsert([point(number, rows[number])])
print("ready", flush=True)
sys.stdin.read()
"""
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=-1, stdout=-1, text=True)
    assert owner.stdout is not None
    assert owner.stdin is not None
    with owner.stdout as output, owner.stdin:
        assert output.readline() == "ready\n"
        owner.kill()
    owner.wait()
    with open_edge(tmp_path) as index:
        assert index.count(scope=ALL) == 200


def test_a_kill_while_a_version_is_made_leaves_the_live_one_whole(edge, tmp_path):
    edge.upsert([point(1, axis(0))])
    edge.close()
    code = "import sys; from search import open_edge; from tests.search.samples import SCHEMA\n"
    code += "index = open_edge(sys.argv[1]); print('ready', flush=True)\nwhile True: index.create_version(SCHEMA)"
    maker = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert maker.stdout is not None
    with maker.stdout as output:
        output.readline()
        threading.Event().wait(0.3)
        maker.kill()
    maker.wait()
    with open_edge(tmp_path) as index:
        assert index.count(scope=ALL) == 1
        listed = {version.name for version in index.versions()}
    on_disk = {path.name for path in (tmp_path / "images").iterdir() if path.is_dir()}
    assert on_disk == listed == set(json.loads((tmp_path / "images" / "manifest.json").read_text())["versions"])
