"""One hit per image or case, and always as many groups as were asked for where that many exist.

Engines fill groups only as far as a fixed number of tries goes (a case with ten thousand regions can hide all others), so
groups that are found are excluded and the rest is searched again until enough are found or nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from search.filters import OneOf
from search.plan import How
from search.store import RawHit, Search

MOST_HITS_A_ROUND = 1_024

Ask = Callable[[Search], list[RawHit]]


def best_of_groups(search: Search, *, first: Ask, more: Ask) -> list[RawHit]:
    """The best hit of each of the ``search.limit`` best groups, best first.

    ``first``: a search that returns hits of distinct groups where the engine can. ``more``: a plain search.
    """
    field = search.group_field
    if field is None:
        raise ValueError("grouping needs a group field")
    bare = replace(search, min_score=None)  # a threshold would make a short answer look like the end of the index
    found = first_of_each(first(bare))
    _fill(found, bare, more, min_score=search.min_score)
    ranked = sorted(found.values(), key=rank)
    return [hit for hit in ranked if search.min_score is None or hit.score >= search.min_score][: search.limit]


def first_of_each(hits: Iterable[RawHit]) -> dict[str, RawHit]:
    """Hits in ranked order -> the first one of each group."""
    found: dict[str, RawHit] = {}
    for hit in hits:
        found.setdefault(hit.group or hit.id, hit)
    return found


def rank(hit: RawHit) -> tuple[float, str]:
    """Sort key: best score first, equal scores by id, so that two engines agree."""
    return -hit.score, hit.id


def _fill(found: dict[str, RawHit], search: Search, more: Ask, *, min_score: float | None) -> None:
    limit = max(16, search.limit)
    how = search.how
    while len(found) < search.limit:
        if min_score is not None and any(hit.score < min_score for hit in found.values()):
            return  # whatever follows ranks lower still
        tree = search.tree.without(OneOf(search.group_field or "", tuple(found))) if found else search.tree
        hits = more(replace(search, tree=tree, limit=limit, how=how))
        for group, hit in first_of_each(hits).items():
            found.setdefault(group, hit)
        if len(hits) < limit and len(found) < search.limit:
            if how is How.SCAN:
                return
            how = How.SCAN  # a graph walk may stop early: only a scan may say that nothing is left
        limit = min(2 * limit, MOST_HITS_A_ROUND)
