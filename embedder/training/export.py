"""A trained model -> the files that load_encoder("mini") reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from embedder.mini import load_mini
from embedder.model import DualTower
from embedder.self_test import SelfTestVectors, self_test_vectors

MAX_BYTES = 12_000_000  # what may travel with the code
WEIGHTS, TOKENIZER, SELF_TEST = "mini.safetensors", "mini_tokenizer.json", "mini_self_test.npz"


def export(towers: DualTower, tokenizer: Path, folder: Path, *, max_bytes: int | None = MAX_BYTES) -> Path:
    """Writes weights (float16, the towers only), tokenizer and self-test vectors into ``folder``; returns the weights' path.

    The self-test vectors come from the written file as it loads, so that they prove the export and not the training model.
    Raises ValueError, and leaves ``folder`` as it was, where the weights are larger than ``max_bytes``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {
        name: tensor.detach().to(torch.float16).contiguous() for name, tensor in towers.state_dict().items()
    }
    partly = folder / f"{WEIGHTS}.part"
    save_file(tensors, partly, metadata={"config": json.dumps(towers.config.as_dict()), "made_by": "embedder.training"})
    size = partly.stat().st_size
    if max_bytes is not None and size > max_bytes:
        partly.unlink()
        raise ValueError(f"the weights take {size} bytes, more than {max_bytes}: make the towers or the vocabulary smaller")
    partly.chmod(0o644)  # safetensors leaves it to its owner alone, and the file is shipped
    partly.replace(folder / WEIGHTS)
    if tokenizer.resolve() != (folder / TOKENIZER).resolve():
        shutil.copyfile(tokenizer, folder / TOKENIZER)
    encoder = load_mini(
        weights=folder / WEIGHTS, tokenizer=folder / TOKENIZER, weights_sha256=None, device="cpu", dtype="float32"
    )
    np.savez(folder / SELF_TEST, **self_test_vectors(encoder)._asdict())
    return folder / WEIGHTS


def stored_self_test(file: Path) -> SelfTestVectors:
    """The vectors beside an export."""
    with np.load(file) as stored:
        return SelfTestVectors(stored["images"], stored["texts"])
