"""The engine on a Qdrant server: one version of an index as one Qdrant collection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from qdrant_client import QdrantClient, models

from search.calls import Caller
from search.filters import Tree
from search.schema import ServerSettings, from_stored, to_stored
from search.server_models import filter_of, params_of, query_of, request_of
from search.store import RawHit, Search
from search.types import NO_PAYLOAD, NO_VECTOR, Array, Batch, Facet, Point

T = TypeVar("T")

POINTS_A_REQUEST = 500  # 1 to 5 MB with their vectors: well below gRPC's and the server's limits


class ServerEngine:
    """One collection. Writes wait until they are applied: acknowledged means in the server's log and searchable."""

    def __init__(self, client: QdrantClient, collection: str, *, caller: Caller, settings: ServerSettings) -> None:
        self._client = client
        self._collection = collection
        self._caller = caller
        self._settings = settings

    def _read(self, what: str, call: Callable[[], T]) -> T:
        return self._caller(what, call, allowed_s=self._settings.query_timeout_s)

    def _write(self, what: str, call: Callable[[], T]) -> T:
        return self._caller(what, call, allowed_s=self._settings.write_timeout_s)

    def upsert(self, points: Sequence[Point]) -> None:
        for start in range(0, len(points), POINTS_A_REQUEST):
            some = points[start : start + POINTS_A_REQUEST]
            batch = models.Batch(
                ids=[point.id for point in some],
                vectors=[point.vector.tolist() for point in some],
                payloads=[to_stored(point.id, point.payload) for point in some],
            )
            self._upsert(batch)

    def _upsert(self, batch: models.Batch) -> None:
        limit_s = self._settings.write_timeout_s
        self._write("a write", lambda: self._client.upsert(self._collection, batch, wait=True, timeout=limit_s))

    def delete(self, tree: Tree) -> None:
        selector = models.FilterSelector(filter=filter_of(tree))
        limit_s = self._settings.write_timeout_s
        self._write("a deletion", lambda: self._client.delete(self._collection, selector, wait=True, timeout=limit_s))

    def search(self, search: Search) -> list[RawHit]:
        response = self._read("a query", lambda: self._client.query_points(self._collection, **self._arguments(search)))
        return _raw(response.points, search.group_field)

    def search_batch(self, searches: Sequence[Search]) -> list[list[RawHit]]:
        requests = [request_of(search, self._settings) for search in searches]
        limit_s = self._settings.query_timeout_s
        answers = self._read(
            "a batch of queries", lambda: self._client.query_batch_points(self._collection, requests, timeout=limit_s)
        )
        return [_raw(answer.points, search.group_field) for answer, search in zip(answers, searches, strict=True)]

    def search_groups(self, search: Search) -> list[RawHit]:
        arguments = self._arguments(search) | {"group_by": search.group_field, "group_size": 1}
        result = self._read("a grouped query", lambda: self._client.query_points_groups(self._collection, **arguments))
        return _raw([group.hits[0] for group in result.groups if group.hits], search.group_field)

    def _arguments(self, search: Search) -> dict[str, Any]:
        return {
            "query": query_of(search.form),
            "query_filter": filter_of(search.tree),
            "limit": search.limit,
            "score_threshold": search.min_score,
            "with_payload": [search.group_field] if search.group_field else False,
            "search_params": params_of(search, self._settings),
            "timeout": self._settings.query_timeout_s,
        }

    def fetch(self, tree: Tree, *, limit: int, from_id: str | None, vectors: bool, payload: bool) -> Batch:
        """Vectors come POINTS_A_REQUEST at a time: 2,000 of them as JSON may take longer than one request has."""
        points: list[Point] = []
        while len(points) < limit:
            left = limit - len(points)
            some = min(left, POINTS_A_REQUEST) if vectors else left
            found, from_id = self._scroll(tree, limit=some, from_id=from_id, vectors=vectors, payload=payload)
            points += found
            if from_id is None:
                break
        return Batch(points, from_id)

    def _scroll(
        self, tree: Tree, *, limit: int, from_id: str | None, vectors: bool, payload: bool
    ) -> tuple[list[Point], str | None]:
        def scroll() -> tuple[list[models.Record], Any]:
            return self._client.scroll(
                self._collection, scroll_filter=filter_of(tree), limit=limit, offset=from_id, with_vectors=vectors,
                with_payload=payload, timeout=self._settings.query_timeout_s,
            )  # fmt: skip

        records, following = self._read("reading points", scroll)
        return [_point(record) for record in records], None if following is None else str(following)

    def count(self, tree: Tree, *, exact: bool) -> int:
        limit_s = self._settings.query_timeout_s
        counted = self._read(
            "counting",
            lambda: self._client.count(self._collection, count_filter=filter_of(tree), exact=exact, timeout=limit_s),
        )
        return counted.count

    def facet(self, field: str, tree: Tree, *, limit: int) -> list[Facet]:
        def ask() -> models.FacetResponse:
            return self._client.facet(
                self._collection, key=field, facet_filter=filter_of(tree), limit=limit, exact=True,
                timeout=self._settings.query_timeout_s,
            )  # fmt: skip

        return [Facet(str(hit.value), hit.count) for hit in self._read("counting values", ask).hits]

    def info(self) -> models.CollectionInfo:
        return self._read("describing", lambda: self._client.get_collection(self._collection))

    def indexed_fields(self) -> frozenset[str]:
        return frozenset(self.info().payload_schema)


def _raw(points: Sequence[models.ScoredPoint], group_field: str | None) -> list[RawHit]:
    if group_field is None:
        return [RawHit(str(point.id), point.score, None) for point in points]
    return [RawHit(str(point.id), point.score, (point.payload or {}).get(group_field)) for point in points]


def _point(record: models.Record) -> Point:
    row: Array = NO_VECTOR if record.vector is None else np.array(record.vector, np.float32)
    return Point(str(record.id), row, from_stored(record.payload) if record.payload else NO_PAYLOAD)
