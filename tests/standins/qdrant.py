"""Stands in for a Qdrant server where there is none: `python -m tests.standins.qdrant`. For tests and rehearsals only.

It speaks the REST calls that search/server_store.py and search/server.py make, with a key, keeps what it is told in a folder, and
may be stopped, killed, halted and emptied like the real one. Behind it is qdrant-client's own local mode, one request at a time.

What it does not prove: anything about a server's graph, quantisation, payload indexes, write-ahead log, shards, replicas,
snapshots, gRPC, memory or speed. It scans every vector, takes parameters that a server may refuse, and forces nothing onto the
disk. Whatever depends on those is tested with QDRANT_URL set to a server.

Its settings are those of Qdrant's image: QDRANT__SERVICE__HTTP_PORT, QDRANT__SERVICE__API_KEY, QDRANT__STORAGE__STORAGE_PATH.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, TypeAdapter, ValidationError
from qdrant_client import QdrantClient, models
from qdrant_client.http.models import models as bodies
from qdrant_client.local import local_collection, payload_filters

VERSION = "1.19.0"  # what it says it is
OPEN_TO_ALL = ("/", "/healthz", "/livez", "/readyz")  # without a key, as the server has it
DEFAULT_LIMIT = 10
MASK = "calculate_payload_mask"  # by which local mode finds it
READING = ("/query", "/batch", "/groups", "/scroll", "/count", "/facet")
PLAIN_TEXT = {"/healthz": "healthz check passed", "/livez": "livez check passed", "/readyz": "all shards are ready"}


class Call(NamedTuple):
    """One request that was read: the collection in its path, and its body."""

    client: QdrantClient
    collection: str
    body: Any


# --- what is asked ------------------------------------------------------------------------------------------------------


def _create(call: Call) -> bool:
    """Only what local mode keeps: the vectors' shape and the metadata."""
    told: models.CreateCollection = call.body
    return call.client.create_collection(call.collection, vectors_config=told.vectors, metadata=told.metadata)


def _upsert(call: Call) -> Any:
    points = call.body.points if isinstance(call.body, bodies.PointsList) else call.body.batch
    return call.client.upsert(call.collection, points)


def _index(call: Call) -> Any:
    return call.client.create_payload_index(call.collection, call.body.field_name, call.body.field_schema)


def _query(call: Call) -> Any:
    return call.client.query_points(call.collection, **_arguments(call.body))


def _query_batch(call: Call) -> Any:
    return [call.client.query_points(call.collection, **_arguments(each)) for each in call.body.searches]


def _query_groups(call: Call) -> Any:
    asked: models.QueryGroupsRequest = call.body
    return call.client.query_points_groups(
        call.collection, **_arguments(asked), group_by=asked.group_by, group_size=asked.group_size or 1
    )


def _arguments(asked: models.QueryRequest | models.QueryGroupsRequest) -> dict[str, Any]:
    return {
        "query": asked.query,
        "query_filter": asked.filter,
        "search_params": asked.params,
        "limit": asked.limit or DEFAULT_LIMIT,
        "score_threshold": asked.score_threshold,
        "with_payload": bool(asked.with_payload) and asked.with_payload,
        "with_vectors": bool(asked.with_vector),
    }


def _scroll(call: Call) -> dict[str, Any]:
    asked: models.ScrollRequest = call.body
    points, following = call.client.scroll(
        call.collection, scroll_filter=asked.filter, limit=asked.limit or DEFAULT_LIMIT, offset=asked.offset,
        with_payload=bool(asked.with_payload), with_vectors=bool(asked.with_vector),
    )  # fmt: skip
    return {"points": points, "next_page_offset": following}


def _facet(call: Call) -> Any:
    asked: models.FacetRequest = call.body
    return call.client.facet(
        call.collection, asked.key, facet_filter=asked.filter, limit=asked.limit or DEFAULT_LIMIT, exact=True
    )


class Route(NamedTuple):
    method: str
    path: re.Pattern[str]
    body: Any  # a type of qdrant-client's, None where there is none
    answer: Callable[[Call], Any]

    @property
    def reads(self) -> bool:
        return self.method == "GET" or self.path.pattern.endswith(READING)


def _route(method: str, path: str, body: Any, answer: Callable[[Call], Any]) -> Route:
    return Route(method, re.compile(path.replace("{name}", r"(?P<name>[^/]+)")), body, answer)


ROUTES = (
    _route("GET", "/collections", None, lambda call: call.client.get_collections()),
    _route("GET", "/aliases", None, lambda call: call.client.get_aliases()),
    _route("POST", "/collections/aliases", models.ChangeAliasesOperation,
           lambda call: call.client.update_collection_aliases(call.body.actions)),
    _route("GET", "/collections/{name}", None, lambda call: call.client.get_collection(call.collection)),
    _route("PUT", "/collections/{name}", models.CreateCollection, _create),
    _route("DELETE", "/collections/{name}", None, lambda call: call.client.delete_collection(call.collection)),
    _route("PUT", "/collections/{name}/index", bodies.CreateFieldIndex, _index),
    _route("PUT", "/collections/{name}/points", bodies.PointInsertOperations, _upsert),
    _route("POST", "/collections/{name}/points/delete", bodies.PointsSelector,
           lambda call: call.client.delete(call.collection, call.body)),
    _route("POST", "/collections/{name}/points/query", models.QueryRequest, _query),
    _route("POST", "/collections/{name}/points/query/batch", models.QueryRequestBatch, _query_batch),
    _route("POST", "/collections/{name}/points/query/groups", models.QueryGroupsRequest, _query_groups),
    _route("POST", "/collections/{name}/points/scroll", models.ScrollRequest, _scroll),
    _route("POST", "/collections/{name}/points/count", models.CountRequest,
           lambda call: call.client.count(call.collection, count_filter=call.body.filter, exact=True)),
    _route("POST", "/collections/{name}/facet", models.FacetRequest, _facet),
)  # fmt: skip


# --- the server ---------------------------------------------------------------------------------------------------------


class Refusal(Exception):
    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Masks:
    """Which points a filter lets through, remembered until something is written: local mode asks every payload anew for each of a
    hundred queries with the same filter.
    """

    def __init__(self) -> None:
        self._anew = payload_filters.calculate_payload_mask
        self._known: dict[tuple[int, str], Any] = {}

    def __call__(self, payloads: list[Any], payload_filter: models.Filter | None, **more: Any) -> Any:
        key = (id(payloads), payload_filter.model_dump_json() if payload_filter else "")
        if key not in self._known:
            self._known[key] = self._anew(payloads=payloads, payload_filter=payload_filter, **more)
        return self._known[key].copy()

    def forget(self) -> None:
        self._known.clear()


class Standin(ThreadingHTTPServer):
    """Listens on this machine only. ``folder`` "": what it is told is gone with it. ``key`` "": everyone may ask."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *, port: int = 0, folder: str = "", key: str = "") -> None:
        self.client = QdrantClient(path=folder, force_disable_check_same_thread=True) if folder else QdrantClient(":memory:")
        self.key = key
        self.alone = threading.Lock()  # local mode loses points where two threads use it
        self.masks: Masks | None = None
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, method: str, path: str, data: bytes) -> Any:
        """Raises Refusal."""
        for route in ROUTES:
            if route.method == method and (found := route.path.fullmatch(path)):
                body = None if route.body is None else _read(route.body, data)
                return self._done(route, Call(self.client, found.groupdict().get("name", ""), body))
        raise Refusal(HTTPStatus.NOT_IMPLEMENTED, f"the stand-in does not know {method} {path}")

    def _done(self, route: Route, call: Call) -> Any:
        try:
            with self.alone:
                if self.masks is not None and not route.reads:
                    self.masks.forget()
                return route.answer(call)
        except ValueError as exc:  # what a server would say with a status
            said = str(exc)
            if "not found" in said:
                raise Refusal(HTTPStatus.NOT_FOUND, said) from exc
            status = HTTPStatus.CONFLICT if "already exists" in said else HTTPStatus.BAD_REQUEST
            raise Refusal(status, said) from exc

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Those who hang up in the middle are no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        with self.alone:
            self.client.close()


def _read(kind: Any, data: bytes) -> Any:
    try:
        return TypeAdapter(kind).validate_json(data)
    except ValidationError as exc:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"Format error in JSON body: {exc.error_count()} errors") from exc


class Handler(BaseHTTPRequestHandler):
    server: Standin
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # header and body leave in two pieces, and the second would wait for 40 ms

    def do_GET(self) -> None:
        start = time.perf_counter()
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        if self.command == "GET" and path in PLAIN_TEXT:
            self._send(HTTPStatus.OK, PLAIN_TEXT[path].encode(), "text/plain")
            return
        try:
            told, status = self._told(path, data), HTTPStatus.OK
            answer = told if path == "/" else {"result": told, "status": "ok", "time": time.perf_counter() - start}
        except Refusal as refusal:
            status, answer = refusal.status, {"status": {"error": refusal.text}, "time": time.perf_counter() - start}
        self._send(status, json.dumps(answer, default=_plain).encode(), "application/json")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the names that BaseHTTPRequestHandler looks for

    def _told(self, path: str, data: bytes) -> Any:
        if path not in OPEN_TO_ALL and not hmac.compare_digest(self.headers.get("api-key", ""), self.server.key):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "Must provide an API key or an Authorization bearer token")
        if path == "/":
            return {"title": "qdrant - vector search engine (stand-in)", "version": VERSION}
        return self.server.answer(self.command, path, data)

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    raise TypeError(type(value).__name__)


def main() -> None:
    warnings.simplefilter("ignore", UserWarning)  # what local mode does without is said above
    server = Standin(
        port=int(os.environ.get("QDRANT__SERVICE__HTTP_PORT", "6333")),
        folder=os.environ.get("QDRANT__STORAGE__STORAGE_PATH", ""),
        key=os.environ.get("QDRANT__SERVICE__API_KEY", ""),
    )
    server.masks = Masks()
    setattr(local_collection, MASK, server.masks)  # this process has no other collections
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)
    server.server_close()


if __name__ == "__main__":
    main()
