"""A checkpoint as embedder.training exports it, small enough to make in a test, and expected vectors for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from embedder.preprocess import normalise, to_square
from embedder.weights import load_towers
from tests.embedder.tiny import TINY, pictures, state_dict

WORDS = ["adipose", "tissue", "h", "&", "e", "image", "of", "lung", "adenocarcinoma", "30", "%", "positive", "nuclei"]


def save_weights(folder: Path) -> Path:
    path = folder / "mini.safetensors"
    save_file(state_dict(), path, metadata={"config": json.dumps(TINY.as_dict())})
    return path


def save_tokenizer(folder: Path) -> Path:
    numbers = {word: number for number, word in enumerate(["<pad>", "<start_of_text>", "<end_of_text>", "?", *WORDS])}
    reader = Tokenizer(WordLevel(numbers, unk_token="?"))
    reader.add_special_tokens(["<pad>", "<start_of_text>", "<end_of_text>"])
    reader.normalizer, reader.pre_tokenizer = Lowercase(), Whitespace()
    marks = [("<start_of_text>", 1), ("<end_of_text>", 2)]
    reader.post_processor = TemplateProcessing(single="<start_of_text> $A <end_of_text>", special_tokens=marks)
    path = folder / "tokenizer.json"
    reader.save(str(path))
    return path


def save_golden(folder: Path, *, shift: float = 0.0) -> Path:
    """Images, and every entry computed straight from the towers; ``shift`` is added to the search vectors."""
    images = pictures(2)
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
    tokens = np.zeros((2, TINY.text_positions), np.int64)
    tokens[0, :4], tokens[1, :3] = [1, 5, 6, 2], [1, 9, 2]
    towers = load_towers(state_dict(), TINY)
    pixels = normalise(np.stack([to_square(image, TINY.image_side_px) for image in images]))
    with torch.inference_mode():
        trunk = towers.visual.tokens(torch.from_numpy(pixels))
        probe = towers.visual.pool(trunk)
        projected = towers.visual.project(probe)
        texts = towers.text(torch.from_numpy(tokens))
    search, words = unit(projected), unit(texts)
    entries = {
        "files": np.array(["0.png", "1.png"]), "tokens": tokens, "texts": np.array(["a", "b"]),
        "pixels_mean": pixels.mean(axis=(2, 3), dtype=np.float64), "pixels_corner": pixels[:, :, :8, :8],
        "trunk_tokens_head": trunk[:, :4].numpy(),
        "image_proj0_norm0": probe.numpy(), "image_proj0_norm1": unit(probe),
        "image_proj1_norm0": projected.numpy(), "image_proj1_norm1": search + np.float32(shift),
        "text_norm0": texts.numpy(), "text_norm1": words,
        "logit_scale": np.float32(towers.logit_scale.exp()), "similarity": search @ words.T,
    }  # fmt: skip
    np.savez(folder / "golden.npz", **entries)
    return folder / "golden.npz"


def unit(rows: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(rows, dim=-1).numpy()
