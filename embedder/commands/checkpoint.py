"""What verify asks of a checkpoint before and after its encoder is loaded. Imports torch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedder.conch import find_tokenizer, find_weights, load_with
from embedder.encoder import TowerEncoder
from embedder.encoders import load_encoder
from embedder.errors import SelfTestFailed, TokenizerError
from embedder.model import CONCH
from embedder.self_test import PROMPTS, TOLERANCE, self_test_images
from embedder.weights import hash_checked, read_state_dict

UNIT_TOLERANCE = 1e-5


class NoWords:
    """Stands for CONCH's tokenizer while the lab does not have it yet: the weights can be checked all the same."""

    sha256 = "0" * 64
    context_length = CONCH.context_length

    def __call__(self, prompts: Sequence[str]) -> NDArray[np.int64]:
        del prompts
        raise TokenizerError("No CONCH tokenizer is configured: give its path or set CONCH_TOKENIZER.")

    def cut_text(self, prompt: str) -> str:
        del prompt
        raise TokenizerError("No CONCH tokenizer is configured: give its path or set CONCH_TOKENIZER.")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """``file``: the tensors. ``weights``: what load_encoder takes, which for clip is the folder around the file."""

    encoder: str
    weights: Path
    file: Path
    tokenizer: Path | None
    reads_words: bool

    @classmethod
    def find(cls, arguments: argparse.Namespace) -> Checkpoint:
        """Raises WeightsNotFound, TokenizerError for a tokenizer that was named and is not there."""
        given = Path(arguments.weights) if arguments.weights else None
        tokenizer = Path(arguments.tokenizer) if arguments.tokenizer else None
        weights, file = FINDERS[arguments.encoder](given)
        reads_words = arguments.encoder != "conch" or tokenizer is not None or _has_tokenizer()
        return cls(encoder=arguments.encoder, weights=weights, file=file, tokenizer=tokenizer, reads_words=reads_words)

    def check_hash(self, expected: str | None) -> str:
        """What to tell of the file's sha256. Raises WeightsHashMismatch."""
        return hash_checked(self.file, expected) + (" (as expected)" if expected else "")

    def count(self) -> tuple[int, int]:
        """Weights and values that the encoder uses. Reads no values: the file is only mapped."""
        weights = [tensor for tensor in read_state_dict(self.file).values() if tensor.is_floating_point()]
        return len(weights), sum(tensor.numel() for tensor in weights)

    def load(self, device: str, dtype: str) -> TowerEncoder:
        """Raises EmbedderError for anything that does not fit."""
        if not self.reads_words:
            return load_with(NoWords(), self.file, weights_sha256=None, device=device, dtype=dtype)
        encoder = load_encoder(self.encoder, weights=self.weights, tokenizer=self.tokenizer, device=device, dtype=dtype)
        assert isinstance(encoder, TowerEncoder)  # noqa: S101  for the type checker: no "fake" here  # nosec B101
        return encoder


def _conch(path: Path | None) -> tuple[Path, Path]:
    file = find_weights(path)
    return file, file


def _mini(path: Path | None) -> tuple[Path, Path]:
    from embedder.mini import find_weights

    file = find_weights(path)
    return file, file


def _clip(path: Path | None) -> tuple[Path, Path]:
    from embedder.clip_folder import find_folder, find_weights

    folder = find_folder(path)
    return folder, find_weights(folder)


FINDERS = {"conch": _conch, "mini": _mini, "clip": _clip}


def _has_tokenizer() -> bool:
    try:
        find_tokenizer(None)
    except TokenizerError:
        return False
    return True


def self_test(encoder: TowerEncoder, *, words: bool) -> str:
    """What to tell of a passed self test: unit rows, alike twice, and different for different inputs. Raises SelfTestFailed."""
    images = self_test_images(encoder.spec.image_side_px)
    rounds = [encoder.encode_images(images) for _ in range(2)]
    texts = [encoder.encode_texts(PROMPTS) for _ in range(2)] if words else []
    for first, second in (rounds, *([texts] if words else [])):
        _check_rows(first, second, TOLERANCE[encoder.spec.precision])
    return f"{len(images)} images and {len(PROMPTS) if words else 'no'} prompts, fingerprint {encoder.spec.fingerprint}"


def _check_rows(first: NDArray[np.float32], second: NDArray[np.float32], tolerance: float) -> None:
    lengths = np.linalg.norm(first.astype(np.float64), axis=1)
    if not np.abs(lengths - 1).max() <= UNIT_TOLERANCE:  # also true for NaN
        raise SelfTestFailed("The encoder's vectors do not have unit length.")
    if not np.abs(first - second).max() <= tolerance:
        raise SelfTestFailed("The encoder computes other vectors each time: the device or its memory is faulty.")
    if np.abs(first[0] - first[1]).max() <= tolerance:
        raise SelfTestFailed("The encoder gives different inputs the same vector: its weights are no trained ones.")
