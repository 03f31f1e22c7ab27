"""VectorIndex: permission-filtered nearest neighbours, the same on Edge and on a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from search.filters import NO_FILTERS, Filters
from search.queries import Query
from search.schema import Schema
from search.store import VersionInfo
from search.types import Array, Batch, Facet, GroupBy, Health, Hit, OptimiseReport, Page, Point, Scope, Snapshot

MOST_HITS = 1_000  # of one query


@dataclass(frozen=True, kw_only=True, eq=False)
class Ask:
    """One question of a batch. ``limit``: hits, or groups where ``group_by`` is given, 1 to 1,000.

    ``diversity``: 0 ranks by score alone, towards 1 neighbours of a hit already shown give way (MMR).
    ``min_score``: hits below it are left out.
    """

    query: Query
    filters: Filters = NO_FILTERS
    limit: int = 10
    group_by: GroupBy | None = None
    diversity: float = 0.0
    min_score: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST_HITS:
            raise ValueError(f"a query returns 1 to {MOST_HITS} hits, not {self.limit}")
        if not 0.0 <= self.diversity <= 1.0:
            raise ValueError(f"diversity is between 0 and 1, not {self.diversity}")


@runtime_checkable
class VectorIndex(Protocol):
    """One named index: a live version that answers, and others being filled. Safe to call from several threads.

    Every method may raise IndexUnavailable, IndexTimedOut, CircuitOpen, AccessRefused or IndexMissing: an outage is never an
    empty result. ``scope`` is what the caller may see; an empty one answers at once, without asking the engine.
    """

    # --- schema ---
    def ensure(self, schema: Schema) -> None:
        """Creates the first version where there is none, and binds this object to ``schema``.

        Raises SchemaMismatch where the live version holds something else, now and at every later call: a process with a
        foreign encoder neither writes nor searches.
        """
        ...

    def describe(self) -> VersionInfo:
        """The live version (or the one this view is bound to)."""
        ...

    def version_name(self) -> str:
        """Name of the version that answers now: whatever is cached about the index is cached under it."""
        ...

    # --- points ---
    def upsert(self, points: Sequence[Point]) -> None:
        """Inserts or replaces; acknowledged on return. Raises BadVector before anything is written."""
        ...

    def delete(self, *, scope: Scope, ids: Sequence[str] = (), filters: Filters = NO_FILTERS) -> None:
        """Removes points in scope that have one of ``ids`` (where given) and match ``filters``.

        Raises ValueError where nothing narrows it: that would empty the index.
        """
        ...

    def get_vectors(self, ids: Sequence[str], *, scope: Scope) -> dict[str, Array]:
        """Ids -> float32 [dim], as stored (float16 precision). What is absent or out of scope is left out."""
        ...

    # --- questions ---
    def query(
        self,
        query: Query,
        *,
        scope: Scope,
        filters: Filters = NO_FILTERS,
        limit: int = 10,
        group_by: GroupBy | None = None,
        diversity: float = 0.0,
        min_score: float | None = None,
    ) -> list[Hit]:
        """Best hits first. See Ask for the arguments.

        Raises BadVector, PointsNotFound (an example that is absent or out of scope), ValueError.
        """
        ...

    def query_batch(self, asks: Sequence[Ask], *, scope: Scope) -> list[list[Hit]]:
        """One list of hits per question, in the same order; plain questions share one pass over the index."""
        ...

    def page(
        self,
        query: Query,
        *,
        scope: Scope,
        filters: Filters = NO_FILTERS,
        size: int = 50,
        cursor: str | None = None,
        group_by: GroupBy | None = None,
        min_score: float | None = None,
    ) -> Page:
        """``size`` hits from ``cursor`` on, to a depth of 1,000. On an unchanged index no hit repeats and none is lost.

        Raises BadCursor, and what query() raises.
        """
        ...

    def scroll(
        self, *, scope: Scope, filters: Filters = NO_FILTERS, size: int = 256, from_id: str | None = None, vectors: bool = False
    ) -> Batch:
        """Stored points in the order of their ids, for exports and counts; ``vectors`` False leaves length 0."""
        ...

    def scroll_all(
        self, *, scope: Scope, filters: Filters = NO_FILTERS, size: int = 256, from_id: str | None = None, vectors: bool = False
    ) -> Iterator[Batch]:
        """scroll() until the end."""
        ...

    def count(self, *, scope: Scope, filters: Filters = NO_FILTERS, exact: bool = True) -> int: ...

    def facets(self, field: str, *, scope: Scope, filters: Filters = NO_FILTERS, limit: int = 50) -> list[Facet]:
        """Values of a keyword field with their counts, most frequent first. Exact on Edge, per shard on a cluster."""
        ...

    # --- upkeep ---
    def optimise(self, *, force: bool = False) -> OptimiseReport:
        """Indexes what is unindexed where that pays. Slow: from a background job, never in a request."""
        ...

    def snapshot(self, target: str | None = None) -> Snapshot:
        """A restorable copy of the version. Edge writes a file into the folder ``target``; a server keeps it. SnapshotFailed."""
        ...

    def restore(self, snapshot: Snapshot) -> str:
        """Brings a snapshot back as a new version and makes it live once its count is right. SnapshotFailed, SchemaMismatch."""
        ...

    def health(self) -> Health:
        """Whether it answers, and how fast. Does not raise."""
        ...

    def close(self) -> None: ...

    # --- versions behind the name ---
    def versions(self) -> list[VersionInfo]: ...

    def create_version(self, schema: Schema) -> str:
        """A new, empty version beside the live one; its name. Fill it through at_version()."""
        ...

    def at_version(self, name: str) -> VectorIndex:
        """The same index, bound to one version instead of the live one. Closing it closes nothing."""
        ...

    def switch(self, name: str, *, expected_points: int) -> None:
        """Makes a version live. Raises CountMismatch, and leaves all as it was, where it does not hold ``expected_points``."""
        ...

    def drop(self, name: str) -> None:
        """Deletes a version for good. Raises ValueError for the live one."""
        ...
