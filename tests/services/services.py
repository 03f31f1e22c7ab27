"""Services that production uses: their tests run where an address is named, and say so where none is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def address(variable: str, service: str) -> str:
    """Skips the test without one; with CI set that is a failure, so that no check is lost without a word."""
    told = os.environ.get(variable, "")
    if not told:
        assert not os.environ.get("CI"), f"{variable} names no {service}, and CI is set"
        pytest.skip(f"{variable} names no {service}")
    return told


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python with the site's fake encoder and a data folder of its own."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=surroundings(folder, **environment),
        capture_output=True,
        text=True,
        timeout=1700,
        check=False,
    )


def surroundings(folder: Path, **environment: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return kept | {"CONCHIVE_DATA": str(folder), "CONCHIVE_ENCODER": "fake", "OMP_NUM_THREADS": "1"} | environment
