"""Pages do not wait for PostgreSQL for ever: how the web server says so, and what people are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.db import OperationalError, connections
from django.test import RequestFactory
from psycopg.errors import LockNotAvailable, QueryCanceled

from tests.webapp.test_settings import ROOT
from webapp.hurry import limit_statements
from webapp.outages import OutageMiddleware

SHOW = "from django.conf import settings; import json; print(json.dumps(settings.DATABASES['default']))"


def options(code: str, folder, **told: str) -> dict[str, object]:
    """What a process with these settings would say to PostgreSQL when it connects."""
    surroundings = os.environ | {"CONCHIVE_DATA": str(folder), "DATABASE_URL": "postgres://u:p@nowhere/db", **told}
    surroundings["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=surroundings, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(ran.stdout)["OPTIONS"]
    return found


def test_connecting_takes_five_seconds_at_most_unless_told_otherwise(tmp_path):
    assert options(SHOW, tmp_path) == {"connect_timeout": 5}
    assert options(SHOW, tmp_path, DATABASE_CONNECT_TIMEOUT_S="2") == {"connect_timeout": 2}
    in_the_address = "postgres://u:p@nowhere/db?connect_timeout=9"
    assert options(SHOW, tmp_path, DATABASE_URL=in_the_address)["connect_timeout"] in (9, "9")


def test_only_the_web_server_is_in_a_hurry(tmp_path):
    in_a_hurry = f"from webapp.hurry import limit_statements; limit_statements(); {SHOW}"
    assert options(in_a_hurry, tmp_path)["options"] == "-c statement_timeout=5000"
    assert options(in_a_hurry, tmp_path, STATEMENT_TIMEOUT_S="0.5")["options"] == "-c statement_timeout=500"
    assert "options" not in options(in_a_hurry, tmp_path, STATEMENT_TIMEOUT_S="0")
    assert "options" not in options(SHOW, tmp_path)


def test_sqlite_is_left_alone():
    limit_statements()
    if connections["default"].vendor == "sqlite":
        assert "options" not in connections.settings["default"]["OPTIONS"]


def answered(cause: Exception, path: str = "/"):
    error = OperationalError("canceling statement due to statement timeout")
    error.__cause__ = cause
    request = RequestFactory().get(path)
    return OutageMiddleware(lambda _: None).process_exception(request, error)  # type: ignore[arg-type,return-value]


@pytest.mark.django_db
def test_a_statement_that_takes_too_long_is_an_outage_that_says_so():
    page = answered(QueryCanceled(), "/api/v1/images")
    assert page is not None
    assert (page.status_code, json.loads(page.content)["detail"]) == (503, "The database took too long to answer.")
    assert answered(LockNotAvailable()) is None
