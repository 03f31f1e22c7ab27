"""python -m embedder.training train | export | evaluate | plot | all."""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from embedder.devices import choose_device
from embedder.files import sha256_of
from embedder.mini import load_mini
from embedder.model import CONCH, DualTower, ModelConfig
from embedder.tokenizer import PromptTokenizer
from embedder.training.data import Batches, Pool, Tile, read_demo, real_pool, synthetic_pool
from embedder.training.evaluate import evaluate, quality
from embedder.training.export import MAX_BYTES, TOKENIZER, WEIGHTS, export
from embedder.training.loop import CHECKPOINT, LOG, Plan, bfloat16_is_faster, device_of, to_pixels, train
from embedder.training.objective import CaptioningModel, fresh_towers
from embedder.training.plot import plot
from embedder.training.tokenizer import train_tokenizer
from embedder.weights import config_from_metadata, load_towers, read_metadata, read_state_dict

ROOT = Path(__file__).parents[2]
SIZES = "config.json"
MINI_SIDE_PX = 128
console = Console(stderr=True)


def mini_config(vocabulary: int) -> ModelConfig:
    """Sizes of the bundled encoder: about 5.6 million weights, 11 MB in float16, and seconds on a laptop."""
    return ModelConfig(
        image_side_px=MINI_SIDE_PX,
        vision_width=192,
        vision_depth=6,
        vision_heads=6,
        caption_queries=16,
        vocabulary=vocabulary,
        text_positions=64,
        text_width=192,
        text_depth=3,
        text_heads=6,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when done, 130 when interrupted (the same command goes on from there)."""
    options = _parser().parse_args(arguments)
    torch.set_flush_denormal(True)  # tiny gradients otherwise run at a fraction of the speed
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m embedder.training", description="Train, measure and export encoders.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, told in (
        ("train", _train, "train, or go on with a run"),
        ("export", _export, "write the weights, tokenizer and self-test vectors that load_encoder('mini') reads"),
        ("evaluate", _evaluate, "measure an export on data that it was not trained on"),
        ("plot", _plot, "draw the training curves"),
        ("all", _all, "train, export, evaluate and plot: what `make train-mini` runs"),
    ):
        command = commands.add_parser(name, help=told, description=told, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        command.set_defaults(run=run)
        _add_options(command)
    return parser


def _add_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--shared", type=Path, default=ROOT.parent / "shared" / "data", help="folder that holds demo/manifest.csv")
    add("--run-folder", type=Path, default=ROOT / "build" / "mini-encoder", help="checkpoint, log and caches")
    add("--data", type=Path, default=ROOT / "embedder" / "data", help="where the export lies")
    add("--result", type=Path, default=ROOT / "benchmarks" / "results" / "mini-encoder.json", help="metrics")
    add("--image", type=Path, default=ROOT / "docs" / "images" / "mini-encoder-curves.png", help="curves")
    how_long = command.add_mutually_exclusive_group()
    how_long.add_argument("--minutes", type=float, default=55.0, help="wall time of training")
    how_long.add_argument("--steps", type=int, help="steps of training instead of minutes: repeatable bit by bit")
    add("--batch", type=int, default=64, help="pairs a step")
    add("--rate", type=float, default=1e-3, help="peak learning rate")
    add("--caption-weight", type=float, default=1.0, help="weight of the captioning loss")
    add("--seed", type=int, default=0, help="of the weights, the data order and the split")
    add("--per-tissue", type=int, default=250, help="synthetic fields of each tissue")
    add("--fresh-per-tissue", type=int, default=30, help="synthetic fields of each tissue to measure with")
    add("--vocabulary", type=int, default=2000, help="most tokens of the tokenizer")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="of the forward pass")
    add("--init", type=Path, help="start from this checkpoint (an export, else CONCH's sizes)")
    add("--tokenizer", type=Path, help="the tokenizer that belongs to --init")


# --- commands ----------------------------------------------------------------------------------------------------------


def _train(options: argparse.Namespace) -> int:
    torch.manual_seed(options.seed)
    folder: Path = options.run_folder
    folder.mkdir(parents=True, exist_ok=True)
    tiles = read_demo(options.shared / "demo", seed=options.seed)
    pools = _pools(options, tiles, MINI_SIDE_PX if options.init is None else _sizes_of(options.init).image_side_px)
    towers, tokenizer = _starting_point(options, tiles, pools)
    config = towers.config
    words = PromptTokenizer(tokenizer, context_length=config.context_length, vocabulary=config.vocabulary)
    batches = Batches(pools, words, side_px=config.image_side_px, size=options.batch, seed=options.seed)
    device = choose_device(options.device)
    model = CaptioningModel(towers, caption_weight=options.caption_weight).to(device)
    plan = Plan(
        steps=options.steps,
        minutes=None if options.steps else options.minutes,
        peak_rate=options.rate,
        bfloat16=options.precision == "bfloat16" or (options.precision == "auto" and bfloat16_is_faster(device)),
    )
    console.print(f"{sum(p.numel() for p in towers.parameters()) / 1e6:.2f} M weights, bfloat16: {plan.bfloat16}")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=1.0)

        def report(line: dict[str, Any], share: float) -> None:
            told = f"step {line['step']} contrastive {line['contrastive']:.3f} captioning {line['captioning']:.3f}"
            progress.update(task, completed=share, description=told)

        outcome = train(model, batches, plan, folder, validate=_validator(tiles, words, config), report=report)
    console.print(f"{outcome.step} steps in {outcome.seconds / 60:.1f} minutes, finished: {outcome.finished}")
    return 0 if outcome.finished else 130


def _export(options: argparse.Namespace) -> int:
    folder: Path = options.run_folder
    config = ModelConfig(**json.loads((folder / SIZES).read_text(encoding="utf-8")))
    state = torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)["model"]
    tensors = {name.removeprefix("towers."): tensor for name, tensor in state.items() if name.startswith("towers.")}
    limit = MAX_BYTES if options.init is None else None
    weights = export(load_towers(tensors, config), options.tokenizer or folder / TOKENIZER, options.data, max_bytes=limit)
    console.print(f"{weights}: {weights.stat().st_size} bytes")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    weights = options.data / WEIGHTS
    encoder = load_mini(weights=weights, tokenizer=options.data / TOKENIZER, weights_sha256=None, device="cpu", dtype="float32")
    began = time.monotonic()
    tiles = read_demo(options.shared / "demo", seed=options.seed)
    metrics = evaluate(encoder, tiles, fresh_per_tissue=options.fresh_per_tissue)
    result = {
        "metrics": metrics,
        "weights": {"sha256": sha256_of(weights), "bytes": weights.stat().st_size},
        "training": _training_facts(options.run_folder / LOG),
        "command": shlex.join([Path(sys.executable).name, "-m", "embedder.training", *sys.argv[1:]]),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "timm", "tokenizers")}},
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "evaluation_seconds": round(time.monotonic() - began, 1),
    }
    options.result.parent.mkdir(parents=True, exist_ok=True)
    options.result.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _write_table(metrics, options.result.with_suffix(".csv"))
    console.print_json(json.dumps(metrics))
    return 0


def _plot(options: argparse.Namespace) -> int:
    plot(options.run_folder / LOG, options.image)
    return 0


def _all(options: argparse.Namespace) -> int:
    for run in (_train, _export, _evaluate, _plot):
        if code := run(options):
            return code
    return 0


# --- parts of them -----------------------------------------------------------------------------------------------------


def _starting_point(options: argparse.Namespace, tiles: Sequence[Tile], pools: Sequence[Pool]) -> tuple[DualTower, Path]:
    """Towers and their tokenizer file: of --init, or fresh ones. Writes the sizes into the run folder, for the export."""
    if options.init is not None:
        if options.tokenizer is None:
            raise SystemExit("--init needs the --tokenizer that belongs to it")
        config, tokenizer = _sizes_of(options.init), options.tokenizer
        towers = load_towers(read_state_dict(options.init), config)
    else:
        tokenizer = options.run_folder / TOKENIZER
        config = mini_config(train_tokenizer(_texts(tiles, pools), tokenizer, vocabulary=options.vocabulary))
        towers = fresh_towers(config)
    (options.run_folder / SIZES).write_text(json.dumps(config.as_dict()), encoding="utf-8")
    return towers, tokenizer


def _sizes_of(file: Path) -> ModelConfig:
    if file.suffix != ".safetensors":
        return CONCH
    metadata = read_metadata(file)
    return config_from_metadata(metadata) if "config" in metadata else CONCH


def _texts(tiles: Sequence[Tile], pools: Sequence[Pool]) -> list[str]:
    """All words the data can show, of training and held-out tiles alike: a tokenizer learns spellings, not answers."""
    held = [text for tile in tiles for text in (tile.label, tile.caption)]
    return [*held, *(text for pool in pools for texts in pool.texts for text in texts)]


def _pools(options: argparse.Namespace, tiles: Sequence[Tile], side_px: int) -> list[Pool]:
    drawn = synthetic_pool(per_tissue=options.per_tissue, side_px=side_px, cache=options.run_folder)
    pools = [] if drawn is None else [drawn]
    if tiles:
        pools.append(real_pool(tiles, side_px))
    console.print(f"pictures to train on: {[len(pool.labels) for pool in pools]}, synthetic: {drawn is not None}")
    return pools


def _validator(
    tiles: Sequence[Tile], words: PromptTokenizer, config: ModelConfig
) -> Callable[[CaptioningModel], dict[str, float]] | None:
    """Accuracy on the held-out tiles, for the curves only: no decision of the training looks at it."""
    from embedder.preprocess import to_square

    test = [tile for tile in tiles if tile.held_out]
    if not test:
        return None
    names = sorted({tile.label for tile in tiles})
    truth = np.array([names.index(tile.label) for tile in test])
    squares = np.stack([to_square(tile.open(), config.image_side_px) for tile in test])
    tokens = torch.from_numpy(words(names))

    def validate(model: CaptioningModel) -> dict[str, float]:
        visual, device = model.towers.visual, device_of(model)
        parts = [to_pixels(squares[a : a + 64], device) for a in range(0, len(squares), 64)]
        with torch.inference_mode():
            images = torch.nn.functional.normalize(torch.cat([visual.project(visual(part)) for part in parts]), dim=-1)
            texts = torch.nn.functional.normalize(model.towers.text(tokens.to(device)), dim=-1)
        measured = quality((images @ texts.T).cpu().numpy(), truth)
        return {"held_out_top_1": measured["top_1"], "held_out_map": measured["mean_average_precision"]}

    return validate


def _training_facts(log: Path) -> dict[str, Any] | None:
    """Steps and minutes of the run whose log is at hand; None for an export of another machine."""
    if not log.is_file():
        return None
    last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    return {"steps": last["step"], "minutes": round(last["seconds"] / 60, 2), "last_contrastive_loss": last["contrastive"]}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        if cpuinfo.is_file()
        else []
    )
    return names[0] if names else platform.processor()


def _write_table(metrics: dict[str, Any], file: Path) -> None:
    """One line for each class: what a spreadsheet opens."""
    with file.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(["source", "class", "images", "metric", "value"])
        for name, value in metrics["synthetic"]["precision_at_10_by_class"].items():
            table.writerow(["synthetic", name, "", "precision_at_10", f"{value:.4f}"])
        for name, row in ((metrics["real"] or {}).get("by_label") or {}).items():
            for metric in ("average_precision", "recall"):
                table.writerow(["real", name, row["images"], metric, f"{row[metric]:.4f}"])


if __name__ == "__main__":
    raise SystemExit(main())
