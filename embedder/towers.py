"""What TowerEncoder asks of a model: two towers, a tokenizer, and the conventions they were trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from embedder.model import PAD, ModelConfig
from embedder.preprocess import MEAN, PREPROCESSING, STD


class TokenReader(Protocol):
    """What the encoder asks of a tokenizer; embedder.tokenizer.PromptTokenizer is one."""

    sha256: str
    context_length: int

    def __call__(self, prompts: Sequence[str]) -> NDArray[np.int64]: ...
    def cut_text(self, prompt: str) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """What a model's training fixed besides its weights.

    ``patches``: squares that the vision trunk cuts one image into, which decides how many images fit into a batch.
    ``mean``, ``std``: of each RGB channel, over pixels in 0…1. ``pad``: the number that fills token rows behind a prompt.
    ``preprocessing``, ``projection``, ``dim``, ``probe_dim``: see EncoderSpec.
    """

    image_side_px: int
    patches: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    preprocessing: str
    projection: str
    dim: int
    probe_dim: int
    pad: int


def conch_conventions(config: ModelConfig) -> Conventions:
    """What CONCH, and whatever is trained as CONCH was, goes by."""
    return Conventions(
        image_side_px=config.image_side_px,
        patches=config.patches,
        mean=MEAN,
        std=STD,
        preprocessing=PREPROCESSING,
        projection="proj_contrast-l2",
        dim=config.embed_dim,
        probe_dim=config.embed_dim,
        pad=PAD,
    )


class Towers(Protocol):
    """A torch module that holds two of its kind and the temperature.

    ``visual``: normalised pixels [n, 3, side, side] -> probe vectors [n, probe_dim]; its ``project`` carries those on to
    [n, dim], its ``use_dtype`` sets the precision of its ``trunk``. ``text``: token rows -> [n, dim].
    ``logit_scale``: a logarithm.
    """

    logit_scale: Any
    visual: Any
    text: Any

    def to(self, device: torch.device) -> Towers: ...
