"""VectorIndex over any Store: the checks, scopes, groups, pages and versions that both engines share."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Self

import numpy as np

from search import paging
from search.contract import Ask
from search.diversity import candidates_for, diverse_order
from search.errors import CountMismatch, IndexMissing, PointsNotFound, SearchError
from search.filters import NO_FILTERS, Filters, HasId, Tree, slices, tree_of
from search.grouping import best_of_groups, rank
from search.plan import Planner
from search.queries import Query, check_vectors, digest_of, form_of, ids_named
from search.schema import FIELDS, GROUP_FIELDS, KEYWORDS, Schema
from search.store import Engine, RawHit, Search, Store, VersionInfo
from search.types import Array, Batch, Facet, GroupBy, Health, Hit, OptimiseReport, Page, Point, Scope, Snapshot
from search.vectors import checked_stack

MOST_SCROLLED = 10_000  # points of one scroll: 20 MB of vectors


class Index:
    """See contract.VectorIndex. ``version``: bound to that version, else to whichever is live at each call."""

    def __init__(self, store: Store, *, version: str | None = None, schema: Schema | None = None) -> None:
        self._store = store
        self._version = version
        self._schema = schema
        self._switching = threading.Lock()
        self._planner = Planner()

    # --- schema ---------------------------------------------------------------------------------------------------

    def ensure(self, schema: Schema) -> None:
        with self._switching:
            if self._live_name() is None:
                self._store.switch(self._store.create(schema))
        self._schema = schema
        self._target()

    def describe(self) -> VersionInfo:
        name, schema = self._target()
        points = self._store.engine(name).count(Tree(), exact=True)
        return VersionInfo(name=name, schema=schema, points=points, live=name == self._live_name())

    def version_name(self) -> str:
        return self._target()[0]

    def _target(self) -> tuple[str, Schema]:
        """The version that calls go to. Raises IndexMissing, SchemaMismatch."""
        if self._version is None:
            name, stored = self._store.live()
        else:
            name, stored = self._version, self._store.schema_of(self._version)
        if self._schema is not None:
            self._schema.require(stored, where=f"index version {name}")
        return name, stored

    def _engine(self) -> Engine:
        return self._store.engine(self._target()[0])

    # --- points ---------------------------------------------------------------------------------------------------

    def upsert(self, points: Sequence[Point]) -> None:
        name, schema = self._target()
        checked_stack([point.vector for point in points], dim=schema.dim)
        if points:
            self._store.engine(name).upsert(points)

    def delete(self, *, scope: Scope, ids: Sequence[str] = (), filters: Filters = NO_FILTERS) -> None:
        if scope.sees_everything and not ids and filters.is_empty:
            raise ValueError("this would delete every point: name ids, filters or collections, or drop the version")
        if scope.is_empty:
            return
        engine, tree = self._engine(), tree_of(scope, filters)
        if not ids:
            engine.delete(tree)
        for some in slices(ids):
            engine.delete(tree.only(HasId(some)))

    def get_vectors(self, ids: Sequence[str], *, scope: Scope) -> dict[str, Array]:
        if scope.is_empty or not ids:
            return {}
        return self._vectors(self._engine(), ids, scope)

    def _vectors(self, engine: Engine, ids: Sequence[str], scope: Scope) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for some in slices(tuple(dict.fromkeys(ids))):
            tree = tree_of(scope, NO_FILTERS).only(HasId(some))
            batch = engine.fetch(tree, limit=len(some), from_id=None, vectors=True, payload=False)
            found |= {point.id: point.vector for point in batch.points}
        return found

    # --- questions ------------------------------------------------------------------------------------------------

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
        ask = Ask(query=query, filters=filters, limit=limit, group_by=group_by, diversity=diversity, min_score=min_score)
        return self.query_batch([ask], scope=scope)[0]

    def query_batch(self, asks: Sequence[Ask], *, scope: Scope) -> list[list[Hit]]:
        if scope.is_empty:
            self._check_alone([ask.query for ask in asks])
            return [[] for _ in asks]
        name, schema = self._target()
        engine = self._store.engine(name)
        searches = [self._search(ask, scope, name, schema) for ask in asks]
        plain = [number for number, ask in enumerate(asks) if ask.group_by is None and not ask.diversity]
        answers: dict[int, list[RawHit]] = {}
        if len(plain) > 1:
            batch = engine.search_batch([searches[number] for number in plain])
            answers = {number: sorted(hits, key=rank) for number, hits in zip(plain, batch, strict=True)}
        for number, (ask, search) in enumerate(zip(asks, searches, strict=True)):
            if number not in answers:
                answers[number] = self._answer(ask, search, engine, scope)
        return [_hits(answers[number], grouped=ask.group_by is not None) for number, ask in enumerate(asks)]

    def _check_alone(self, queries: Sequence[Query]) -> None:
        """A bad vector is a bad vector in an empty scope too, but the engine is not asked."""
        for query in queries:
            check_vectors(query, dim=None if self._schema is None else self._schema.dim)

    def _search(self, ask: Ask, scope: Scope, version: str, schema: Schema) -> Search:
        """Checks the question and names what the engine is asked. Examples are looked up inside the scope."""
        engine = self._store.engine(version)
        form = form_of(ask.query, dim=schema.dim, lookup=partial(self._examples, engine, scope))
        tree = tree_of(scope, ask.filters)
        how = self._planner.how(version, engine, tree)
        if ids_named(ask.query):
            tree = tree.without(HasId(ids_named(ask.query)))
        group_field = None if ask.group_by is None else GROUP_FIELDS[ask.group_by]
        return Search(form=form, tree=tree, limit=ask.limit, min_score=ask.min_score, group_field=group_field, how=how)

    def _examples(self, engine: Engine, scope: Scope, ids: Sequence[str]) -> dict[str, Array]:
        found = self._vectors(engine, ids, scope)
        missing = [point_id for point_id in ids if point_id not in found]
        if missing:
            raise PointsNotFound(f"{len(missing)} of {len(ids)} examples are not in the index: {missing[0]} …")
        return found

    def _answer(self, ask: Ask, search: Search, engine: Engine, scope: Scope) -> list[RawHit]:
        if not ask.diversity:
            return _run(engine, search)
        candidates = _run(engine, replace(search, limit=candidates_for(ask.limit)))
        vectors = self._vectors(engine, [hit.id for hit in candidates], scope)
        kept = [hit for hit in candidates if hit.id in vectors]  # one may be deleted between the two calls
        if not kept:
            return []
        scores = np.array([hit.score for hit in kept], np.float32)
        stack = np.stack([vectors[hit.id] for hit in kept])
        return [kept[at] for at in diverse_order(scores, stack, limit=ask.limit, diversity=ask.diversity)]

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
        ask = Ask(query=query, filters=filters, limit=size, group_by=group_by, min_score=min_score)
        if scope.is_empty:
            self._check_alone([query])
            return Page([], None)
        name, schema = self._target()
        ranking = paging.ranking_name(
            name, digest_of(query), sorted(scope.collections), scope.sees_everything, filters, group_by, min_score
        )
        start = paging.offset_of(cursor, ranking=ranking)
        engine = self._store.engine(name)
        search = self._search(ask, scope, name, schema)
        end = min(start + size, paging.DEPTH)
        hits = paging.first_hits(search, partial(_run, engine), upto=end + 1)
        following = paging.Cursor(end, ranking).text() if len(hits) > end else None
        return Page(
            _hits(hits[start:end], grouped=group_by is not None),
            following,
            truncated=following is None and len(hits) >= paging.DEPTH,
        )

    def scroll(
        self, *, scope: Scope, filters: Filters = NO_FILTERS, size: int = 256, from_id: str | None = None, vectors: bool = False
    ) -> Batch:
        if not 1 <= size <= MOST_SCROLLED:
            raise ValueError(f"a scroll returns 1 to {MOST_SCROLLED} points, not {size}")
        if scope.is_empty:
            return Batch([], None)
        return self._engine().fetch(tree_of(scope, filters), limit=size, from_id=from_id, vectors=vectors, payload=True)

    def scroll_all(
        self, *, scope: Scope, filters: Filters = NO_FILTERS, size: int = 256, from_id: str | None = None, vectors: bool = False
    ) -> Iterator[Batch]:
        batch = self.scroll(scope=scope, filters=filters, size=size, from_id=from_id, vectors=vectors)
        yield batch
        while batch.next_id is not None:
            batch = self.scroll(scope=scope, filters=filters, size=size, from_id=batch.next_id, vectors=vectors)
            yield batch

    def count(self, *, scope: Scope, filters: Filters = NO_FILTERS, exact: bool = True) -> int:
        return 0 if scope.is_empty else self._engine().count(tree_of(scope, filters), exact=exact)

    def facets(self, field: str, *, scope: Scope, filters: Filters = NO_FILTERS, limit: int = 50) -> list[Facet]:
        if FIELDS.get(field) not in KEYWORDS:
            raise ValueError(f"{field!r} is no field that can be counted by value")
        if scope.is_empty:
            return []
        facets = self._engine().facet(field, tree_of(scope, filters), limit=limit)
        return sorted(facets, key=lambda facet: (-facet.count, facet.value))

    # --- upkeep ---------------------------------------------------------------------------------------------------

    def optimise(self, *, force: bool = False) -> OptimiseReport:
        return self._store.optimise(self._target()[0], force=force)

    def snapshot(self, target: str | None = None) -> Snapshot:
        return self._store.snapshot(self._target()[0], target)

    def restore(self, snapshot: Snapshot) -> str:
        if self._schema is not None:
            self._schema.require(Schema(fingerprint=snapshot.fingerprint, dim=snapshot.dim), where="the snapshot")
        name = self._store.restore(snapshot)
        try:
            self.switch(name, expected_points=snapshot.points)
        except SearchError:
            self._store.drop(name)
            raise
        return name

    def health(self) -> Health:
        return self._store.health()

    def close(self) -> None:
        if self._version is None:
            self._store.close()

    # --- versions -------------------------------------------------------------------------------------------------

    def versions(self) -> list[VersionInfo]:
        return self._store.versions()

    def create_version(self, schema: Schema) -> str:
        return self._store.create(schema)

    def at_version(self, name: str) -> Index:
        return Index(self._store, version=name, schema=self._store.schema_of(name))

    def switch(self, name: str, *, expected_points: int) -> None:
        with self._switching:
            points = self._store.engine(name).count(Tree(), exact=True)
            if points != expected_points:
                raise CountMismatch(f"version {name} holds {points} points, not {expected_points}: the live one stays")
            self._store.switch(name)

    def drop(self, name: str) -> None:
        with self._switching:
            if name == self._live_name():
                raise ValueError(f"version {name} is live: switch to another one first")
            self._store.drop(name)

    def _live_name(self) -> str | None:
        try:
            return self._store.live()[0]
        except IndexMissing:
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _run(engine: Engine, search: Search) -> list[RawHit]:
    if search.group_field is not None:
        return best_of_groups(search, first=engine.search_groups, more=engine.search)
    return sorted(engine.search(search), key=rank)


def _hits(raw: Sequence[RawHit], *, grouped: bool) -> list[Hit]:
    return [Hit(hit.id, hit.score, hit.group if grouped else None) for hit in raw]
