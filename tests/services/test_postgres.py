"""The site on PostgreSQL: its own tests, run again on it."""

from __future__ import annotations

import pytest

from tests.services.services import address, run

FILES = (
    "test_composing.py",
    "test_editing.py",
    "test_image_seen.py",
    "test_ingest.py",
    "test_pages_image_editing.py",
    "test_pages_collections.py",
    "test_pages_upload.py",
    "test_saved.py",
    "test_search.py",
    "test_tray.py",
)


@pytest.mark.timeout(900)
def test_the_sites_tests_pass_on_postgresql(tmp_path):
    database = address("TEST_DATABASE_URL", "PostgreSQL")
    files = [f"tests/webapp/{name}" for name in FILES]
    told = run(tmp_path, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *files, DATABASE_URL=database)
    assert told.returncode == 0, told.stdout[-4000:]
