"""How much faster the towers are than the straightforward forward: `python -m benchmarks.embedder`.

All ways run interleaved in one process on CONCH-sized synthetic weights; medians and their ratios go to benchmarks/results/.
Baseline: every one of the 128 text positions, the caption pooler computed, one image at a time, float32, torch's own layers.
Where there is a CUDA device, benchmarks/embedder_gpu.py is measured as well.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from benchmarks.machine import machine, medians, versions, write
from embedder.encoder import ConchEncoder
from embedder.model import CONCH, DualTower, may_see, token_counts
from embedder.preprocess import normalise, to_square
from embedder.weights import load_towers, read_state_dict

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "embedder" / "golden"
PROMPT_LENGTHS = (6, 8, 10, 12, 14, 16, 18, 20)  # tokens, both marks included


class StoredTokens:
    """Stands for the tokenizer: tokens are made here."""

    sha256 = "0" * 64
    context_length = 127

    def __call__(self, prompts: object) -> NDArray[np.int64]:
        raise NotImplementedError

    def cut_text(self, prompt: str) -> str:
        raise NotImplementedError(prompt)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "pytorch_model.bin"
        torch.save(synthetic().state_dict(0), checkpoint)
        report: dict[str, Any] = {
            "machine": {**machine(), "threads": torch.get_num_threads()},
            "versions": versions("torch", "timm", "numpy", "pillow"),
            "command": "python -m benchmarks.embedder",
            "start-up": measure_start_up(checkpoint),
            **measure_towers(checkpoint),
        }
        write("embedder-cpu", report)
        if torch.cuda.is_available():
            from benchmarks import embedder_gpu

            embedder_gpu.main(checkpoint)


def synthetic() -> ModuleType:
    """The script that makes CONCH-shaped weights."""
    spec = importlib.util.spec_from_file_location("synthetic_checkpoint", GOLDEN / "synthetic_checkpoint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def encoder(checkpoint: Path, dtype: torch.dtype, device: str = "cpu") -> ConchEncoder:
    towers = load_towers(read_state_dict(checkpoint), CONCH)
    return ConchEncoder(towers, StoredTokens(), name="conch", weights_sha256="0" * 64, device=torch.device(device), dtype=dtype)


# --- start-up ------------------------------------------------------------------------------------------------------------


def measure_start_up(checkpoint: Path) -> dict[str, float]:
    """Seconds in fresh interpreters: the bare import, and until CONCH is loaded from a local file and has read one prompt."""
    ready = (
        "from pathlib import Path; import torch; from benchmarks.embedder import encoder; import numpy as np;"
        f"encoder(Path({str(checkpoint)!r}), torch.float32).encode_tokens(np.array([[1, 9, 2] + [0] * 125]))"
    )
    return {
        "interpreter alone, s": _seconds("pass"),
        "import embedder, s": _seconds("import embedder"),
        "from start to the first vector, s": _seconds(ready, repeats=3),
    }


def _seconds(code: str, repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


# --- towers --------------------------------------------------------------------------------------------------------------


def measure_towers(checkpoint: Path) -> dict[str, dict[str, float]]:
    plain = load_towers(read_state_dict(checkpoint), CONCH)
    exact, reduced = encoder(checkpoint, torch.float32), encoder(checkpoint, torch.bfloat16)
    return {"texts of 6 to 20 tokens": measure_texts(plain, exact), "images": measure_images(plain, exact, reduced)}


def measure_texts(plain: DualTower, ours: ConchEncoder) -> dict[str, float]:
    tokens = np.zeros((len(PROMPT_LENGTHS), 128), np.int64)
    for row, length in zip(tokens, PROMPT_LENGTHS, strict=True):
        row[:length] = np.arange(100, 100 + length)
    padded = torch.from_numpy(tokens)

    def baseline() -> None:
        with torch.inference_mode():
            for row in padded:
                padded_text(plain, row[None])

    def baseline_batch() -> None:
        with torch.inference_mode():
            padded_text(plain, padded)

    def alone() -> None:
        for row in tokens:
            ours.encode_tokens(row[None])

    ways = {"padded": baseline, "needed positions": alone, "padded batch": baseline_batch}
    seconds = medians({**ways, "batch of 8": lambda: ours.encode_tokens(tokens)}, 9)
    return {
        **{f"{name}, ms a prompt": 1000 * value / len(tokens) for name, value in seconds.items()},
        "ratio one at a time": seconds["padded"] / seconds["needed positions"],
        "ratio batched": seconds["padded batch"] / seconds["batch of 8"],
    }


def padded_text(towers: DualTower, tokens: torch.Tensor) -> torch.Tensor:
    """The text tower over all positions, whatever the prompt's length."""
    text, kept = towers.text, CONCH.context_length
    words = text.token_embedding(tokens[:, :kept]) + text.positional_embedding[:kept]
    cls = (text.cls_emb + text.positional_embedding[-1]).expand(len(tokens), 1, -1)
    mask = may_see(token_counts(tokens[:, :kept]), kept)
    return functional.normalize(text.summarise(text.transformer(torch.cat([words, cls], dim=1), mask)), dim=-1)


def measure_images(plain: DualTower, exact: ConchEncoder, reduced: ConchEncoder) -> dict[str, float]:
    with Image.open(GOLDEN / "landscape_640x470.png") as image:
        squares = [to_square(image.convert("RGB"), 448)] * 4
    straightforward = StraightforwardVision(plain)
    seconds = medians(
        {
            "baseline": lambda: [straightforward(square) for square in squares],
            "float32": lambda: exact.encode_squares(squares),
            "bfloat16": lambda: reduced.encode_squares(squares),
        },
        5,
    )
    true, rounded = (encoder.project(encoder.encode_squares(squares[:1])) for encoder in (exact, reduced))
    return {
        **{f"{name}, images/s": len(squares) / value for name, value in seconds.items()},
        "ratio float32": seconds["baseline"] / seconds["float32"],
        "ratio bfloat16": seconds["baseline"] / seconds["bfloat16"],
        "cosine bfloat16 to float32": float((true * rounded).sum()),
    }


class StraightforwardVision:
    """The released pipeline's work for one image: the trunk, both poolers, the projection, in float32."""

    def __init__(self, towers: DualTower, device: str = "cpu") -> None:
        self._visual = towers.visual
        self._device = device
        self._caption_queries = torch.randn(CONCH.caption_queries, CONCH.vision_width, device=device)
        self._caption = torch.nn.MultiheadAttention(CONCH.vision_width, 8, batch_first=True).eval().to(device)

    def __call__(self, square: NDArray[np.uint8]) -> torch.Tensor:
        with torch.inference_mode():
            tokens = self._visual.tokens(torch.from_numpy(normalise(square[None])).to(self._device))
            self._caption(self._caption_queries[None], tokens, tokens, need_weights=False)
            return functional.normalize(self._visual.project(self._visual.pool(tokens)), dim=-1).cpu()


if __name__ == "__main__":
    main()
