"""What the commands have in common: how an encoder is named, where people and where machines read, exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from embedder.encoders import Encoder
    from embedder.errors import EmbedderError

OK, FAILED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES = """exit codes:
  0    done, and every check passed
  1    refused, or a check or a file failed
  2    the command was typed wrong
  3    the hub could not be reached: try again
  130  interrupted"""

Subparsers = Any  # argparse keeps the class of what add_subparsers() returns to itself


def command_parser(commands: Subparsers, name: str, *, summary: str, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=about,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else there")
    return parser


ENCODERS = ("conch", "mini", "clip", "fake")


def add_encoder_arguments(parser: argparse.ArgumentParser, *, choices: Sequence[str] = ENCODERS) -> None:
    """The same words as embedder.load_encoder takes."""
    weights = "checkpoint file, for clip its folder (default: $CONCH_WEIGHTS, $CLIP_WEIGHTS)"
    tokenizer = "tokenizer file (default: $CONCH_TOKENIZER, or the one in an installed conch package)"
    parser.add_argument("--encoder", choices=choices, default="conch", help="default: conch")
    parser.add_argument("--weights", metavar="PATH", help=weights)
    parser.add_argument("--tokenizer", metavar="PATH", help=tokenizer)
    parser.add_argument("--sha256", metavar="HEX", help="refuse weights with any other sha256")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 … (default: auto)")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto", help="default: auto")


def load(arguments: argparse.Namespace) -> Encoder:
    """The encoder that add_encoder_arguments() asked for. Raises EmbedderError."""
    from embedder.encoders import load_encoder

    return load_encoder(
        arguments.encoder,
        weights=arguments.weights,
        tokenizer=arguments.tokenizer,
        weights_sha256=arguments.sha256,
        device=arguments.device,
        dtype=arguments.dtype,
    )


def people() -> Console:
    """Words and progress go to standard error, so that standard output stays for machines."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def say(text: str, *, style: str | None = None, end: str = "\n") -> None:
    """Words as they are: a path may hold square brackets, which the console would take for colours."""
    people().print(text, style=style, end=end, markup=False, soft_wrap=True)


def progress(console: Console, *, unit: str) -> Progress:
    """A bar for long work; silent where standard error is no terminal."""
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    counted = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), counted, TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def answer(table: Mapping[str, object]) -> None:
    """One JSON object on standard output."""
    json.dump(table, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def refuse(exc: EmbedderError, *, json: bool, code: int) -> int:
    """Says why nothing was done, in one sentence."""
    if json:
        answer({"ok": False, "reason": exc.reason, "message": str(exc)})
    say(exc.reason, style="red", end="  ")
    say(str(exc))
    return code


def positive(text: str) -> int:
    """An argument that counts something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
