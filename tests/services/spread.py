"""A plugin of pytest: of each file some tests, spread over it. All of them take a quarter of an hour on another database; what
that one does otherwise shows in whatever asks it, so that breadth tells more of it than any one file to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import pytest

EACH_FILE = 4  # functions, with the first of their parameters


@pytest.hookimpl(trylast=True)  # after whatever deselects by marker
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    taken = [item for _, file in groupby(items, key=lambda item: item.path) for item in spread(list(file))]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(taken)])
    items[:] = taken


def spread(file: Sequence[pytest.Item]) -> list[pytest.Item]:
    """From its beginning to its end, at equal distances."""
    first = list({getattr(item, "originalname", item.name): item for item in reversed(file)}.values())[::-1]
    if len(first) <= EACH_FILE:
        return first
    return [first[round(n * (len(first) - 1) / (EACH_FILE - 1))] for n in range(EACH_FILE)]
