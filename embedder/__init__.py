"""Pixels and words -> unit vectors.

This surface imports neither torch nor Pillow: the web process may use it. What needs them is loaded on first use.

    from embedder import load_encoder, open_rgb
    encoder = load_encoder("mini")
    image_embeddings = encoder.encode_images([open_rgb("field.jpg")])   # float32 [1, 512], unit rows
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedder import errors
from embedder.encoders import BothSpaces, Encoder, load_encoder
from embedder.spec import EncoderSpec

if TYPE_CHECKING:
    from embedder.header import Header, read_header
    from embedder.identity import Findings
    from embedder.images import Limits, Streamed, open_rgb
    from embedder.patterns import Pattern, Searcher
    from embedder.places import Place
    from embedder.sandbox import Sandbox

__all__ = [
    "BothSpaces",
    "Encoder",
    "EncoderSpec",
    "Findings",
    "Header",
    "Limits",
    "Pattern",
    "Place",
    "Sandbox",
    "Searcher",
    "Streamed",
    "errors",
    "load_encoder",
    "open_rgb",
    "read_header",
]

_ON_FIRST_USE = {
    "Findings": "embedder.identity",
    "Header": "embedder.header",
    "Limits": "embedder.images",
    "Pattern": "embedder.patterns",
    "Place": "embedder.places",
    "Sandbox": "embedder.sandbox",
    "Searcher": "embedder.patterns",
    "Streamed": "embedder.images",
    "open_rgb": "embedder.images",
    "read_header": "embedder.header",
}


def __getattr__(name: str) -> Any:
    """Pillow and numpy cost a tenth of a second at import: only who opens an image pays it (PEP 562)."""
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module 'embedder' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ON_FIRST_USE[name]), name)
