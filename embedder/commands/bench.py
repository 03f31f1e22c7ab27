"""bench: how fast is this encoder on this machine? Numbers to plan an import with, not to compare networks by."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from embedder.commands.shared import OK, Subparsers, add_encoder_arguments, answer, command_parser, load, people, positive

if TYPE_CHECKING:
    from PIL import Image

    from embedder.encoders import Encoder

PICTURE_PX = (800, 600)  # a field as cameras give it, so that resizing is in the measure
QUERY = "H&E image of lung adenocarcinoma"
MANY_PROMPTS = 64
ROUNDS = 5


def add_parser(commands: Subparsers) -> None:
    parser = command_parser(
        commands,
        "bench",
        summary="measure an encoder on this machine",
        about="Measures how long the encoder takes to load, then images and prompts a second in batches and a single one of\n"
        f"each, each as the median of {ROUNDS} rounds after one to warm up.",
    )
    add_encoder_arguments(parser)
    parser.add_argument("--images", type=positive, default=8, metavar="N", help="images a round (default: 8)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    console = people()
    with console.status("measuring"):
        started = time.perf_counter()
        encoder = load(arguments)
        numbers = {"start_up_s": time.perf_counter() - started} | measure(encoder, images=arguments.images)
    if arguments.json:
        answer({"ok": True, "encoder": encoder.spec.name, "precision": encoder.spec.precision, **numbers})
    else:
        print_table(encoder, numbers)
    return OK


def measure(encoder: Encoder, *, images: int) -> dict[str, float]:
    """Rates a second and latencies in ms."""
    pictures = [picture(seed) for seed in range(images)]
    prompts = [f"{QUERY}, field {number}" for number in range(MANY_PROMPTS)]
    return {
        "images_per_s": images / median_s(lambda: encoder.encode_images(pictures)),
        "one_image_ms": 1000 * median_s(lambda: encoder.encode_images(pictures[:1])),
        "prompts_per_s": MANY_PROMPTS / median_s(lambda: encoder.encode_texts(prompts)),
        "one_prompt_ms": 1000 * median_s(lambda: encoder.encode_texts([QUERY])),
    }


def median_s(run_once: Callable[[], object]) -> float:
    """Median seconds; the first round, which warms caches, does not count."""
    run_once()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run_once()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def picture(seed: int) -> Image.Image:
    """An RGB field of random grain."""
    import numpy as np
    from PIL import Image

    width, height = PICTURE_PX
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def print_table(encoder: Encoder, numbers: dict[str, float]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{encoder.spec.name}, {encoder.spec.precision}, images of {PICTURE_PX[0]} × {PICTURE_PX[1]} px")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name, value in numbers.items():
        table.add_row(name, f"{value:,.2f}")
    Console().print(table)
