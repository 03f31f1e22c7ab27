"""Whether the site runs, how its encoder and indexes are, and how much of the archive is searchable."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from webapp.accounts.operator import operator
from webapp.client import Client
from webapp.explore.management.answers import one_sentence, print_json, print_table
from webapp.explore.status import status
from webapp.running import Running, read_running


class Command(BaseCommand):
    help = "Tell how the site is. Exit status 1 where searching does not work."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **given: Any) -> None:
        running = read_running()
        with one_sentence():
            told = _at_rest() if running is None else _asked(running)
        told = {"running": running.url if running else None, **told}
        if given["json"]:
            print_json(told)
        else:
            print_table(("", ""), list(_rows(told)))
        if running and not told["ok"]:
            sys.exit(1)


def _asked(running: Running) -> Any:
    with Client(running) as client:
        return client.get("/status")


def _at_rest() -> dict[str, Any]:
    """Without the encoder: to load it only to say so would take longer than anybody waits for a status."""
    return status(operator(), encoder="not loaded" if settings.ENCODE_QUERIES_HERE else None)


def _rows(told: dict[str, Any]) -> list[tuple[str, str]]:
    coverage, encoder = told["coverage"], told["encoder"]
    return [
        ("site", told["running"] or "not running on this data folder"),
        ("encoder", f"{encoder['name']}: {encoder['state']}"),
        *((f"{name} index", _index(told[name])) for name in ("images", "texts")),
        ("archive", f"{coverage['ready']:,} of {coverage['total']:,} images searchable"),
        ("", f"{coverage['running']:,} in work, {coverage['failed']:,} failed"),
    ]


def _index(told: dict[str, Any]) -> str:
    return f"{told['engine']}, {told['points'] or 0:,} vectors" if told["ok"] else told["detail"]
