"""The seam below VectorIndex: what an adapter must do. Everything two engines have in common lives above it, once.

An Engine is one version's points; a Store is the versions of one index, with one of them live. Both translate whatever
their engine raises into search.errors, and both may be called from several threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from search.filters import Tree
from search.plan import How
from search.queries import Form
from search.schema import Schema
from search.types import Batch, Facet, Health, OptimiseReport, Point, Snapshot


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """One ranked search. ``how``: see plan.py. ``group_field``: payload field returned with each hit."""

    form: Form
    tree: Tree
    limit: int
    min_score: float | None = None
    group_field: str | None = None
    how: How = How.GRAPH


class RawHit(NamedTuple):
    id: str
    score: float
    group: str | None


@dataclass(frozen=True, kw_only=True)
class VersionInfo:
    """One version of an index. ``points`` counts every point in it."""

    name: str
    schema: Schema
    points: int
    live: bool


class Engine(Protocol):
    """The points of one version."""

    def upsert(self, points: Sequence[Point]) -> None:
        """Acknowledged on return: see the store's flush policy. The last vector of an id wins."""
        ...

    def delete(self, tree: Tree) -> None: ...

    def search(self, search: Search) -> list[RawHit]: ...

    def search_batch(self, searches: Sequence[Search]) -> list[list[RawHit]]: ...

    def search_groups(self, search: Search) -> list[RawHit]:
        """The best hit of each group, up to ``limit`` of them; may return fewer than there are."""
        ...

    def fetch(self, tree: Tree, *, limit: int, from_id: str | None, vectors: bool, payload: bool) -> Batch:
        """Stored points in the order of their ids. Without ``vectors`` they have length 0; without ``payload`` an empty one."""
        ...

    def count(self, tree: Tree, *, exact: bool) -> int: ...

    def facet(self, field: str, tree: Tree, *, limit: int) -> list[Facet]: ...

    def indexed_fields(self) -> frozenset[str]:
        """Payload fields that have an index."""
        ...


class Store(Protocol):
    """The versions of one index behind one name."""

    def versions(self) -> list[VersionInfo]: ...

    def live(self) -> tuple[str, Schema]:
        """Name and schema of the live version. Raises IndexMissing where there is none."""
        ...

    def schema_of(self, version: str) -> Schema:
        """Raises IndexMissing."""
        ...

    def create(self, schema: Schema) -> str:
        """A new, empty version with every payload index. Not live."""
        ...

    def engine(self, version: str) -> Engine: ...

    def switch(self, version: str) -> None:
        """Makes a version live, atomically: every reader sees the old one or the new one."""
        ...

    def drop(self, version: str) -> None: ...

    def optimise(self, version: str, *, force: bool) -> OptimiseReport: ...

    def snapshot(self, version: str, target: str | None) -> Snapshot: ...

    def restore(self, snapshot: Snapshot) -> str:
        """A new version, not live, with the snapshot's points; its name."""
        ...

    def health(self) -> Health: ...

    def close(self) -> None: ...
