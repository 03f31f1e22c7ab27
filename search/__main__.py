"""python -m search migrate FROM TO: copies an index between an Edge folder and a Qdrant server, resumable.
python -m search size --points N: memory, disk and machines that N points need.

FROM and TO are a folder or a server's http(s) address; a server's key is read from QDRANT_API_KEY.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from search import errors, migrate, sizing
from search.index import Index
from search.opening import open_edge, open_server


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 one sentence on stderr, 2 wrong arguments."""
    given = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = given.run
    return run(given)


def _size(given: argparse.Namespace) -> int:
    own = sizing.edge_need(given.points)
    found = sizing.cluster_for(given.points, replicas=given.replicas, node_memory=given.node_memory * sizing.GIB)
    console = Console()
    console.print(f"Edge, one process: {_need(own)}", highlight=False)
    console.print(
        f"Server: {found.nodes} {'node' if found.nodes == 1 else 'nodes'} with {_gib(found.memory_a_node)} of memory in use and "
        f"{_gib(found.disk_a_node)} of disk each; shard_number={found.shards}, replication_factor={found.replicas}; "
        f"in all {_need(found.total)}",
        highlight=False,
    )
    return 0


def _need(need: sizing.Need) -> str:
    return f"{_gib(need.memory)} of memory, {_gib(need.cache)} of page cache, {_gib(need.disk)} of disk"


def _gib(size: int) -> str:
    return f"{size / sizing.GIB:,.1f} GiB"


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _copy(given: argparse.Namespace) -> int:
    try:
        with _open(given.source, given.name) as source, _open(given.target, given.name) as target:
            done = _migrate(source, target, mark=given.mark, switch=not given.no_switch)
    except (errors.SearchError, ValueError) as exc:
        Console(stderr=True).print(f"[bold]{type(exc).__name__}[/]: {exc}", highlight=False)
        return 1
    state = "filled, not live" if given.no_switch else "live"
    Console().print(f"{done.points} points copied, {done.compared} compared; version {done.version} is {state}.", highlight=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m search", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("migrate", help="copy an index into another store and make it live there")
    command.add_argument("source", metavar="FROM", help="a folder or a server's address")
    command.add_argument("target", metavar="TO", help="a folder or a server's address")
    command.add_argument("--name", default="images", help="which index: images or texts (default: %(default)s)")
    command.add_argument("--mark", type=Path, default=Path("migrate-vectors.json"), help="file that remembers an unfinished run")
    command.add_argument("--no-switch", action="store_true", help="fill and compare, but leave the target's live version")
    command.set_defaults(run=_copy)
    size = commands.add_parser("size", help="memory, disk and machines that an index needs")
    size.add_argument("--points", type=_at_least_one, required=True, help="vectors: one for each region")
    size.add_argument("--replicas", type=_at_least_one, default=1, help="copies in a cluster (default: %(default)s)")
    size.add_argument(
        "--node-memory", type=_at_least_one, default=64, metavar="GIB", help="of one machine (default: %(default)s)"
    )
    size.set_defaults(run=_size)
    return parser


def _open(where: str, name: str) -> Index:
    if where.startswith(("http://", "https://")):
        return open_server(where, api_key=os.environ.get("QDRANT_API_KEY"), name=name)
    return open_edge(where, name=name)


def _migrate(source: Index, target: Index, *, mark: Path, switch: bool) -> migrate.Migration:
    columns = (TextColumn("copying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("copying", total=source.describe().points)
        return migrate.migrate(
            source, target, mark=mark, switch=switch, on_progress=lambda now: bar.update(task, completed=now.copied)
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
