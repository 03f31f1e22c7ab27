from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.site import Site, started


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A demo with more images than a page of results shows."""
    folder: Path = tmp_path_factory.mktemp("demo")
    with started(folder, "demo", "--images", "66") as site:
        yield site


@pytest.fixture(scope="module")
def own_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for a module that fills it with images of its own, which would push the drawn ones off the first page for others."""
    folder: Path = tmp_path_factory.mktemp("own-demo")
    with started(folder, "demo", "--images", "16") as site:
        yield site
