from __future__ import annotations

import pytest
from qdrant_client import QdrantClient

from search import Nearest, Scope, errors, migrate, open_edge, over_client
from search.__main__ import main
from tests.search.samples import SCHEMA, axis, day, point, point_id, unit_rows

ALL = Scope.everything()


@pytest.fixture
def filled(edge):
    rows = unit_rows(60, seed=40)
    edge.upsert(
        [point(k, row, stain="HE", tags=("a",), taken_at=day(1 + k % 9), has_caption=k % 2 == 0) for k, row in enumerate(rows)]
    )
    return edge


@pytest.fixture
def server():
    with over_client(QdrantClient(":memory:")) as index:
        yield index


def test_an_index_moves_from_edge_to_a_server(filled, server, tmp_path):
    seen: list[migrate.Progress] = []
    done = migrate.migrate(filled, server, mark=tmp_path / "mark", on_progress=seen.append, batch=25)
    assert (done.points, done.compared) == (60, 60)
    assert [progress.copied for progress in seen] == [25, 50, 60]
    assert server.describe().schema == SCHEMA
    assert server.scroll(scope=ALL).points[7].payload == filled.scroll(scope=ALL).points[7].payload
    assert server.query(Nearest(axis(0)), scope=ALL)[0].id == filled.query(Nearest(axis(0)), scope=ALL)[0].id


def test_it_moves_back(filled, server, tmp_path):
    migrate.migrate(filled, server, mark=tmp_path / "mark")
    with open_edge(tmp_path / "other") as other:
        migrate.migrate(server, other, mark=tmp_path / "mark")
        assert other.count(scope=ALL) == 60


def test_an_unfinished_run_goes_on_where_it_stopped(filled, server, tmp_path):
    def fail_late(progress):
        if progress.copied == 40:
            raise errors.IndexUnavailable("gone")

    with pytest.raises(errors.IndexUnavailable):
        migrate.migrate(filled, server, mark=tmp_path / "mark", on_progress=fail_late, batch=20)
    seen: list[migrate.Progress] = []
    migrate.migrate(filled, server, mark=tmp_path / "mark", on_progress=seen.append, batch=20)
    assert [progress.copied for progress in seen] == [60]
    assert len(server.versions()) == 1
    assert not (tmp_path / "mark").exists()


def test_a_run_whose_target_version_is_gone_starts_again(filled, server, tmp_path):
    (tmp_path / "mark").write_text('{"source": "v0001", "version": "images.gone.0001", "next_id": null, "copied": 60}')
    assert migrate.migrate(filled, server, mark=tmp_path / "mark").points == 60


def test_a_copy_with_a_point_too_few_is_not_made_live(filled, server, tmp_path):
    with pytest.raises(errors.IndexUnavailable):
        migrate.migrate(filled, server, mark=tmp_path / "mark", on_progress=_stop)
    copy = server.at_version(server.versions()[0].name)
    copy.delete(scope=ALL, ids=[point_id(3)])
    with pytest.raises(errors.CountMismatch):
        migrate.migrate(filled, server, mark=tmp_path / "mark")
    with pytest.raises(errors.IndexMissing):
        server.describe()


def test_a_copy_with_another_vector_is_not_made_live(filled, server, tmp_path):
    with pytest.raises(errors.IndexUnavailable):
        migrate.migrate(filled, server, mark=tmp_path / "mark", on_progress=_stop)
    server.at_version(server.versions()[0].name).upsert([point(3, axis(3))])
    with pytest.raises(errors.CopyMismatch, match=point_id(3)):
        migrate.migrate(filled, server, mark=tmp_path / "mark")


def _stop(_):
    raise errors.IndexUnavailable("gone")


def test_the_command_copies_and_says_so(filled, tmp_path, capsys):
    filled.close()
    assert main(["migrate", str(tmp_path), str(tmp_path / "copy"), "--mark", str(tmp_path / "mark")]) == 0
    assert "60 points copied" in capsys.readouterr().out


def test_the_command_says_in_one_sentence_what_is_wrong(edge, tmp_path, capsys):
    assert main(["migrate", str(tmp_path), str(tmp_path / "copy"), "--mark", str(tmp_path / "mark")]) == 1
    assert "IndexLocked" in capsys.readouterr().err
