"""A site on PostgreSQL is dumped, lost and restored."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.services.services import address
from tests.webapp.rehearsal import Rehearsal

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def database() -> Iterator[str]:
    """The address of a new, empty database."""
    server, name = address("TEST_DATABASE_URL", "PostgreSQL"), f"backup_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def empty(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def test_everything_is_lost_and_comes_back_with_the_same_answers(database, tmp_path: Path):
    site = Rehearsal(tmp_path, DATABASE_URL=database)
    site.make()
    before = site.ask()
    site.back_up()
    site.lose_files()
    empty(database)
    told = site.restore()
    assert told["verify"]["clean"] is True
    assert told["index"] == "made anew"
    assert site.ask() == before
    again = site.restore("--force")
    assert again["verify"]["clean"] is True
    assert any(each.startswith("schema replaced_") for each in again["set_aside"])
    assert site.ask() == before
