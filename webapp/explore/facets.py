"""How many of the images that one may see carry which stain, organ, tag, or lie in which collection."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from uuid import UUID

from search import Keyword, Scope
from webapp import hints
from webapp.explore.archive import Archive, index_outages
from webapp.explore.asking import SearchFilters

FIELDS = ("collection", "stain", "organ", "tags")
MOST_VALUES = 40
KEPT_S = 20.0  # counts may lag behind an upload by this much


@dataclass(frozen=True)
class FacetValue:
    """``value``: what a filter takes; ``label``: what people read."""

    value: str
    label: str
    count: int


Facets = dict[str, list[FacetValue]]


def facets(archive: Archive, filters: SearchFilters, *, scope: Scope, names: dict[UUID, str]) -> Facets:
    """Field -> values, most frequent first. Each field's counts leave out its own filter, so that others can be chosen.

    ``names``: of the collections in scope. Raises Outage.
    """
    counted = hints.known_or(_key(archive, filters, scope), lambda: _counted(archive, filters, scope), kept_s=KEPT_S)
    labels = {str(collection): name for collection, name in names.items()}
    return {
        field: [FacetValue(value, labels.get(value, value) if field == "collection" else value, n) for value, n in counts]
        for field, counts in counted.items()
    }


def _counted(archive: Archive, filters: SearchFilters, scope: Scope) -> dict[str, list[tuple[str, int]]]:
    with index_outages():
        return {field: _counts(archive, field, filters, scope) for field in FIELDS}


def _counts(archive: Archive, field: str, filters: SearchFilters, scope: Scope) -> list[tuple[str, int]]:
    """Of images, not of regions: each image has one point of the kind "region", its standard view; tiles come on top."""
    narrowed = filters.in_the_index(without=field)
    narrowed = replace(narrowed, keywords=(*narrowed.keywords, Keyword(field="kind", any_of=("region",))))
    found = archive.index.facets(field, scope=scope, filters=narrowed, limit=MOST_VALUES)
    return [(facet.value, facet.count) for facet in found]


def _key(archive: Archive, filters: SearchFilters, scope: Scope) -> str:
    """Under the scope itself: a right that is withdrawn takes its counts with it at once."""
    parts = (archive.index.version_name(), archive.fingerprint, filters, sorted(scope.collections))
    return "facets:" + hashlib.sha256(repr(parts).encode()).hexdigest()
