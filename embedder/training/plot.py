"""The training log as curves."""

from __future__ import annotations

import json
from pathlib import Path


def plot(log: Path, image: Path) -> None:
    """Losses above held-out accuracy over the steps, as a PNG at ``image``. Needs matplotlib (the dev extra)."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure, (losses, accuracy) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, constrained_layout=True)
    for name in ("contrastive", "captioning"):
        losses.plot([line["step"] for line in lines], [line[name] for line in lines], label=f"{name} loss", linewidth=0.8)
    losses.set_ylabel("loss (training batches)")
    losses.set_ylim(bottom=0)
    losses.legend()
    checked = [line for line in lines if "held_out_top_1" in line]
    for name, label in (("held_out_top_1", "image to label, top-1"), ("held_out_map", "label to image, mAP")):
        accuracy.plot([line["step"] for line in checked], [line[name] for line in checked], marker="o", markersize=3, label=label)
    accuracy.set_ylabel("held-out real tiles")
    accuracy.set_xlabel("step")
    accuracy.set_ylim(0, 1)
    accuracy.legend(loc="lower right")
    image.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(image, dpi=120)
    plt.close(figure)
