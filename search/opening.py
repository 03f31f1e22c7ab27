"""open_edge() and open_server(): the two ways to a VectorIndex. Each engine is imported only where it is used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from search.index import Index
from search.schema import EdgeSettings, ServerSettings

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


def open_edge(path: str | os.PathLike[str], *, name: str = "images", settings: EdgeSettings | None = None) -> Index:
    """The index ``name`` in the folder ``path``, in this process and for this process alone.

    Raises IndexLocked where another process has it open, IndexDamaged where its files cannot be read.
    """
    from search.edge_store import EdgeStore

    if not name.isidentifier():
        raise ValueError(f"an index name is letters, digits and _, not {name!r}")
    return Index(EdgeStore(Path(path) / name, settings or EdgeSettings()))


def open_server(
    url: str,
    *,
    api_key: str | None = None,
    name: str = "images",
    settings: ServerSettings | None = None,
    prefer_grpc: bool = True,
    grpc_port: int = 6334,
) -> Index:
    """The index ``name`` on the Qdrant server or cluster at ``url``. Nothing is asked of it yet: it may be down.

    ``prefer_grpc``: points travel over gRPC, which is about twice as fast as REST.
    """
    from search.server_store import ServerStore

    chosen = settings or ServerSettings()
    client = _client(url, api_key, chosen, timeout_s=chosen.query_timeout_s, prefer_grpc=prefer_grpc, grpc_port=grpc_port)
    patient = _client(url, api_key, chosen, timeout_s=chosen.snapshot_timeout_s, prefer_grpc=False, grpc_port=grpc_port)
    return Index(ServerStore(client, name, chosen, patient=patient))


def over_client(client: QdrantClient, *, name: str = "images", settings: ServerSettings | None = None) -> Index:
    """The index ``name`` over a client made elsewhere, for example QdrantClient(":memory:") in tests."""
    from search.server_store import ServerStore

    return Index(ServerStore(client, name, settings or ServerSettings(), patient=client))


def _client(
    url: str, api_key: str | None, settings: ServerSettings, *, timeout_s: int, prefer_grpc: bool, grpc_port: int
) -> QdrantClient:
    from qdrant_client import QdrantClient

    from search.calls import BoundedTransport

    return QdrantClient(
        url=url,
        api_key=api_key,
        timeout=timeout_s,
        prefer_grpc=prefer_grpc,
        grpc_port=grpc_port,
        # gRPC gives every try to connect this long, and waits no longer than a few seconds before the next one
        grpc_options={
            "grpc.min_reconnect_backoff_ms": int(1e3 * settings.connect_timeout_s),
            "grpc.initial_reconnect_backoff_ms": 100,
            "grpc.max_reconnect_backoff_ms": 2_000,
        },
        check_compatibility=False,  # would ask the server from a thread of its own, and warn where it is down
        transport=BoundedTransport(connect_timeout_s=settings.connect_timeout_s),
    )
