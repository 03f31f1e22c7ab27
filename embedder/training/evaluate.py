"""How well does an encoder retrieve what it was not trained on? Measured beside what needs no training at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedder.encoders import Encoder
from embedder.preprocess import to_square
from embedder.tissues import TISSUES
from embedder.training.data import FRESH_SEED, Tile, draw_many

Floats = NDArray[np.floating[Any]]
BINS = 8


def evaluate(encoder: Encoder, tiles: Sequence[Tile], *, fresh_per_tissue: int = 30) -> dict[str, Any]:
    """All metrics as plain JSON values; "real" is None where there are no tiles."""
    return {"synthetic": evaluate_synthetic(encoder, per_tissue=fresh_per_tissue), "real": evaluate_real(encoder, tiles)}


def evaluate_synthetic(encoder: Encoder, *, per_tissue: int) -> dict[str, Any]:
    """Fields of fresh seeds, asked for by their tissue's name."""
    fields = draw_many(per_tissue=per_tissue, first_seed=FRESH_SEED, side_px=encoder.spec.image_side_px)
    names = [TISSUES[tissue].label for tissue in fields]
    truth = np.repeat(np.arange(len(names)), per_tissue)
    images = [Image.fromarray(square) for drawn in fields.values() for square, _ in drawn]
    scores = similarities(encoder, images, names)
    precision = [precision_at(scores[:, number], truth == number, 10) for number in range(len(names))]
    return {
        "images": len(images),
        "classes": len(names),
        "precision_at_10": float(np.mean(precision)),
        "top_1": float((scores.argmax(axis=1) == truth).mean()),
        "precision_at_10_by_class": dict(zip(names, precision, strict=True)),
    }


def evaluate_real(encoder: Encoder, tiles: Sequence[Tile]) -> dict[str, Any] | None:
    """The held-out tiles, asked for by their bare labels. Baselines see the training tiles' labels, but no words."""
    test = [tile for tile in tiles if tile.held_out]
    if not test:
        return None
    training = [tile for tile in tiles if not tile.held_out]
    names = sorted({tile.label for tile in tiles})
    truth = np.array([names.index(tile.label) for tile in test])
    known = np.array([names.index(tile.label) for tile in training])
    images = [tile.open() for tile in test]
    scores = similarities(encoder, images, names)
    side = encoder.spec.image_side_px
    ours, theirs = histograms(images, side), histograms([tile.open() for tile in training], side)
    majority = Counter(known.tolist()).most_common(1)[0][0]
    baselines = {
        "majority": {"top_1": float((truth == majority).mean()), "mean_average_precision": _chance(truth)},
        "histogram_class_mean": quality(class_mean_scores(ours, theirs, known, len(names)), truth),
        "histogram_nearest": quality(nearest_scores(ours, theirs, known, len(names)), truth),
    }
    return {
        "images": len(test),
        "trained_on": len(training),
        "classes": len(names),
        **quality(scores, truth),
        "baselines": baselines,
        "best_baseline": {name: max(row[name] for row in baselines.values()) for name in baselines["majority"]},
        "by_label": {
            names[number]: {
                "images": int((truth == number).sum()),
                "average_precision": average_precision(scores[:, number], truth == number),
                "recall": float((scores[truth == number].argmax(axis=1) == number).mean()),
            }
            for number in np.unique(truth).tolist()
        },
    }


def similarities(encoder: Encoder, images: Sequence[Image.Image], prompts: Sequence[str]) -> Floats:
    """Cosines [images, prompts]."""
    scores: Floats = encoder.encode_images(images) @ encoder.encode_texts(prompts).T
    return scores


def quality(scores: Floats, truth: NDArray[np.int64]) -> dict[str, float]:
    """Retrieval and classification from scores [images, labels]. Labels without an image are never asked for."""
    asked = np.unique(truth)
    hit = scores.argmax(axis=1) == truth
    return {
        "top_1": float(hit.mean()),
        "balanced_top_1": float(np.mean([hit[truth == number].mean() for number in asked])),
        "mean_average_precision": float(np.mean([average_precision(scores[:, n], truth == n) for n in asked])),
    }


def _chance(truth: NDArray[np.int64]) -> float:
    """Mean average precision of a shuffled list: near enough the share of each label."""
    return float(np.mean([(truth == number).mean() for number in np.unique(truth)]))


def average_precision(scores: Floats, relevant: NDArray[np.bool_]) -> float:
    """Mean of the precision at each relevant item's rank, best score first; ties keep their order. 0 without relevant items."""
    hits = relevant[np.argsort(-scores, kind="stable")]
    ranks = np.flatnonzero(hits) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).mean()) if len(ranks) else 0.0


def precision_at(scores: Floats, relevant: NDArray[np.bool_], count: int) -> float:
    """The relevant share of the ``count`` best."""
    return float(relevant[np.argsort(-scores, kind="stable")[:count]].mean())


def histograms(images: Sequence[Image.Image], side_px: int) -> Floats:
    """Colour histograms, 8 × 8 × 8 over RGB, as float64 [n, 512] whose rows sum to 1. They see the square the encoder sees."""
    rows = []
    for image in images:
        cells = to_square(image, side_px).reshape(-1, 3).astype(np.int64) * BINS // 256
        rows.append(np.bincount(cells @ [BINS * BINS, BINS, 1], minlength=BINS**3) / len(cells))
    return np.stack(rows)


def class_mean_scores(test: Floats, training: Floats, labels: NDArray[np.int64], count: int) -> Floats:
    """Negative L1 distance to the mean histogram of each label."""
    far = np.full((len(test), count), -np.inf)
    for number in np.unique(labels):
        far[:, number] = -np.abs(test - training[labels == number].mean(axis=0)).sum(axis=1)
    return far


def nearest_scores(test: Floats, training: Floats, labels: NDArray[np.int64], count: int) -> Floats:
    """Negative L1 distance to the nearest histogram of each label: its argmax is 1-nearest-neighbour."""
    far = np.full((len(test), count), -np.inf)
    for row, histogram in enumerate(test):
        distances = -np.abs(training - histogram).sum(axis=1)
        np.maximum.at(far[row], labels, distances)
    return far
