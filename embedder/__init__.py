"""Pixels and words -> unit vectors.

This surface imports neither torch nor Pillow: the web process may use it.

    from embedder import load_encoder
    encoder = load_encoder("conch")
    text_embeddings = encoder.encode_texts(["adipose tissue"])   # float32 [1, 512], unit rows
"""

from __future__ import annotations

from embedder import errors
from embedder.encoders import BothSpaces, Encoder, load_encoder
from embedder.spec import EncoderSpec

__all__ = ["BothSpaces", "Encoder", "EncoderSpec", "errors", "load_encoder"]
