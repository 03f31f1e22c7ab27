"""A CLIP folder small enough to make in a test: random weights, a tokenizer of single letters and a few merges."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers.pre_tokenizers import ByteLevel

from embedder.torchvision_shim import ensure_torchvision

ensure_torchvision()
from transformers import CLIPConfig, CLIPTokenizerFast  # noqa: E402
from transformers.models.clip.modeling_clip import CLIPModel  # noqa: E402

LETTERS = sorted(ByteLevel.alphabet())
MERGES = [("t", "u"), ("tu", "m"), ("o", "r</w>"), ("tum", "or</w>"), ("l", "u"), ("n", "g</w>")]
WORDS = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), *("".join(pair) for pair in MERGES)]
VOCABULARY = {word: number for number, word in enumerate([*WORDS, "<|startoftext|>", "<|endoftext|>"])}
END = VOCABULARY["<|endoftext|>"]
SIDE_PX = 32
CONTEXT_LENGTH = 12
PREPROCESSOR = {
    "do_resize": True, "size": {"shortest_edge": SIDE_PX}, "resample": 3,
    "do_center_crop": True, "crop_size": {"height": SIDE_PX, "width": SIDE_PX},
    "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True, "image_mean": [0.5, 0.45, 0.4], "image_std": [0.25, 0.26, 0.27],
}  # fmt: skip


def config(**text: object) -> CLIPConfig:
    return CLIPConfig(
        text_config={
            "vocab_size": len(VOCABULARY), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": CONTEXT_LENGTH, "eos_token_id": END, "bos_token_id": END - 1,
        } | text,
        vision_config={
            "hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": SIDE_PX, "patch_size": 16,
        },
        projection_dim=16,
    )  # fmt: skip


def model(settings: CLIPConfig | None = None, *, seed: int = 0) -> CLIPModel:
    """Random weights; biases and norms too, so that none can be left out unnoticed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = CLIPModel(settings or config()).eval()
        for name, tensor in made.named_parameters():
            if name != "logit_scale":
                tensor.data += 0.2 * torch.randn_like(tensor)
    return made


def tokenizer() -> CLIPTokenizerFast:
    return CLIPTokenizerFast(vocab=VOCABULARY, merges=MERGES)


def save_folder(folder: Path, made: CLIPModel | None = None) -> Path:
    """Everything that `hf download` would bring, in the layout of transformers."""
    folder.mkdir(parents=True, exist_ok=True)
    (made or model()).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder


def save_parts(folder: Path) -> None:
    """The tokenizer as older exports keep it: vocab.json and merges.txt."""
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{first} {second}\n" for first, second in MERGES))
