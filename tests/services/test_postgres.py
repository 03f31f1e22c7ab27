"""The site on PostgreSQL: its own tests, run again on it: some files to their end, some tests of each other one."""

from __future__ import annotations

import pytest

from tests.services.services import ROOT, address, run
from tests.services.spread import WHOLE

# Dear, and of other things than what a database answers: what is decoded, encrypted, read or started.
ELSEWHERE = {
    "test_backup.py",  # starts sites of its own, on databases of their own: tests/services/test_backup.py
    "test_backup_in_bucket.py",  # as well
    "test_every_format.py",
    "test_explore_commands.py",
    "test_hostile.py",
    "test_logs.py",  # starts sites of its own, as test_backup.py does
    "test_originals.py",
    "test_running.py",
    "test_sentinel.py",
    "test_settings.py",
    "test_tables.py",
    "test_tables_xlsx.py",
    "test_three_ways.py",
}
FOLDER = ROOT / "tests" / "webapp"


def test_the_files_that_are_named_are_there():
    assert sorted(name for name in ELSEWHERE | WHOLE if not (FOLDER / name).is_file()) == []


@pytest.mark.timeout(1800)
def test_the_sites_tests_pass_on_postgresql(tmp_path):
    database = address("TEST_DATABASE_URL", "PostgreSQL")
    files = [str(path) for path in sorted(FOLDER.glob("test_*.py")) if path.name not in ELSEWHERE]
    unsynced = "-c synchronous_commit=off"  # nothing of it has to survive a crash
    quick = (
        "-q",
        "-p",
        "tests.services.spread",
        "-p",
        "no:xdist",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "-m",
        "not shared",
    )
    told = run(tmp_path, "-m", "pytest", *quick, *files, DATABASE_URL=database, PGOPTIONS=unsynced)
    assert told.returncode == 0, told.stdout[-4000:]
