"""A plugin of pytest: those files to their end that ask and change most, and of every other some tests, spread over it.

All of them take a quarter of an hour on another database. What that one does otherwise shows in whatever asks it: a file that
joins is asked in part by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import pytest

EACH_FILE = 4  # functions, with the first of their parameters
WHOLE = frozenset(
    {
        "test_composing.py",
        "test_editing.py",
        "test_image_seen.py",
        "test_ingest.py",
        "test_pages_collections.py",
        "test_pages_image_editing.py",
        "test_pages_upload.py",
        "test_saved.py",
        "test_search.py",
        "test_tray.py",
    }
)


@pytest.hookimpl(trylast=True)  # after whatever deselects by marker
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    files = [(path.name, list(file)) for path, file in groupby(items, key=lambda item: item.path)]
    taken = [item for name, file in files for item in (file if name in WHOLE else spread(file))]
    kept = set(taken)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = taken


def spread(file: Sequence[pytest.Item]) -> list[pytest.Item]:
    """From its beginning to its end, at equal distances."""
    first = list({getattr(item, "originalname", item.name): item for item in reversed(file)}.values())[::-1]
    if len(first) <= EACH_FILE:
        return first
    return [first[round(n * (len(first) - 1) / (EACH_FILE - 1))] for n in range(EACH_FILE)]
