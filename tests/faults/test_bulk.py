"""Many files through tus while their sender is closed and the site is killed: the receipt adds up exactly."""

from __future__ import annotations

import os

import pytest

from benchmarks import bulk
from tests.faults.site import running_site


def test_the_files_of_a_run_are_what_they_are_said_to_be():
    assert bulk.expected(10_000) == {"ready": 9_700, "duplicate": 200, "failed": 100}
    assert bulk.file(23) == bulk.file(22) != bulk.file(21)
    assert len(bulk.file(7)) < len(bulk.file(8)) * 0.7


def test_every_file_sent_by_tus_survives_a_kill_and_a_closed_sender(quick_folder):
    with running_site(quick_folder / "data") as site:
        told = bulk.run(site, 60, closings=1, kills=1)
    assert (told["sender_closed"], told["site_killed"]) == (1, 1)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not os.environ.get("CI"), reason="skipped: CI not set; one kill is tried everywhere")
def test_every_file_of_500_sent_by_tus_survives_kills_and_closed_senders(quick_folder):
    with running_site(quick_folder / "data") as site:
        told = bulk.run(site, 500)
    assert (told["sender_closed"], told["site_killed"]) == (2, 2)
