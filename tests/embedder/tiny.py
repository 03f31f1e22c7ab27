"""Towers small enough to make in a test, and a tokenizer that needs no file."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from embedder.encoder import ConchEncoder
from embedder.model import DualTower, ModelConfig

TINY = ModelConfig(
    image_side_px=32,
    patch_side_px=16,
    vision_width=32,
    vision_depth=1,
    vision_heads=2,
    embed_dim=16,
    pooler_heads=2,
    caption_queries=4,
    vocabulary=50,
    text_positions=12,
    text_width=32,
    text_depth=1,
    text_heads=2,
)


def state_dict(config: ModelConfig = TINY, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of a released checkpoint's kind, without caption parts."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return {name: tensor.clone() for name, tensor in DualTower(config).state_dict().items()}


class WordTokenizer:
    """One number a word, within a tiny vocabulary."""

    sha256 = "1" * 64
    context_length = TINY.context_length

    def __call__(self, prompts: Sequence[str]) -> np.ndarray:
        tokens = np.zeros((len(prompts), self.context_length + 1), np.int64)
        for row, prompt in zip(tokens, prompts, strict=True):
            ids = [1, *(3 + zlib.crc32(word.encode()) % 47 for word in prompt.split())][: self.context_length - 1]
            row[: len(ids) + 1] = [*ids, 2]
        return tokens

    def cut_text(self, prompt: str) -> str:
        return " ".join(prompt.split()[self.context_length - 2 :])


def encoder(*, seed: int = 0, dtype: torch.dtype | None = torch.float32, kind: type[ConchEncoder] = ConchEncoder):
    torch.manual_seed(seed)
    towers = DualTower(TINY).eval().requires_grad_(requires_grad=False)
    return kind(
        towers,
        WordTokenizer(),
        name="tiny",
        weights_sha256="0" * 64,
        device=torch.device("cpu"),
        dtype=dtype,
    )


def pictures(n: int, *, seed: int = 0) -> list[Image.Image]:
    """n RGB fields of random grain and of various sizes."""
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (20 + 3 * (i % 11), 50 - i % 13, 3), np.uint8)) for i in range(n)]
