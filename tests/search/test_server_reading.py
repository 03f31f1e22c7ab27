"""Many vectors at once from a server: in requests that each end within their time."""

from __future__ import annotations

from typing import Any

import pytest
from qdrant_client import QdrantClient

from search import Scope, over_client
from tests.search.samples import SCHEMA, point, point_id, unit_rows


class Counting(QdrantClient):
    """Notes how many points each request asked for."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.asked: list[int] = []

    def scroll(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(kwargs["limit"])
        return super().scroll(*args, **kwargs)


@pytest.mark.parametrize(("size", "asked"), [(300, [300]), (1200, [500, 500, 200]), (2000, [500, 500, 500, 500])])
def test_vectors_come_some_hundred_a_request_and_none_is_lost(size, asked):
    client = Counting()
    index = over_client(client)
    index.ensure(SCHEMA)
    index.upsert([point(number, row) for number, row in enumerate(unit_rows(1600, seed=3))])
    client.asked.clear()
    batch = index.scroll(scope=Scope.everything(), size=size, vectors=True)
    assert client.asked == asked
    assert [each.id for each in batch.points] == sorted(map(point_id, range(1600)))[:size]
    assert (batch.next_id is None) == (size >= 1600)
    index.close()
