"""The world that every test of access begins with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction

from tests.webapp.access.world import World, build


@pytest.fixture
def world(db, patterns, settings, tmp_path: Path) -> Iterator[World]:
    """Whatever a test's requests still write is taken back with the test."""
    settings.IDENTITY_CHECK = "hold"
    made = build(settings, tmp_path)
    with transaction.atomic():
        yield made
        transaction.set_rollback(True)
