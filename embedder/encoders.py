"""The Encoder contract and load_encoder(): which class serves which name, without importing torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, overload, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from embedder.spec import EncoderSpec

    Array = NDArray[np.float32]

Space = Literal["search", "probe", "both"]


class BothSpaces(NamedTuple):
    """Two views of the same forward pass: ``search`` float32 [n, dim] unit rows, ``probe`` float32 [n, probe_dim]."""

    search: Array
    probe: Array


@runtime_checkable
class Encoder(Protocol):
    """Images and prompts -> vectors of one shared space. Safe to call from several threads."""

    @property
    def spec(self) -> EncoderSpec: ...

    @property
    def logit_scale(self) -> float:
        """The trained temperature: a cosine times this is a logit."""
        ...

    @overload
    def encode_images(self, images: Sequence[Image.Image], *, space: Literal["search", "probe"] = ...) -> Array: ...
    @overload
    def encode_images(self, images: Sequence[Image.Image], *, space: Literal["both"]) -> BothSpaces: ...
    def encode_images(self, images: Sequence[Image.Image], *, space: Space = "search") -> Array | BothSpaces:
        """n upright RGB or grey images -> float32 [n, dim].

        "search": projected, L2-normalised; "probe": before projection and normalisation, for linear probes and MIL.
        Raises DeviceError if a single image does not fit in memory.
        """
        ...

    def encode_texts(self, prompts: Sequence[str]) -> Array:
        """n prompts -> float32 [n, dim], unit rows. Prompts past the context length are cut: see cut_text."""
        ...

    def project(self, probe: Array) -> Array:
        """Stored probe vectors float32 [n, probe_dim] -> search vectors float32 [n, dim], unit rows."""
        ...

    def cut_text(self, prompt: str) -> str:
        """The tail of ``prompt`` that the text tower does not read; "" where it reads all of it."""
        ...


_LOADERS = {  # name -> the module and its function: only the one that is asked for is imported
    "conch": ("embedder.conch", "load_conch"),
    "mini": ("embedder.mini", "load_mini"),
    "clip": ("embedder.clip", "load_clip"),
    "fake": ("embedder.fake", "load_fake"),
}


def _loader(name: str) -> Callable[..., Encoder]:
    """Raises MissingDependency."""
    from embedder.errors import MissingDependency

    module, function = _LOADERS[name]
    try:
        loader: Callable[..., Encoder] = getattr(import_module(module), function)
    except ModuleNotFoundError as exc:
        if exc.name is not None and exc.name.startswith("embedder"):
            raise
        raise MissingDependency(
            f"This encoder needs the package {exc.name!r}: install Conchive with its worker extra, conchive[worker]."
        ) from exc
    return loader


def load_encoder(
    name: str,
    *,
    weights: str | os.PathLike[str] | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
    weights_sha256: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Encoder:
    """The encoder called ``name``: "conch", "mini", "clip" or "fake".

    ``weights``, ``tokenizer``: files; for "conch" they default to $CONCH_WEIGHTS and $CONCH_TOKENIZER. For "clip" ``weights``
    is a folder in transformers' layout ($CLIP_WEIGHTS), which holds its tokenizer. ``weights_sha256``: refuse any other file.
    ``device``: "auto", "cpu", "cuda", "cuda:1" ….
    ``dtype``: "float32", "bfloat16", or "auto", which takes bfloat16 only where it is fast and keeps a cosine of at least
    0.9995 to float32; several machines that fill one index should name the dtype, since the fingerprint contains it.

    Raises ValueError for an unknown name, WeightsError, TokenizerError, DeviceError, MissingDependency.
    """
    if name not in _LOADERS:
        raise ValueError(f"unknown encoder {name!r}: choose one of {', '.join(sorted(_LOADERS))}")
    return _loader(name)(
        weights=Path(weights) if weights is not None else None,
        tokenizer=Path(tokenizer) if tokenizer is not None else None,
        weights_sha256=weights_sha256,
        device=device,
        dtype=dtype,
    )
