"""How much faster the towers are than the straightforward forward: `python -m benchmarks.embedder`.

Both ways run interleaved in one process on CONCH-sized synthetic weights; medians and their ratios go to benchmarks/results/.
Baseline: every one of the 128 text positions, the caption pooler computed, one image at a time, float32.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from embedder.encoder import ConchEncoder
from embedder.model import CONCH, AttentionalPooler, DualTower, may_see, token_counts
from embedder.preprocess import to_square
from embedder.weights import load_towers

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "embedder" / "golden"
RESULT = ROOT / "benchmarks" / "results" / "embedder-cpu.json"


class StoredTokens:
    """Stands for the tokenizer: tokens are made here."""

    sha256 = "0" * 64
    context_length = 127

    def __call__(self, prompts: object) -> np.ndarray:
        raise NotImplementedError

    def cut_text(self, prompt: str) -> str:
        raise NotImplementedError(prompt)


def towers() -> DualTower:
    spec = importlib.util.spec_from_file_location("synthetic_checkpoint", GOLDEN / "synthetic_checkpoint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    state = {name: tensor for name, tensor in module.state_dict(0).items() if "caption" not in name}
    return load_towers(state, CONCH)


def encoder(dtype: torch.dtype) -> ConchEncoder:
    return ConchEncoder(towers(), StoredTokens(), name="conch", weights_sha256="0" * 64, device=torch.device("cpu"), dtype=dtype)


def padded_text(model: DualTower, tokens: torch.Tensor) -> torch.Tensor:
    """The text tower over all positions, whatever the prompt's length."""
    text, kept = model.text, CONCH.context_length
    lengths = token_counts(tokens[:, :kept])
    words = text.token_embedding(tokens[:, :kept]) + text.positional_embedding[:kept]
    cls = (text.cls_emb + text.positional_embedding[-1]).expand(len(tokens), 1, -1)
    hidden = text.transformer(torch.cat([words, cls], dim=1), may_see(lengths, kept))
    return torch.nn.functional.normalize(text.summarise(hidden), dim=-1)


def caption_pooler() -> AttentionalPooler:
    return AttentionalPooler(width=768, context_width=768, heads=8, queries=CONCH.caption_queries).eval()


def medians(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each way, run in turn so that a noisy machine disturbs all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for run in ways.values():
        run()
    for _ in range(repeats):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def measure_texts(ours: ConchEncoder) -> dict[str, float]:
    tokens = np.zeros((8, 128), np.int64)
    for row, length in zip(tokens, (6, 8, 10, 12, 14, 16, 18, 20), strict=True):
        row[:length] = np.arange(100, 100 + length)
    padded = torch.from_numpy(tokens)

    def baseline() -> None:
        with torch.inference_mode():
            for row in padded:
                padded_text(ours._towers, row[None])

    def alone() -> None:
        for row in tokens:
            ours.encode_tokens(row[None])

    seconds = medians({"padded": baseline, "needed positions": alone, "batched": lambda: ours.encode_tokens(tokens)}, 7)
    return {
        **{f"{name}, ms a prompt": 1000 * value / len(tokens) for name, value in seconds.items()},
        "ratio one at a time": seconds["padded"] / seconds["needed positions"],
        "ratio batched": seconds["padded"] / seconds["batched"],
    }


def measure_images(ours: ConchEncoder, reduced: ConchEncoder) -> dict[str, float]:
    with Image.open(GOLDEN / "landscape_640x470.png") as image:
        squares = [to_square(image.convert("RGB"), 448)] * 4
    pooler = caption_pooler()

    def baseline() -> None:
        with torch.inference_mode():
            for square in squares:
                tokens = ours._towers.visual.tokens(ours._normalise(ours._upload([square])))
                pooler(tokens)
                ours._towers.visual.pool(tokens)

    ways: dict[str, Callable[[], object]] = {
        "baseline": baseline,
        "float32": lambda: ours.encode_squares(squares),
        "bfloat16": lambda: reduced.encode_squares(squares),
    }
    seconds = medians(ways, 3)
    exact, rounded = ours.project(ours.encode_squares(squares[:1])), reduced.project(reduced.encode_squares(squares[:1]))
    return {
        **{f"{name}, images/s": len(squares) / value for name, value in seconds.items()},
        "ratio float32": seconds["baseline"] / seconds["float32"],
        "ratio bfloat16": seconds["baseline"] / seconds["bfloat16"],
        "cosine bfloat16 to float32": float((exact * rounded).sum()),
    }


def main() -> None:
    ours, reduced = encoder(torch.float32), encoder(torch.bfloat16)
    report = {
        "machine": {"processor": _processor(), "threads": torch.get_num_threads(), "system": platform.platform()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "command": "python -m benchmarks.embedder",
        "texts of 6 to 20 tokens": measure_texts(ours),
        "images": measure_images(ours, reduced),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=2) + "\n")
    json.dump(report, sys.stdout, indent=2)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
