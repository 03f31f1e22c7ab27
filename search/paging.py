"""Pages that neither repeat nor lose a hit, from engines whose approximate answers depend on how many hits are asked for.

A ranking is made of two windows: the best 128, and, only where a page reaches past them, the best of all others. The second
search excludes what the first one returned, so that no hit can stand on two pages, and both are the same for every page.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from search.errors import BadCursor
from search.filters import HasId, OneOf, Tree
from search.plan import How
from search.store import RawHit, Search

DEPTH = 1_000  # hits, or groups, that can be paged through
FIRST_WINDOW = 128
LONGEST_CURSOR = 200  # characters


@dataclass(frozen=True)
class Cursor:
    """Where the next page starts, and of which ranking. Not secret and not trusted: the scope is given anew with every page."""

    offset: int
    ranking: str

    def text(self) -> str:
        packed = json.dumps([self.offset, self.ranking], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def offset_of(text: str | None, *, ranking: str) -> int:
    """Where the page starts; 0 without a cursor. Raises BadCursor where it belongs to another ranking."""
    if text is None:
        return 0
    if len(text) > LONGEST_CURSOR:  # and no depth of brackets that would be too deep to read
        raise BadCursor("this is not a page cursor")
    try:
        offset, named = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, TypeError) as exc:
        raise BadCursor("this is not a page cursor") from exc
    if named != ranking:
        raise BadCursor("this cursor belongs to another query, or the index was switched: start again at the first page")
    if not isinstance(offset, int) or not 0 <= offset <= DEPTH:
        raise BadCursor("this cursor points past the last page")
    return offset


def ranking_name(*parts: object) -> str:
    """Short digest of everything a ranking depends on."""
    return hashlib.sha256("\0".join(map(repr, parts)).encode()).hexdigest()[:24]


def first_hits(search: Search, run: Callable[[Search], list[RawHit]], *, upto: int) -> list[RawHit]:
    """The first hits of the ranking: at least ``upto`` of them where there are as many, at most DEPTH."""
    first = run(replace(search, limit=FIRST_WINDOW))
    short = len(first) < FIRST_WINDOW
    whole = short and (search.min_score is not None or search.how is How.SCAN)
    if upto <= len(first) or whole:
        return first
    # a graph walk may stop early: only a scan may say that there is no more
    how = How.SCAN if short else search.how
    return first + run(replace(search, tree=_without(search, first), limit=DEPTH - len(first), how=how))


def _without(search: Search, hits: list[RawHit]) -> Tree:
    if not hits:
        return search.tree
    if search.group_field is None:
        return search.tree.without(HasId(tuple(hit.id for hit in hits)))
    return search.tree.without(OneOf(search.group_field, tuple(hit.group or hit.id for hit in hits)))
