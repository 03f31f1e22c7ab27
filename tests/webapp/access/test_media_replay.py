"""Every address that an owner's pages name, asked again by everybody else: never a picture, never a word of the team's."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import unquote

import pytest

from tests.webapp.access.sent import Sent, ask, sent
from tests.webapp.access.table import cell, routes_by_name, rows
from tests.webapp.access.world import ID, Actor, World, actor, named

LINK = re.compile(r"""(?:src|href|srcset|hx-get|data-[\w-]+)="(/[^"\s,]*)""")
OUTSIDE = ("/static/", "/sign-out", "/admin/", "/api/v1/docs")
PUBLIC = ("/healthz", "/api/v1/openapi.json", "/api/v1/docs", "/join/")
MOST_PAGES = 80
WORDS = ("pale glands", "secret words", "Kidneys", "Hearts", "C-1", "pink-1.png", "blue.png", "MRN00417", "Pink ones")
AS = {  # the ways in which a browser, a cache or a downloader asks for what it has heard of
    "plainly": {},
    "for a part": {"Range": "bytes=0-9"},
    "for the rest": {"Range": "bytes=10-"},
    "whether it is there at all": {"If-None-Match": "*"},
}
STRANGERS = ("anonymous", "outsider", "ex-member", "staff", "expired link", "revoked link", "open link")


def crawled(world: World, who: Actor) -> dict[str, Any]:
    """Address -> the owner's answer: the pages of the table, what they name, and what that names."""
    waiting = [row for row in rows() if row.method == "GET" and not row.of_the_admin]
    found: dict[str, Any] = {}
    for row in waiting:
        route = routes_by_name[row.route]
        address = route.address(named(world, who, route.pattern))
        found[address] = ask(who, "GET", address, sent(world, row.route, "GET"))
    for _ in range(2):
        named_there = {link for got in found.values() for link in _links(got)} - set(found)
        for address in sorted(named_there)[:MOST_PAGES]:
            found[address] = ask(who, "GET", address, Sent())
    return {address: got for address, got in found.items() if got.status_code in (200, 206, 302)}


def _links(got: Any) -> set[str]:
    text = got.body.decode(errors="ignore")
    if "json" in got.get("Content-Type", ""):
        kinds = ("thumbnail", "display", "original")
        return {f"/api/v1/images/{told}/{kind}" for told in ID.findall(text) for kind in kinds}
    return {unescape(link).partition("#")[0] for link in LINK.findall(text) if not link.startswith(OUTSIDE)}


def is_content(got: Any) -> bool:
    """A picture or a file, and no page."""
    return str(got.get("Content-Type", "")).startswith(("image/", "application/octet-stream", "application/zip", "text/csv"))


@pytest.fixture
def seen(world) -> dict[str, Any]:
    return crawled(world, actor(world, "owner"))


def test_what_the_owner_sees_is_kept_by_no_cache_that_others_share(seen):
    content = [address for address, got in seen.items() if is_content(got)]
    for kind in ("/thumbnail", "/display", "/original", ".csv"):
        assert any(address.endswith(kind) for address in content), kind
    for address, got in seen.items():
        told = got.get("Cache-Control", "")
        if got.status_code == 200 and not address.startswith(PUBLIC):
            assert told in ("private, no-cache", "private, no-store", "no-store") or "no-store, private" in told, (address, told)


def test_nobody_else_gets_any_of_it(world, seen):
    got_through = {name: _got_through(actor(world, name), seen, world) for name in STRANGERS}
    assert got_through == {name: [] for name in STRANGERS}
    viewer = actor(world, "viewer")
    originals = {address: got for address, got in seen.items() if address.endswith("/original") and is_content(got)}
    assert originals
    for address, owners in originals.items():
        assert {cell(ask(viewer, "GET", address, Sent(headers=told))) for told in _ways(owners).values()} == {"404"}


def _got_through(who: Actor, seen: dict[str, Any], world: World) -> list[tuple[str, ...]]:
    open_to_them = str(world.everyones_image.pk) if who.user else "nothing"
    return [
        (method, address, how, cell(got))
        for address, owners in seen.items()
        for how, headers in _ways(owners).items()
        for method in (("GET", "HEAD") if is_content(owners) else ("GET",))
        if _leaks(got := ask(who, method, address, Sent(headers=headers)), owners, address, theirs=open_to_them in address)
    ]


def _ways(owners: Any) -> dict[str, dict[str, str]]:
    return AS | {"with the owner's tag": {"If-None-Match": owners.get("ETag", '"x"')}} if is_content(owners) else {"plainly": {}}


def _leaks(got: Any, owners: Any, address: str, *, theirs: bool) -> bool:
    """``theirs``: about an image that everybody who is signed in may see, without its original."""
    if is_content(owners):
        refused = got.status_code in (302, 401, 404, 405) and not is_content(got)
        return not (refused or (theirs and "/original" not in address))
    body = got.body.decode(errors="ignore")
    return got.status_code == 304 or any(word in body for word in WORDS if word not in unquote(address))
