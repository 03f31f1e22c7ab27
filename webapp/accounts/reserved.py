"""Names that nobody can take: the site itself acts under them."""

from __future__ import annotations

from webapp.accounts import demo, operator

RESERVED = frozenset({operator.NAME, demo.NAME})


def is_reserved(name: str) -> bool:
    return name.casefold() in RESERVED
