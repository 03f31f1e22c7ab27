"""Tests that share a site or a folder stay on one process: a runner that scattered them would make failures nobody can repeat."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("together")
def test_what_belongs_together_is_kept_together(request):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("skipped: one process runs all")
    assert request.node.nodeid.endswith("@together"), "pytest and pytest-xdist do not fit each other: see pyproject.toml"
