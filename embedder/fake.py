"""FakeEncoder: the Encoder contract from colours and words, without torch, in about a millisecond.

For tests and load tests. An image's vector follows from its mean colours on a coarse grid; a prompt's from its words, and
a colour word points where images of that colour lie, so that "pink" finds a pink field.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import NDArray

from embedder.encoders import BothSpaces, Space
from embedder.spec import EncoderSpec

if TYPE_CHECKING:
    from PIL import Image

Array = NDArray[np.float32]

DIM = 512
CONTEXT_LENGTH = 127
GRID = 4  # cells a side whose mean colour enters the vector
COLOURS = {
    "red": (200, 40, 40), "pink": (230, 150, 190), "purple": (120, 60, 150), "violet": (120, 60, 150),
    "blue": (60, 80, 200), "brown": (130, 80, 40), "green": (50, 160, 70), "yellow": (230, 220, 80),
    "white": (250, 250, 250), "black": (10, 10, 10), "grey": (128, 128, 128), "gray": (128, 128, 128),
}  # fmt: skip


class FakeEncoder:
    """Deterministic on every machine; safe to call from several threads."""

    logit_scale = 1 / 0.07
    spec = EncoderSpec(
        name="fake",
        weights_sha256=hashlib.sha256(b"colours and words, version 1").hexdigest(),
        tokenizer_sha256=hashlib.sha256(b"words").hexdigest(),
        preprocessing=f"mean-colour-grid-{GRID}",
        projection="l2",
        image_side_px=GRID,
        dim=DIM,
        probe_dim=DIM,
        context_length=CONTEXT_LENGTH,
    )

    def __init__(self) -> None:
        self._colour_axes = _random_rows(GRID * GRID * 3, seed=1)

    @overload
    def encode_images(self, images: Sequence[Image.Image], *, space: Literal["search", "probe"] = ...) -> Array: ...
    @overload
    def encode_images(self, images: Sequence[Image.Image], *, space: Literal["both"]) -> BothSpaces: ...
    def encode_images(self, images: Sequence[Image.Image], *, space: Space = "search") -> Array | BothSpaces:
        """n images -> float32 [n, 512]."""
        rows = [self._from_grid(_mean_colours(image)) for image in images]
        probe = np.stack(rows) if rows else np.empty((0, DIM), np.float32)
        if space == "probe":
            return probe
        search = self.project(probe)
        return BothSpaces(search, probe) if space == "both" else search

    def encode_texts(self, prompts: Sequence[str]) -> Array:
        """n prompts -> float32 [n, 512], unit rows."""
        rows = [self._from_words(_words(prompt)[:CONTEXT_LENGTH]) for prompt in prompts]
        return self.project(np.stack(rows) if rows else np.empty((0, DIM), np.float32))

    def project(self, probe: Array) -> Array:
        """float32 [n, 512] -> unit rows; a row of zeros, which no input gives, becomes an axis."""
        rows = np.array(probe, np.float32)
        rows[~rows.any(axis=1), 0] = 1.0
        unit: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def cut_text(self, prompt: str) -> str:
        """The words past the context length."""
        return " ".join(_words(prompt)[CONTEXT_LENGTH:])

    def _from_grid(self, colours: NDArray[np.float64]) -> Array:
        centred = colours.reshape(-1) / 127.5 - 1.0  # [GRID * GRID * 3] in [-1, 1]
        vector: Array = (centred @ self._colour_axes + 1e-3 * self._colour_axes[0]).astype(np.float32)
        return vector

    def _from_words(self, words: Sequence[str]) -> Array:
        colours = [COLOURS[word] for word in words if word in COLOURS]
        vector = sum((_random_rows(1, seed=_stable(word))[0] for word in words), np.zeros(DIM))
        vector = 0.3 * vector / max(1.0, float(np.linalg.norm(vector)))
        if colours:
            flat = np.tile(np.mean(colours, axis=0), (GRID, GRID, 1))
            vector = vector + self.project(self._from_grid(flat)[None])[0]
        return vector.astype(np.float32) if vector.any() else _random_rows(1, seed=0)[0].astype(np.float32)


def load_fake(
    *, weights: Path | None, tokenizer: Path | None, weights_sha256: str | None, device: str, dtype: str
) -> FakeEncoder:
    """Takes load_encoder's arguments and needs none of them."""
    del weights, tokenizer, weights_sha256, device, dtype
    return FakeEncoder()


def _mean_colours(image: Image.Image) -> NDArray[np.float64]:
    image = image if image.mode == "RGB" else image.convert("RGB")  # convert() copies in any case
    return np.asarray(image.resize((GRID, GRID), resample=4), np.float64)  # 4: box, a plain mean


def _words(prompt: str) -> list[str]:
    return re.findall(r"\w+", prompt.lower())


def _stable(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")


def _random_rows(n: int, *, seed: int) -> NDArray[np.float64]:
    """n random unit rows, the same everywhere."""
    rows = np.random.Generator(np.random.PCG64(seed)).standard_normal((n, DIM))
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
