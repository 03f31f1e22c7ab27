"""The one place where the three rooms meet: which encoder, which index, which decoder this process uses.

Everything is made on first use and kept. The web process in production never gets an encoder: it sends query texts to the queue.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from django.conf import settings

import search
from embedder import Encoder, Limits, Sandbox, load_encoder
from search import ServerSettings, VectorIndex

T = TypeVar("T")
_LOCKS: dict[str, threading.RLock] = {}
_MADE: dict[str, object] = {}


def _once(make: Callable[[], T]) -> Callable[[], T]:
    """One object a process, made by the first thread that asks; the others wait for it, and for nothing else.

    A lock each: an encoder takes seconds to load, and meanwhile the index must answer.
    """
    lock = _LOCKS[make.__name__] = threading.RLock()

    @wraps(make)
    def get() -> T:
        with lock:
            if make.__name__ not in _MADE:
                _MADE[make.__name__] = make()
            return _MADE[make.__name__]  # type: ignore[return-value]

    return get


@_once
def get_encoder() -> Encoder:
    """The configured encoder, loaded. Raises embedder.errors.WeightsError and its like where it cannot be."""
    return load_named(settings.CONCHIVE_ENCODER)


def load_named(name: str) -> Encoder:
    """An encoder as it would be configured; for queries to an index that a former one has filled. Raises as get_encoder()."""
    files = {
        "conch": {"weights": settings.CONCH_WEIGHTS or None, "tokenizer": settings.CONCH_TOKENIZER or None},
        "clip": {"weights": settings.CLIP_WEIGHTS or None},
    }.get(name, {})
    expected = settings.CONCH_SHA256 or None if name == "conch" else None
    return load_encoder(name, **files, weights_sha256=expected, device=settings.ENCODER_DEVICE, dtype=settings.ENCODER_DTYPE)


@_once
def get_sandbox() -> Sandbox:
    """Decodes untrusted bytes in child processes."""
    from embedder.sandbox import Budget

    return Sandbox(workers=max(1, settings.DECODE_WORKERS), budget=Budget(timeout_s=settings.DECODE_TIMEOUT_S))


def decode_limits() -> Limits:
    return Limits(max_bytes=settings.MAX_FILE_BYTES, max_pixels=settings.MAX_PIXELS, max_pages=settings.MAX_PAGES)


@_once
def get_image_index() -> VectorIndex:
    """Vectors of regions."""
    return _open_index("images")


@_once
def get_text_index() -> VectorIndex:
    """Vectors of captions and terms."""
    return _open_index("texts")


def _open_index(name: str) -> VectorIndex:
    if not settings.QDRANT_URL:
        return search.open_edge(settings.CONCHIVE_DATA / "vectors", name=name)
    return search.open_server(
        settings.QDRANT_URL,
        api_key=settings.QDRANT_API_KEY or None,
        name=name,
        settings=_server_settings(),
        prefer_grpc=settings.QDRANT_GRPC_PORT > 0,
        grpc_port=settings.QDRANT_GRPC_PORT,
    )


def _server_settings() -> ServerSettings:
    """A write counts when most of the replicas have it: then any of them may be lost."""
    return ServerSettings(
        shard_number=settings.QDRANT_SHARDS,
        replication_factor=settings.QDRANT_REPLICAS,
        write_consistency_factor=settings.QDRANT_REPLICAS // 2 + 1,
        snapshots_folder=settings.QDRANT_SNAPSHOTS,
    )


def forget() -> None:
    """Closes and forgets what was made: at the end of the process, and between tests."""
    for name, lock in _LOCKS.items():
        with lock:
            if close := getattr(_MADE.pop(name, None), "close", None):
                close()


atexit.register(forget)  # a command that ends, ends with its index and its decoders closed
