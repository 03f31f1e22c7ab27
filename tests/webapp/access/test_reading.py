"""Reading writes nothing: whatever is asked by GET leaves every table as it was, but for the audit trail and the session."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from tests.webapp.access.table import answer, rows
from tests.webapp.access.world import actor

WRITING = re.compile(r'\s*(?:INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM|REPLACE INTO)\s+"?(\w+)"?(.*)', re.IGNORECASE | re.DOTALL)
OWN_TRAIL = ("accounts_auditevent", "django_session")
NOTES_ITS_USE = re.compile(r'UPDATE "accounts_apitoken" SET "used_at" = \S+ WHERE', re.IGNORECASE)  # part of a token's own trail


@contextmanager
def writes() -> Iterator[list[str]]:
    """Statements that change a table, as they are sent."""
    seen: list[str] = []

    def look(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        found = WRITING.match(sql)
        if found and found[1] not in OWN_TRAIL and not NOTES_ITS_USE.match(sql):
            seen.append(sql[:160])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        yield seen


@pytest.mark.parametrize("name", ["owner", "superuser", "open link"])
def test_what_only_reads_writes_nothing_but_what_the_trail_keeps(world, name):
    who, wrote = actor(world, name), {}
    for row in (row for row in rows() if row.reads):
        with writes() as seen:
            answer(world, who, row)
        if seen:
            wrote[str(row)] = seen
    assert not wrote


def test_the_wrapper_sees_what_is_written(world):
    with writes() as seen:
        world.image.save(update_fields=["stain"])
    assert len(seen) == 1
