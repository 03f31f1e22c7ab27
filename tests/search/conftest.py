"""The same index over three engines: Edge, qdrant-client's in-memory mode, and a real server where QDRANT_URL is set."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from search import open_edge, open_server, over_client
from search.index import Index
from search.schema import ServerSettings
from tests.search.samples import SCHEMA

ENGINES = ("edge", "memory", "server")
NO_SERVER = "skipped: QDRANT_URL not set"


def open_index(engine: str, folder: Path) -> Index:
    if engine == "edge":
        return open_edge(folder)
    if engine == "memory":
        return over_client(QdrantClient(":memory:"))
    if not os.environ.get("QDRANT_URL"):
        pytest.skip(NO_SERVER)
    url, key = os.environ["QDRANT_URL"], os.environ.get("QDRANT_API_KEY")
    return open_server(url, api_key=key, name=f"test_{uuid.uuid4().hex}", settings=ServerSettings(live_version_cache_s=0.0))


def remove(index: Index) -> None:
    """Leaves nothing behind on a shared server."""
    if os.environ.get("QDRANT_URL"):
        for version in index.versions():
            index._store.drop(version.name)
    index.close()


@pytest.fixture(params=ENGINES)
def engine(request) -> str:
    return str(request.param)


@pytest.fixture
def empty_index(engine, tmp_path) -> Iterator[Index]:
    """Opened, without any version."""
    index = open_index(engine, tmp_path)
    yield index
    remove(index)


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
    index = open_index(engine, tmp_path)
    index.ensure(SCHEMA)
    yield index
    remove(index)


@pytest.fixture
def edge(edge_template, tmp_path) -> Iterator[Index]:
    shutil.copytree(edge_template, tmp_path, dirs_exist_ok=True)
    with open_edge(tmp_path) as index:
        index.ensure(SCHEMA)
        yield index
