"""The engine in process: one version of an index as one Qdrant Edge shard.

Flush policy: a write is acknowledged when the shard's log has it, so it survives kill -9. It is forced onto the disk, and then
survives power loss too, with the write that completes EdgeSettings.flush_after_points or comes flush_after_s after the last
flush, and at every optimise(), snapshot() and close(). A flush touches every file of the shard and takes 5 to 700 ms; what a
power loss takes is in SQL and comes back by reconciliation, which compares counts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import qdrant_edge as edge

from search.edge_models import config_of, filter_of, index_updates, request_of, row_of
from search.edge_sift import First, first_of
from search.errors import IndexDamaged, IndexLocked, IndexUnavailable, RequestRefused
from search.filters import HasId, Tree
from search.grouping import first_of_each
from search.schema import EdgeSettings, Schema, from_stored, to_stored
from search.store import RawHit, Search
from search.types import NO_PAYLOAD, NO_VECTOR, Array, Batch, Facet, Point

T = TypeVar("T")

CLOSED = "is not initialized"  # how the engine says that the shard was closed
NO_SPACE = "No space left on device"
LOCK_WAIT_S = 5.0
LOCK_LOOK_S = 0.02
POINTS_A_CALL = 256  # the engine holds Python's global lock while it writes: other threads wait some 10 ms at most
HITS_PER_GROUP = 4  # taken at first: most cases and images show up several times among the best


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The engine raises bare Exception for everything: the one place where it may be caught as such."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except Exception as exc:
        if CLOSED in str(exc):
            raise IndexUnavailable(f"the embedded index is closed: {what} failed") from exc
        if NO_SPACE in str(exc):
            raise IndexUnavailable(f"the disk of the embedded index is full: {what} failed") from exc
        raise RequestRefused(f"the embedded index refuses: {what} failed: {exc}") from exc


class EdgeEngine:
    """One shard, opened. Any thread may call it; the engine runs one call at a time, since it holds Python's global lock."""

    def __init__(self, shard: edge.EdgeShard, *, dim: int, settings: EdgeSettings) -> None:
        self._shard = shard
        self._dim = dim
        self._settings = settings
        self._graph = settings.for_points(shard.info().points_count).graph  # as the last optimise() found it, or nearly
        self._writing = threading.Lock()
        self._journal: list[edge.UpdateOperation] | None = None
        self._unflushed_points = 0
        self._flushed_at = time.monotonic()

    @classmethod
    def create(cls, path: Path, schema: Schema, settings: EdgeSettings) -> EdgeEngine:
        """A new shard in the empty folder ``path``, with an index on every filter field, on disk on return."""
        with translated("creating a version"):
            shard = edge.EdgeShard.create(str(path), config_of(schema, settings))
            for update in index_updates():
                shard.update(update)
            shard.flush()
        return cls(shard, dim=schema.dim, settings=settings)

    @classmethod
    def load(cls, path: Path, schema: Schema, settings: EdgeSettings) -> EdgeEngine:
        """Opens a shard and replays its log. Raises IndexLocked, IndexDamaged."""
        return cls(_loaded(path, schema, settings), dim=schema.dim, settings=settings)

    def upsert(self, points: Sequence[Point]) -> None:
        for start in range(0, len(points), POINTS_A_CALL):
            some = points[start : start + POINTS_A_CALL]
            stored = [edge.Point(point.id, row_of(point.vector), to_stored(point.id, point.payload)) for point in some]
            self._update(edge.UpdateOperation.upsert_points(stored), points=len(stored))

    def delete(self, tree: Tree) -> None:
        self._update(edge.UpdateOperation.delete_points_by_filter(filter_of(tree) or edge.Filter()))

    def _update(self, operation: edge.UpdateOperation, *, points: int = 1) -> None:
        with self._writing, translated("a write"):
            self._shard.update(operation)
            if self._journal is not None:
                self._journal.append(operation)
            self._unflushed_points += points
            waited_s = time.monotonic() - self._flushed_at
            if self._unflushed_points >= self._settings.flush_after_points or waited_s >= self._settings.flush_after_s:
                self._flush()

    def _flush(self) -> None:
        self._shard.flush()
        self._unflushed_points = 0
        self._flushed_at = time.monotonic()

    def search(self, search: Search) -> list[RawHit]:
        return self.search_batch([search])[0]

    def search_batch(self, searches: Sequence[Search]) -> list[list[RawHit]]:
        firsts = [first_of(search, graph=self._graph) for search in searches]
        answers = self._ask(firsts)
        return [
            self._sifted(search, hits, asked=first.asked.limit) if first.sift else hits
            for search, first, hits in zip(searches, firsts, answers, strict=True)
        ]

    def _ask(self, firsts: Sequence[First]) -> list[list[RawHit]]:
        # what is sifted is asked for in plenty: candidates of candidates would double its time and change nothing
        requests = [request_of(one.asked, self._settings, oversampling=1.0 if one.sift else None) for one in firsts]
        with translated("a query"):
            if len(requests) == 1:
                answers = [self._shard.query(requests[0])]
            else:
                answers = self._shard.query_batch(edge.QueryBatchRequest(requests))
        return [_raw(scored, one.asked.group_field) for scored, one in zip(answers, firsts, strict=True)]

    def _sifted(self, search: Search, hits: list[RawHit], *, asked: int) -> list[RawHit]:
        """The best of all points -> those that the filter keeps; asked again with the filter where they are too few."""
        tree = search.tree.only(HasId(tuple(hit.id for hit in hits)))
        request = edge.ScrollRequest(filter=filter_of(tree), limit=len(hits) or 1, with_vector=False, with_payload=False)
        with translated("a query"):
            inside = {str(record.id) for record in self._shard.scroll(request)[0]}
        kept = [hit for hit in hits if hit.id in inside][: search.limit]
        ends_at_score = search.min_score is not None and len(hits) < asked
        if len(kept) < search.limit and not ends_at_score:
            return self._ask([First(search)])[0]
        return kept if search.group_field is None else self._with_groups(kept, search.group_field)

    def _with_groups(self, hits: list[RawHit], field: str) -> list[RawHit]:
        """Payloads are read only for hits that stay: reading one takes as long as walking past ten points."""
        with translated("a query"):
            records = self._shard.retrieve([hit.id for hit in hits], with_payload=[field], with_vector=False)
        groups = {str(record.id): (record.payload or {}).get(field) for record in records}
        return [hit._replace(group=groups.get(hit.id)) for hit in hits]

    def search_groups(self, search: Search) -> list[RawHit]:
        hits = self.search(replace(search, limit=HITS_PER_GROUP * search.limit))
        return list(first_of_each(hits).values())

    def fetch(self, tree: Tree, *, limit: int, from_id: str | None, vectors: bool, payload: bool) -> Batch:
        request = edge.ScrollRequest(
            filter=filter_of(tree), limit=limit, offset=from_id, with_vector=vectors, with_payload=payload
        )  # fmt: skip
        with translated("reading points"):
            records, following = self._shard.scroll(request)
        rows = np.array([record.vector for record in records], np.float32) if vectors else [NO_VECTOR] * len(records)
        points = [_point(record, row) for record, row in zip(records, rows, strict=True)]
        return Batch(points, None if following is None else str(following))

    def count(self, tree: Tree, *, exact: bool) -> int:
        with translated("counting"):
            return self._shard.count(edge.CountRequest(exact=exact, filter=filter_of(tree)))

    def facet(self, field: str, tree: Tree, *, limit: int) -> list[Facet]:
        with translated("counting values"):
            response = self._shard.facet(edge.FacetRequest(field, limit=limit, exact=True, filter=filter_of(tree)))
        return [Facet(str(hit.value), hit.count) for hit in response.hits]

    def indexed_fields(self) -> frozenset[str]:
        with translated("describing"):
            return frozenset(self._shard.info().payload_schema)

    # --- upkeep -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        with self._writing, translated("flushing"):
            self._flush()

    def unindexed(self) -> tuple[int, int]:
        """Points, and how many of them no index covers yet."""
        with translated("describing"):
            info = self._shard.info()
        return info.points_count, max(0, info.points_count - info.indexed_vectors_count)

    def while_still(self, act: Callable[[], T]) -> T:
        """Runs ``act`` while all is on disk and no write changes the files. Reads go on."""
        with self._writing:
            with translated("flushing"):
                self._flush()
            return act()

    def start_journal(self) -> None:
        """From now on writes are also kept for adopt(). To be called inside while_still()."""
        self._journal = []

    def stop_journal(self) -> None:
        with self._writing:
            self._journal = None

    def adopt(self, path: Path, schema: Schema, *, commit: Callable[[], None]) -> None:
        """Goes on with the shard at ``path``, a copy made in while_still(), after repeating what was written since.

        ``commit`` makes it the one that the next start opens; both happen while no write can fall between them.
        """
        shard = _loaded(path, schema, self._settings)
        with self._writing, translated("taking over the optimised copy"):
            for operation in self._journal or []:
                shard.update(operation)
            shard.flush()
            commit()
            self._shard = shard  # queries in flight hold the old one until they are done
            self._graph = self._settings.for_points(shard.info().points_count).graph
            self._journal = None

    def close(self) -> None:
        """Flushes and releases the files; closing twice does nothing."""
        with self._writing:
            self._shard.close()


def _loaded(path: Path, schema: Schema, settings: EdgeSettings) -> edge.EdgeShard:
    """Opens a shard and replays its log. Raises IndexLocked, IndexDamaged.

    A child that this process has just forked holds the locks of all open files until its program starts, also those of a shard
    that was closed meanwhile: a lock is waited for before it is believed.
    """
    until = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return edge.EdgeShard.load(str(path), config_of(schema, settings))
        except Exception as exc:
            if type(exc) is not Exception:
                raise
            if "WouldBlock" not in str(exc):
                raise IndexDamaged(f"the index at {path} cannot be opened: move it away and rebuild it") from exc
            if time.monotonic() > until:
                raise IndexLocked(f"another process has the index at {path} open") from exc
        time.sleep(LOCK_LOOK_S)


def _raw(scored: Sequence[edge.ScoredPoint], group_field: str | None) -> list[RawHit]:
    if group_field is None:
        return [RawHit(str(point.id), point.score, None) for point in scored]
    return [RawHit(str(point.id), point.score, (point.payload or {}).get(group_field)) for point in scored]


def _point(record: edge.Record, row: Array) -> Point:
    return Point(str(record.id), row, from_stored(record.payload) if record.payload else NO_PAYLOAD)
