"""Every request that writes: refused without the form's token, and it changes nothing but what its form has."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from tests.webapp.access.sent import Sent, ask, sent
from tests.webapp.access.table import Row, cell, routes_by_name, rows, undone
from tests.webapp.access.world import ID, Actor, World, actor, named

TABLES = (
    "accounts.User", "accounts.Team", "accounts.Membership", "accounts.Invitation", "accounts.ApiToken", "library.Collection",
    "library.Image", "library.Caption", "library.FieldDefinition", "library.Upload", "library.UploadItem", "library.Job",
    "library.Vocabulary", "library.Term", "explore.SavedQuery", "explore.ShareLink", "explore.Watch", "explore.QueryPicture",
)  # fmt: skip
DRAWN = (
    "sha256",
    "key",
    "password",
    "lease_token",
    "username",
    "fingerprint",
    "search",
    "thumbnail",
    "display",
    "arguments",
    "undoes",
)


def writing(*, api: bool) -> list[Row]:
    return [row for row in rows() if not row.reads and row.of_the_api == api]


def asker(world: World, row: Row, **how: bool) -> Actor:
    return actor(world, "superuser" if row.of_the_admin else "owner", **how)


# --- the form's token -------------------------------------------------------------------------------------------------


def test_every_form_without_its_token_is_refused(world):
    askers = {admin: actor(world, "superuser" if admin else "owner", csrf=True) for admin in (False, True)}
    let_through = []
    for row in writing(api=False):
        who, route = askers[row.of_the_admin], routes_by_name[row.route]
        got = _undone(who, row, route.address(named(world, who, route.pattern)), sent(world, row.route, row.method))
        if got.status_code not in (403, 405):
            let_through.append((str(row), got.status_code))
    assert not let_through


def test_a_session_opens_no_address_of_the_api(world):
    """Its addresses ask for no form's token: a token of the program's own is what other sites cannot send."""
    who = replace(actor(world, "superuser"), token="")
    for row in (row for row in rows() if row.of_the_api and row.route not in ("api:openapi-json", "api:openapi-view")):
        route = routes_by_name[row.route]
        got = _undone(who, row, route.address(named(world, who, route.pattern)), sent(world, row.route, row.method))
        assert got.status_code in (401, 404), row


# --- fields that a form does not have ---------------------------------------------------------------------------------


def extra(world: World) -> dict[str, str]:
    """What somebody adds who would like more than the form offers."""
    outsider, team = str(world.people["outsider"].pk), str(world.people["outsider"].memberships.get().team_id)
    return {
        "user": outsider, "owner": outsider, "made_by": outsider, "added_by": outsider, "reviewed_by": outsider, "by": outsider,
        "user_id": outsider, "owner_id": outsider, "made_by_id": outsider, "team_id": team,
        "collection_id": str(world.private.pk),
        "team": team, "collection": str(world.private.pk), "is_staff": "on", "is_superuser": "on", "is_active": "",
        "state": "ready", "visibility": "everyone", "id": str(uuid.uuid4()), "pk": str(uuid.uuid4()), "sha256": "0" * 64,
        "max_bytes": "1", "max_files": "1", "revoked_at": "2020-01-01", "expires_at": "2999-01-01", "kept": "original",
        "attempts": "9", "scopes": '["operate"]', "groups": "1", "user_permissions": "1", "cancelled_at": "2020-01-01",
        "trashed_at": "2020-01-01", "opened": "7", "fingerprint": "f" * 64, "found_identity": "[]", "role": "3",
    }  # fmt: skip


LEGITIMATE = {  # what a form has itself, though this test's plain request leaves it out
    "visibility": {"api:create_collection"},
    "role": set[str](),
    "state": set[str](),
}


@pytest.mark.parametrize("api", [False, True], ids=["forms", "programs"])
def test_what_a_form_does_not_have_changes_nothing(world, api):
    who, more = actor(world, "owner"), extra(world)
    before, otherwise, known = _rows(), {}, _ids() | set(more.values())
    for row in writing(api=api):
        if row.of_the_admin:
            continue
        plain = sent(world, row.route, row.method)
        if plain.raw is not None:
            continue  # bytes of a file, which have no fields
        route = routes_by_name[row.route]
        address = route.address(named(world, who, route.pattern))
        anew = sent(world, row.route, row.method)  # the files of the other one are read to their end
        as_meant = _comparable(_after(who, row, address, plain), known)
        told = _comparable(_after(who, row, address, _with(anew, more, row.route)), known)
        if told not in (as_meant, before):
            otherwise[str(row)] = _difference(as_meant, told)
    assert not otherwise


def _with(plain: Sent, more: dict[str, str], route: str) -> Sent:
    added = {name: value for name, value in more.items() if route not in LEGITIMATE.get(name, ())}
    if plain.body is not None:
        return replace(plain, body=added | plain.body)
    return replace(plain, form=added | plain.form)


# --- people who may not -----------------------------------------------------------------------------------------------


ALLOWED_TO_VIEWERS = {"leave-team", "unwatch", "watch-mail", "mark-seen"}  # what a viewer changes of their own


@pytest.mark.parametrize("name", ["anonymous", "outsider", "ex-member", "staff", "viewer"])
def test_whoever_may_not_change_a_thing_changes_nothing_whatever_they_are_answered(world, name):
    """Forms that act on a selection answer as if nothing had been chosen: so the rows themselves are looked at."""
    who = actor(world, name)
    before, changed = set(_rows()), {}
    for row in (row for row in rows() if not row.reads and not row.of_the_admin and row.route not in ("join", "sign-out")):
        if name == "viewer" and row.route in ALLOWED_TO_VIEWERS:
            continue
        route = routes_by_name[row.route]
        after = _after(who, row, route.address(named(world, who, route.pattern)), sent(world, row.route, row.method))
        if lost := before - set(after):
            changed[str(row)] = sorted(lost)[:3]
    assert not changed


def _undone(who: Actor, row: Row, address: str, what: Sent) -> Any:
    with undone(who):
        return ask(who, row.method, address, what)


def _after(who: Actor, row: Row, address: str, what: Sent) -> list[str]:
    """All rows as the request leaves them, which is then taken back."""
    with undone(who):
        got = ask(who, row.method, address, what)
        assert got.status_code < 500, (row, cell(got))
        return _rows()


def _rows() -> list[str]:
    """Without what is drawn or read from the clock: it differs between two requests that do the same."""
    return sorted(line for name in TABLES for line in _lines(apps.get_model(name)))


def _ids() -> set[str]:
    """Of all rows that there are."""
    return {str(pk) for name in TABLES for pk in apps.get_model(name)._default_manager.values_list("pk", flat=True)}


def _comparable(lines: list[str], known: set[str]) -> list[str]:
    """With one word for every id that was drawn meanwhile."""
    return sorted(ID.sub(lambda found: found[0] if found[0] in known else "new", line) for line in lines)


def _lines(model: type[models.Model]) -> list[str]:
    columns = [field.attname for field in model._meta.concrete_fields if _is_told(field)]
    return [f"{model.__name__} {json.dumps(row, default=str, sort_keys=True)}" for row in model._default_manager.values(*columns)]


def _is_told(field: Any) -> bool:
    return not (field.primary_key or field.name in DRAWN or isinstance(field, models.DateTimeField))


def _difference(one: list[str], other: list[str]) -> list[str]:
    return sorted(set(one) ^ set(other))[:6]
