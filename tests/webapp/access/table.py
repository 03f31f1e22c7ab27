"""The table of who gets what: matrix.csv beside this file, a row a route and method, a column an actor.

A cell is a status; «sign-in» is the redirect to that page. Rows that read stand before rows that write.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from tests.webapp.access.routes import routes
from tests.webapp.access.sent import ask, sent
from tests.webapp.access.world import ACTORS, Actor, World, named

FILE = Path(__file__).with_name("matrix.csv")
READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, kw_only=True)
class Row:
    route: str
    method: str
    expected: dict[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    @property
    def reads(self) -> bool:
        return self.method in READING

    @property
    def of_the_admin(self) -> bool:
        return self.route.startswith("admin")

    @property
    def of_the_api(self) -> bool:
        return self.route.startswith("api")


def rows() -> list[Row]:
    with FILE.open(newline="", encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    return [Row(route=row["route"], method=row["method"], expected={who: row[who] for who in ACTORS}) for row in told]


def answer(world: World, who: Actor, row: Row, values: dict[str, Any] | None = None) -> Any:
    """What ``who`` gets for the things of team A, or for those in ``values``. Whatever it changes is taken back."""
    route = routes_by_name[row.route]
    address = route.address(values if values is not None else named(world, who, route.pattern))
    with undone(who):
        return ask(who, row.method, address, sent(world, row.route, row.method))


@contextmanager
def undone(who: Actor) -> Iterator[None]:
    """Rows and cookies are afterwards as they were."""
    cookies = dict(who.browser.cookies)
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    who.browser.cookies.clear()
    who.browser.cookies.update(cookies)


def cell(got: Any) -> str:
    """What the table calls this answer."""
    if got.status_code == 302 and got["Location"].startswith(("/sign-in", "/admin/login/")):
        return "sign-in"
    return str(got.status_code)


routes_by_name = routes()
