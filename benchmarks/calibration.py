"""What the bands of search/calibrate.py mean with the bundled encoder: `python -m benchmarks.calibration`.

Fresh drawn samples of every tissue; each is asked about by picture, by its caption and by its tissue's name. Told is which share
of the hits of the same tissue, and of all others, stands in each band or above, and what questions about nothing histological
get.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine, versions, write
from embedder import load_encoder
from embedder.samples import draw_sample
from embedder.tissues import TISSUES
from search.calibrate import BANDS, Kind, calibration_of, fisher

OF_EACH, FIRST_SEED, SIDE_PX = 12, 50_000, 448
NONSENSE = ("a red sports car", "quarterly tax report", "the cat sat on the mat", "blue sky over mountains", "pizza with cheese")
Array = NDArray[np.float32]


def heights(scores: Array, kind: Kind) -> Array:
    """Spreads above the background's centre."""
    told = calibration_of(scores, kind=kind)
    if told.centre is None or told.spread is None:
        raise ValueError("too few samples for a background")
    risen: Array = (fisher(scores) - told.centre) / told.spread
    return risen


def shares(reached: Sequence[Array], kind: Kind) -> dict[str, float]:
    together = np.concatenate(reached)
    bands = vars(BANDS[kind]).items()
    return {f"{name} or better": round(float((together >= height).mean()), 4) for name, height in bands}


def asked(vectors: Array, queries: Array, labels: NDArray[np.str_], wanted: Sequence[str], kind: Kind) -> dict[str, Any]:
    same, other = [], []
    for query, label in zip(queries, wanted, strict=True):
        scores = vectors @ query
        keep = scores < 1 - 1e-5  # not the picture itself
        risen = heights(scores[keep], kind)
        same.append(risen[labels[keep] == label])
        other.append(risen[labels[keep] != label])
    told: dict[str, Any] = {"other tissues": shares(other, kind)}
    return ({"same tissue": shares(same, kind)} | told) if any(len(found) for found in same) else told


def main() -> None:
    encoder = load_encoder("mini")
    drawn = [draw_sample(name, seed=FIRST_SEED + n, side_px=SIDE_PX) for name in TISSUES for n in range(OF_EACH)]
    labels = np.array([name for name in TISSUES for _ in range(OF_EACH)])
    vectors = np.concatenate([encoder.encode_images([sample.image]) for sample in drawn])
    captions = encoder.encode_texts([sample.caption for sample in drawn[::OF_EACH]])
    names = encoder.encode_texts([name.replace("_", " ") for name in TISSUES])
    nonsense = encoder.encode_texts(list(NONSENSE))
    report = {
        "samples": len(drawn),
        "by picture": asked(vectors, vectors[::3], labels, list(labels[::3]), "image"),
        "by caption": asked(vectors, captions, labels, list(TISSUES), "text"),
        "by name": asked(vectors, names, labels, list(TISSUES), "text"),
        "by nonsense": asked(vectors, nonsense, labels, [""] * len(NONSENSE), "text"),
    }
    write("calibration", {"machine": machine(), "versions": versions("torch", "numpy")} | report)


if __name__ == "__main__":
    main()
