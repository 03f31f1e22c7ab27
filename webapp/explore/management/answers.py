"""What the commands share: ask the running site where there is one, else answer here; errors become one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import CommandError
from django.http import Http404
from rich.console import Console
from rich.table import Table

from webapp.client import Client, Refused
from webapp.explore.asking import BadQuery
from webapp.explore.warmup import ready_encoder
from webapp.library.models import Collection
from webapp.outages import Outage
from webapp.running import read_running


def answer(*, there: Callable[[Client], Any], here: Callable[[], Any]) -> Any:
    """Raises CommandError."""
    with one_sentence():
        if running := read_running():
            with Client(running) as client:
                return there(client)
        if settings.ENCODE_QUERIES_HERE:
            ready_encoder(timeout_s=None)
        return here()


@contextmanager
def one_sentence() -> Iterator[None]:
    try:
        yield
    except Outage as exc:
        raise CommandError(f"{exc.what} {exc.detail}".strip()) from exc
    except (BadQuery, Refused, Http404, PermissionDenied) as exc:
        raise CommandError(str(exc)) from exc


def collections_named(names: Sequence[str]) -> list[UUID]:
    """Ids of collections given by id or name. Raises CommandError for an unknown one and for a name that two teams use."""
    return [_collection_named(name) for name in names]


def _collection_named(name: str) -> UUID:
    try:
        found = list(Collection.objects.filter(pk=name).values_list("pk", flat=True))
    except ValidationError:
        found = list(Collection.objects.filter(name=name).values_list("pk", flat=True))
    if len(found) != 1:
        raise CommandError(
            f"There is no collection {name!r}." if not found else f"Several collections are called {name!r}: name the id."
        )
    return found[0]


def print_json(told: Any) -> None:
    Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(json.dumps(told, ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(highlight=False, markup=False).print(table)
