"""Text queries at 1, 8 and 64 at once, encoded together and one by one: `python -m benchmarks.queries`.

Each caller asks again as soon as it has its answer, with words that nobody asked before: no cache takes part. ``together`` is
explore/batching.py, as web threads and query workers use it; ``alone`` is the same encoder behind a lock, one question a call.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
import numpy as np

from benchmarks.machine import machine, versions, write
from embedder import Encoder, load_encoder

AT_ONCE = (1, 8, 64)
WORDS = ("brown", "nuclei", "glands", "of", "the", "colon", "with", "mucin", "necrosis", "near", "vessels", "keratin")
Ask = Callable[[Sequence[str]], object]


def main() -> None:
    options = _options()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    django.setup()
    encoder = load_encoder(options.encoder)
    counting = _Counting(encoder)
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": versions("torch", "numpy"),
        "settings": {"encoder": options.encoder, "seconds": options.seconds, "words_a_query": "3 to 8"},
    }
    for way, ask in _ways(counting).items():
        ask(["warming up"])
        report[way] = {str(n): _measured(ask, counting, at_once=n, seconds=options.seconds) for n in AT_ONCE}
    report["machine"]["load_after"] = [round(load, 2) for load in os.getloadavg()]
    write("queries", report)


class _Counting:
    """The encoder, and how many calls it had."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.spec, self.calls = encoder, encoder.spec, 0

    def encode_texts(self, prompts: Sequence[str]) -> Any:
        self.calls += 1
        return self.encoder.encode_texts(prompts)


def _ways(encoder: Any) -> dict[str, Ask]:
    from webapp.explore.batching import Batcher

    batcher, lock = Batcher(), threading.Lock()

    def alone(texts: Sequence[str]) -> object:
        with lock:
            return encoder.encode_texts(texts)

    return {"together": lambda texts: batcher.encode(encoder, texts, timeout_s=60), "alone": alone}


def _measured(ask: Ask, encoder: _Counting, *, at_once: int, seconds: float) -> dict[str, float]:
    """Milliseconds from question to vector, questions a second, and questions in a call of the encoder."""
    calls, until = encoder.calls, time.monotonic() + seconds
    with ThreadPoolExecutor(at_once) as pool:
        taken = [each for some in pool.map(lambda seed: _asking(ask, seed, until), range(at_once)) for each in some]
    return {
        "queries": len(taken),
        "p50_ms": round(1e3 * float(np.percentile(taken, 50)), 2),
        "p95_ms": round(1e3 * float(np.percentile(taken, 95)), 2),
        "a_second": round(len(taken) / seconds, 1),
        "queries_a_call": round(len(taken) / (encoder.calls - calls), 2),
    }


def _asking(ask: Ask, seed: int, until: float) -> list[float]:
    random, taken = np.random.default_rng(seed), []
    while time.monotonic() < until:
        text = " ".join(random.choice(WORDS, random.integers(3, 9))) + f" {random.integers(10**9)}"
        start = time.perf_counter()
        ask([text])
        taken.append(time.perf_counter() - start)
    return taken


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="mini", choices=["mini", "fake"])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    return parser.parse_args()


if __name__ == "__main__":
    main()
