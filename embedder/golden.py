"""Stored vectors of a reference implementation against what an encoder computes, entry by entry.

An .npz may hold any of ENTRIES. Images belong to its rows in the order of ``files``, where it has that entry, else GOLDEN_FILES;
prompts come as ``tokens``, so that no tokenizer is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from embedder.encoder import TowerEncoder
from embedder.errors import GoldenMismatch
from embedder.images import open_rgb

if TYPE_CHECKING:
    from PIL import Image

Entries = Mapping[str, NDArray[np.generic]]
Array = NDArray[np.float32]

TOLERANCE = 2e-5  # absolute, in float32
GOLDEN_FILES = ("square_448.png", "landscape_640x470.png", "portrait_300x520.png", "grey_450x450.png", "tiny_40x64.png")
INPUTS = ("texts", "tokens", "files")
CORNER_PX = 8
HEAD_TOKENS = 4


def read_entries(path: Path) -> dict[str, NDArray[np.generic]]:
    """Raises GoldenMismatch for a file that cannot be read or holds nothing to compare."""
    try:
        with path.open("rb") as file:  # numpy leaves a file open that it cannot read
            stored = np.load(file, allow_pickle=False)
            entries = dict(stored.items())
    except (OSError, ValueError, EOFError, AttributeError, BadZipFile) as exc:  # a single array has no items
        raise GoldenMismatch("The file of expected vectors cannot be read as .npz: check the path, or copy it again.") from exc
    unknown = sorted(set(entries) - set(ENTRIES) - set(INPUTS))
    if unknown or not set(entries) & set(ENTRIES):
        known = ", ".join(ENTRIES)
        raise GoldenMismatch(f"The file of expected vectors holds {', '.join(unknown) or 'nothing'} instead of any of {known}.")
    return entries


def read_images(folder: Path, entries: Entries) -> list[Image.Image]:
    """The images of the entries' rows. Raises GoldenMismatch for one that is absent, ImageError for one that is damaged."""
    names = [str(name) for name in entries["files"]] if "files" in entries else list(GOLDEN_FILES)
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise GoldenMismatch(f"The folder of images lacks {', '.join(absent)}.")
    return [open_rgb(folder / name) for name in names]


class Computed:
    """What one encoder makes of the golden inputs; each part is computed once, and only when an entry asks for it."""

    def __init__(self, encoder: TowerEncoder, entries: Entries, images: Sequence[Image.Image]) -> None:
        self._encoder = encoder
        self._entries = entries
        self._images = images
        self.logit_scale = np.float32(encoder.logit_scale)

    @cached_property
    def pixels(self) -> Array:
        return _numpy(self._encoder.pixels(self._images))

    @cached_property
    def trunk_tokens(self) -> Array:
        visual = self._encoder.towers.visual
        if not hasattr(visual, "tokens"):
            raise GoldenMismatch("This encoder's trunk does not show its tokens: trunk_tokens_head cannot be compared.")
        with torch.inference_mode():
            return _numpy(visual.tokens(self._encoder.pixels(self._images))[:, :HEAD_TOKENS])

    @cached_property
    def probe(self) -> Array:
        return self._encoder.encode_images(self._images, space="probe")

    @cached_property
    def search(self) -> Array:
        return self._encoder.project(self.probe)

    @cached_property
    def projected(self) -> Array:
        with torch.inference_mode():
            return _numpy(self._encoder.towers.visual.project(self._encoder.to_device(self.probe)))

    @cached_property
    def tokens(self) -> NDArray[np.int64]:
        if "tokens" not in self._entries:
            raise GoldenMismatch("The file of expected vectors has entries of prompts, but no tokens to compute them from.")
        return self._entries["tokens"].astype(np.int64)

    @cached_property
    def texts(self) -> Array:
        with torch.inference_mode():
            return _numpy(self._encoder.towers.text(self._encoder.to_device(self.tokens)))

    @cached_property
    def unit_texts(self) -> Array:
        return self._encoder.encode_tokens(self.tokens)

    @cached_property
    def similarity(self) -> Array:
        """Cosines, or logits where the stored ones are past what a cosine can be."""
        cosines = self.search @ self.unit_texts.T
        is_logit = float(np.abs(self._entries["similarity"].astype(np.float32)).max()) > 1 + 1e-3
        scaled: Array = cosines * self.logit_scale if is_logit else cosines
        return scaled


ENTRIES: dict[str, Callable[[Computed], NDArray[Any] | np.float32]] = {
    "pixels_mean": lambda made: made.pixels.mean(axis=(2, 3), dtype=np.float64),  # float32 sums of 200,000 are off by 1e-3
    "pixels_corner": lambda made: made.pixels[:, :, :CORNER_PX, :CORNER_PX],
    "trunk_tokens_head": lambda made: made.trunk_tokens,
    "image_proj0_norm0": lambda made: made.probe,
    "image_proj0_norm1": lambda made: made.probe / np.linalg.norm(made.probe, axis=1, keepdims=True),
    "image_proj1_norm0": lambda made: made.projected,
    "image_proj1_norm1": lambda made: made.search,
    "text_norm0": lambda made: made.texts,
    "text_norm1": lambda made: made.unit_texts,
    "logit_scale": lambda made: made.logit_scale,
    "similarity": lambda made: made.similarity,
}


def largest_error(name: str, made: Computed, expected: NDArray[np.generic]) -> float:
    """The largest absolute difference of one entry. Raises GoldenMismatch where the shapes differ."""
    actual = np.asarray(ENTRIES[name](made), np.float64)
    if actual.shape != expected.shape:
        raise GoldenMismatch(f"The entry {name} has shape {list(expected.shape)}, this encoder's is {list(actual.shape)}.")
    return float(np.abs(actual - expected.astype(np.float64)).max())


def _numpy(tensor: torch.Tensor) -> Array:
    vectors: Array = tensor.float().cpu().numpy()
    return vectors
