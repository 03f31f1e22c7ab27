"""Where `up` and `demo` listen, on the command line."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

DEFAULT_PORT, DEFAULT_THREADS = 8000, 12


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--listen", type=_address, default=("127.0.0.1", DEFAULT_PORT), metavar="HOST:PORT", help="127.0.0.1:8000 unless told"
    )
    parser.add_argument("--threads", type=int, default=DEFAULT_THREADS, help="requests answered at a time")


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of up.serve."""
    host, port = options["listen"]
    return {"host": host, "port": port, "threads": options["threads"]}


def _address(told: str) -> tuple[str, int]:
    host, _, port = told.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ArgumentTypeError(f"{told} is no HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)
