"""`python -m embedder verify|fetch|embed|bench`: what a lab does with an encoder before and beside the web site."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from embedder.commands import bench, embed, fetch, verify
from embedder.commands.shared import EXIT_CODES, FAILED, INTERRUPTED, UNREACHABLE, refuse, say
from embedder.errors import EmbedderError, HubUnreachable


def parser() -> argparse.ArgumentParser:
    """Importing torch takes seconds: each command does so only when it runs."""
    tree = argparse.ArgumentParser(
        prog="python -m embedder",
        description="Check, fetch, use and measure the encoders that turn images and prompts into vectors.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = tree.add_subparsers(metavar="COMMAND", required=True)
    for command in (verify, fetch, embed, bench):
        command.add_parser(commands)
    return tree


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except HubUnreachable as exc:
        return refuse(exc, json=arguments.json, code=UNREACHABLE)
    except EmbedderError as exc:
        return refuse(exc, json=arguments.json, code=FAILED)
    except OSError as exc:  # a result that cannot be written, or a reader that went away
        told = EmbedderError(f"{exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}.")
        return refuse(told, json=arguments.json, code=FAILED)
    return code


if __name__ == "__main__":
    sys.exit(main())
