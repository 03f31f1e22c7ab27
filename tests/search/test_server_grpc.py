"""Everything the server adapter says must exist in gRPC too, and a silent server must cost no more than the time allowed.

No server binary can be had from a package registry, so this one answers reads with an empty message and writes with "completed":
enough to see that each request can be written, is sent to the right method, and that its answer can be read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from qdrant_client import QdrantClient
from qdrant_client.grpc import PointsOperationResponse, UpdateResult, UpdateStatus
from qdrant_client.models import Batch

from search import Blend, Context, Like, Nearest, Scope, ServerSettings, errors, open_server
from search.breaker import CircuitBreaker
from search.calls import Caller
from search.filters import DateRange, Filters, IntegerRange, Keyword, tree_of
from search.plan import How
from search.queries import form_of
from search.server import ServerEngine
from search.server_store import ServerStore
from search.store import Search
from tests.search.samples import DIM, LUNG, SCHEMA, axis, day, point, point_id

EVERY_FILTER = Filters(
    keywords=(Keyword(field="stain", any_of=("HE",), all_of=("a",), none_of=("b",)),),
    ranges=(IntegerRange(field="width_px", at_least=1, at_most=9), DateRange(field="taken_at", since=day(1), before=day(2))),
    has_caption=True,
    exclude_ids=(point_id(1),),
    exclude_cases=("k1",),
)
TREE = tree_of(Scope.of([LUNG]), EVERY_FILTER)
FORMS = {
    "nearest": Nearest(axis(0)),
    "blend": Blend(((1.0, axis(0)), (-0.5, axis(1)))),
    "best score": Like((axis(0),), (axis(1),)),
    "average": Like((axis(0),), (axis(1),), "average"),
    "context": Context(((axis(0), axis(1)),)),
    "discovery": Context(((axis(0), axis(1)),), target=axis(2)),
}

WRITES = ("Upsert", "Delete", "CreateFieldIndex")
COMPLETED = PointsOperationResponse(result=UpdateResult(status=UpdateStatus.Completed)).SerializeToString()


class Silent(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers with an empty message, after ``wait_s``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.wait_s = 0.0

    def service(self, details):
        method = details.method.rsplit("/", 1)[1]
        self.asked.append(method)

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            threading.Event().wait(self.wait_s)
            return COMPLETED if method in WRITES else b""

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def silent() -> Iterator[tuple[Silent, int]]:
    handler = Silent()
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, handlers=[handler])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield handler, port
        server.stop(0).wait()


@pytest.fixture
def client(silent) -> Iterator[QdrantClient]:
    client = QdrantClient(host="127.0.0.1", grpc_port=silent[1], prefer_grpc=True, check_compatibility=False, timeout=3)
    yield client
    client.close()


@pytest.fixture
def engine(client) -> ServerEngine:
    caller = Caller(CircuitBreaker(failures=100, pause_s=1))
    return ServerEngine(client, "images.0.0001", caller=caller, settings=ServerSettings())


def search_for(query, **options) -> Search:
    return Search(form=form_of(query, dim=DIM, lookup=lambda _: {}), tree=TREE, limit=3, **options)


@pytest.mark.parametrize("name", FORMS)
def test_every_query_form_can_be_asked_over_grpc(silent, engine, name):
    assert engine.search(search_for(FORMS[name], min_score=0.2)) == []
    assert silent[0].asked == ["Query"]


@pytest.mark.parametrize("how", How)
def test_every_way_of_searching_can_be_asked_over_grpc(silent, engine, how):
    assert engine.search(search_for(Nearest(axis(0)), how=how)) == []


def test_groups_can_be_asked_over_grpc(silent, engine):
    assert engine.search_groups(search_for(Nearest(axis(0)), group_field="case_group")) == []
    assert silent[0].asked == ["QueryGroups"]


def test_points_can_be_written_read_and_deleted_over_grpc(silent, engine):
    engine.upsert([point(1, axis(0), tags=("a",), taken_at=day(1))])
    engine.delete(TREE)
    assert engine.fetch(TREE, limit=5, from_id=point_id(1), vectors=True, payload=True).points == []
    assert engine.count(TREE, exact=True) == 0
    assert engine.facet("stain", TREE, limit=5) == []
    assert silent[0].asked == ["Upsert", "Delete", "Scroll", "Count", "Facet"]


def test_a_version_can_be_made_and_switched_to_over_grpc(silent, client):
    silent[0].asked.clear()
    store = ServerStore(client, "images", ServerSettings(shard_number=3, replication_factor=2), patient=client)
    name = store.create(SCHEMA)
    store.switch(name)
    assert name == "images.0123456789ab.0001"
    asked = silent[0].asked
    assert [asked[1], asked[-1]] == ["Create", "UpdateAliases"]
    assert asked.count("CreateFieldIndex") == 16


def test_a_silent_server_times_out_within_the_time_allowed(silent):
    handler, port = silent
    handler.wait_s = 2.5
    index = open_server("http://127.0.0.1:1", grpc_port=port, settings=ServerSettings(query_timeout_s=1))
    start = time.monotonic()
    with pytest.raises(errors.IndexTimedOut):
        index.query(Nearest(axis(0)), scope=Scope.everything())
    assert time.monotonic() - start < 2.0
    index.close()


def test_vectors_travel_without_loss(engine, monkeypatch):
    sent: list[Batch] = []
    monkeypatch.setattr(engine, "_upsert", sent.append)
    vector = axis(3)
    engine.upsert([point(1, vector)])
    assert sent[0].vectors == [vector.tolist()]
