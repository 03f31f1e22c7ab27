"""The same index over every engine: Edge, qdrant-client's in-memory mode, the same over HTTP from a stand-in for a server, and a
real server where QDRANT_URL is set.
"""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from search import open_edge, open_server, over_client
from search.index import Index
from search.schema import ServerSettings
from tests.search.samples import SCHEMA
from tests.standins.qdrant import Standin

ENGINES = ("edge", "memory", "standin", "server")
SHARED = ("standin", "server")  # by all tests
NO_SERVER = "skipped: QDRANT_URL not set"
KEY = "only for tests"
AT_ONCE = ServerSettings(live_version_cache_s=0.0)


@pytest.fixture(scope="session")
def standin() -> Iterator[Standin]:
    """A server that qdrant-client speaks HTTP to; what it proves and what not, it says itself."""
    server = Standin(key=KEY)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def open_index(engine: str, folder: Path, request: pytest.FixtureRequest) -> Index:
    if engine == "edge":
        return open_edge(folder)
    if engine == "memory":
        return over_client(QdrantClient(":memory:"))
    name = f"test_{uuid.uuid4().hex}"
    if engine == "standin":
        url = request.getfixturevalue("standin").url
        return open_server(url, api_key=KEY, name=name, settings=AT_ONCE, prefer_grpc=False)
    if not os.environ.get("QDRANT_URL"):
        pytest.skip(NO_SERVER)
    return open_server(os.environ["QDRANT_URL"], api_key=os.environ.get("QDRANT_API_KEY"), name=name, settings=AT_ONCE)


def remove(index: Index, engine: str) -> None:
    """Leaves nothing behind on a shared server."""
    if engine in SHARED:
        for version in index.versions():
            index._store.drop(version.name)
    index.close()


@pytest.fixture(params=ENGINES)
def engine(request) -> str:
    return str(request.param)


@pytest.fixture
def empty_index(engine, tmp_path, request) -> Iterator[Index]:
    """Opened, without any version."""
    index = open_index(engine, tmp_path, request)
    yield index
    remove(index, engine)


@pytest.fixture(scope="session")
def edge_template(tmp_path_factory) -> Path:
    """The folder of an Edge index with one empty version: making one forces some hundred files onto the disk."""
    folder: Path = tmp_path_factory.mktemp("template")
    with open_edge(folder) as index:
        index.ensure(SCHEMA)
    return folder


@pytest.fixture
def index(engine, tmp_path, request) -> Iterator[Index]:
    """With one empty version for SCHEMA."""
    if engine == "edge":
        shutil.copytree(request.getfixturevalue("edge_template"), tmp_path, dirs_exist_ok=True)
    index = open_index(engine, tmp_path, request)
    index.ensure(SCHEMA)
    yield index
    remove(index, engine)


@pytest.fixture
def edge(edge_template, tmp_path) -> Iterator[Index]:
    shutil.copytree(edge_template, tmp_path, dirs_exist_ok=True)
    with open_edge(tmp_path) as index:
        index.ensure(SCHEMA)
        yield index
