"""What all tests have in common."""

from __future__ import annotations

LONGEST_ID = 80


def pytest_make_parametrize_id(val: object) -> str | None:
    """Files and long texts are no names for tests; some of them are drawn by lot, and processes that run tests side by side
    have to agree on every name.
    """
    if isinstance(val, bytes | str) and len(val) > LONGEST_ID:
        return type(val).__name__
    return None
