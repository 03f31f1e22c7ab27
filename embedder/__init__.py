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
    from embedder.images import Limits, open_rgb

__all__ = [
    "BothSpaces",
    "Encoder",
    "EncoderSpec",
    "Limits",
    "errors",
    "load_encoder",
    "open_rgb",
]

_ON_FIRST_USE = {"Limits": "embedder.images", "open_rgb": "embedder.images"}


def __getattr__(name: str) -> Any:
    """Pillow and numpy cost a tenth of a second at import: only who opens an image pays it (PEP 562)."""
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module 'embedder' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ON_FIRST_USE[name]), name)
