"""A right that is taken away is gone with the very next request, for every kind of address that the table knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.webapp.access.sent import Sent, ask
from tests.webapp.access.table import Row, answer, cell, routes_by_name, rows
from tests.webapp.access.world import Actor, World, actor, named
from webapp.accounts.models import ApiToken, Membership, Role, User
from webapp.explore import sharing
from webapp.library.models import Collection, Visibility

KINDS = 30
OWN = ("join", "unwatch")  # an invitation ends with its maker's right; what one watches may be ended by oneself for ever
OF_COLLECTION = (
    "collections/<uuid:pk>",
    "images/<uuid",
    "uploads/<uuid",
    "api/v1/collections/<",
    "api/v1/images/<",
    "api/v1/uploads/<",
)


def told(*, api: bool | None = None) -> list[Row]:
    """Rows about a thing that a role in its team decides on."""
    found = [row for row in rows() if routes_by_name[row.route].has_parameters and not row.of_the_admin and row.route not in OWN]
    return [row for row in found if api is None or row.of_the_api == api]


def changed(world: World, who: Actor, within: Iterable[Row], change: Callable[[], object], *, before: str, after: str) -> None:
    """Asks each as ``before`` may, does ``change``, and asks again with the same session and token, as ``after``."""
    decisive = [row for row in within if row.expected[before] != row.expected[after]]
    assert len(decisive) >= KINDS
    assert {str(row): cell(answer(world, who, row)) for row in decisive} == {str(row): row.expected[before] for row in decisive}
    change()
    assert {str(row): cell(answer(world, who, row)) for row in decisive} == {str(row): row.expected[after] for row in decisive}


def test_whoever_is_removed_from_the_team_is_an_outsider_at_once(world):
    who = actor(world, "owner")
    remove = Membership.objects.filter(user=who.user).delete
    changed(world, who, told(), remove, before="owner", after="ex-member")


def test_a_lowered_role_holds_at_once(world):
    who = actor(world, "owner")

    def lower() -> None:
        Membership.objects.filter(user=who.user).update(role=Role.VIEWER)

    changed(world, who, told(), lower, before="owner", after="viewer")


def test_a_collection_made_private_is_gone_for_viewers_at_once(world):
    who = actor(world, "viewer")
    within = [row for row in told() if routes_by_name[row.route].pattern.startswith(OF_COLLECTION)]

    def hide() -> None:
        Collection.objects.filter(pk=world.collection.pk).update(visibility=Visibility.PRIVATE)

    decisive = [row for row in within if row.expected["viewer"] not in ("403", row.expected["outsider"])]
    for row in decisive:
        assert cell(answer(world, who, row)) == row.expected["viewer"], row
    hide()
    for row in within:
        assert cell(answer(world, who, row)) == row.expected["outsider"], row


def test_a_closed_account_is_nobody_at_once(world):
    who = actor(world, "owner")
    assert who.user is not None
    close = User.objects.filter(pk=who.user.pk).update
    changed(world, who, told(), lambda: close(is_active=False), before="owner", after="anonymous")


@pytest.mark.parametrize("how", ["deleted", "expired", "without its scopes"])
def test_a_token_that_is_withdrawn_opens_nothing_at_once(world, how):
    who = actor(world, "owner")
    tokens = ApiToken.objects.filter(user=who.user)

    def end() -> None:
        if how == "deleted":
            tokens.delete()
        elif how == "expired":
            tokens.update(expires_at=timezone.now() - timedelta(seconds=1))
        else:
            tokens.update(scopes=[])

    for row in told(api=True):
        assert cell(answer(world, who, row)) == row.expected["owner"], row
    end()
    refused = "403" if how == "without its scopes" else "401"
    assert {cell(answer(world, who, row)) for row in told(api=True)} == {refused}


def test_a_link_that_is_revoked_ends_at_once_for_its_guests(world):
    who = actor(world, "open link")
    assert who.link is not None
    by_link = [row for row in told() if row.expected["open link"] != row.expected["anonymous"]]
    for row in by_link:
        assert cell(answer(world, who, row)) == row.expected["open link"], row
    sharing.revoke(world.people["editor"], who.link.row)
    for row in by_link:
        assert cell(answer(world, who, row)) == row.expected["revoked link"], row


def test_a_revoked_link_ends_at_once_for_members(world):
    who = actor(world, "viewer")
    address = f"/shared/{world.link.row.pk}"
    assert ask(who, "GET", address, Sent()).status_code == 302
    sharing.revoke(world.people["editor"], world.link.row)
    assert ask(who, "GET", address, Sent()).status_code == 410


@pytest.mark.parametrize("route", ["thumbnail", "display", "original", "query-picture", "query-picture-display"])
def test_not_even_what_the_browser_has_is_confirmed_after_the_right_is_gone(world, route):
    name = "editor" if route.startswith("query") else "owner"
    who = actor(world, name)
    address = routes_by_name[route].address(named(world, who, routes_by_name[route].pattern))
    tag = ask(who, "GET", address, Sent())["ETag"]
    known = Sent(headers={"If-None-Match": tag})
    assert ask(who, "GET", address, known).status_code == 304
    if route.startswith("query"):
        User.objects.filter(pk=world.people["editor"].pk).update(is_active=False)
    Membership.objects.filter(user=who.user).delete()
    assert cell(ask(who, "GET", address, known)) in ("404", "sign-in")
