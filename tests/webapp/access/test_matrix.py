"""Every route, every method, every actor, against matrix.csv: a route without a row fails, and so does a row without a route."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.webapp.access.routes import routes
from tests.webapp.access.sent import SENT, ask, sent
from tests.webapp.access.table import Row, answer, cell, routes_by_name, rows
from tests.webapp.access.world import ACTORS, HOLDERS, Actor, World, actor, named, unknown

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
STRANGERS = ("outsider", "ex-member", "staff")
WITHOUT_ACCOUNT = {  # all that somebody gets who has neither an account nor a link, beside the way to the sign-in page
    "sign-in", "enter-demo", "sign-up", "join", "guest", "guest-picture", "api:openapi-json", "api:openapi-view",
    "api:api-root",
    # and allauth's names of the way in
    "account_login", "account_inactive", "account_reset_password", "account_reset_password_done",
    "account_reset_password_from_key", "account_reset_password_from_key_done", "account_confirm_email", "openid_connect_login",
    "openid_connect_callback", "socialaccount_login_cancelled",
}  # fmt: skip
ANY_METHOD = (  # Django's, allauth's and Ninja's own pages take PUT for POST, and some of them all methods for GET
    "admin", "api:openapi", "api:api-root", "sign-in", "account_", "mfa_", "socialaccount_", "openid_",
)  # fmt: skip
OF_ONESELF = ("account/", "sign-in/")
BY_LINK = {"open-link", "guest", "guest-picture"}  # all that a link changes
OWN_ONLY = {  # a picture that one searched with, and work on a selection: whoever asked for it, and nobody else
    "query-picture", "query-picture-display", "job-report", "api:show_job", "cancel-job", "undo-job", "api:cancel_job",
    "api:undo_job", "revoke-token",
}  # fmt: skip
UUID_OR_TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z0-9_-]{20,}|\d+")


# --- the table itself -------------------------------------------------------------------------------------------------


def test_every_route_has_a_row_and_every_row_a_route():
    assert {row.route for row in rows()} == set(routes())


def test_every_operation_of_the_api_has_a_row_for_each_of_its_methods():
    told = {(row.route, row.method) for row in rows() if routes_by_name[row.route].methods is not None}
    assert told == {(name, method) for name, route in routes().items() for method in route.methods or ()}


def test_no_row_is_there_twice_and_what_is_sent_is_of_a_row():
    told = [(row.route, row.method) for row in rows()]
    assert len(told) == len(set(told))
    assert set(SENT) <= set(told)


def test_without_an_account_nothing_opens_but_what_is_meant_to():
    opened = {row.route for row in rows() if row.expected["anonymous"] not in ("sign-in", "401")}
    assert opened - BY_LINK == WITHOUT_ACCOUNT


def test_a_link_that_ended_is_worth_nothing_and_an_open_one_opens_its_page_alone():
    for row in rows():
        assert row.expected["expired link"] == row.expected["revoked link"] == row.expected["anonymous"], row
        if row.route not in BY_LINK:
            assert row.expected["open link"] == row.expected["anonymous"], row


def test_whoever_left_and_staff_without_a_team_are_as_any_outsider():
    for row in rows():
        if routes_by_name[row.route].has_parameters and not row.of_the_admin:
            assert row.expected["ex-member"] == row.expected["staff"] == row.expected["outsider"], row


def test_an_outsider_gets_nothing_of_a_team():
    with_a_secret = {"join", "open-link"}  # whoever holds an invitation joins; a link leads everybody to the same question
    for row in rows():
        route = routes_by_name[row.route]
        if row.route in with_a_secret or row.method == "OPTIONS" or route.pattern.startswith(OF_ONESELF):
            continue
        if route.has_parameters:
            assert row.expected["outsider"] in ("404", "sign-in"), row


def _done(told: str) -> bool:
    return told[0] in "23"


def test_each_role_may_do_what_the_ones_before_it_may():
    for row in rows():
        if row.route not in OWN_ONLY:
            assert _done(row.expected["viewer"]) <= _done(row.expected["editor"]) <= _done(row.expected["owner"]), row


# --- the site against the table ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTORS)
def test_every_route_answers_as_the_table_says(world, name):
    who = actor(world, name)
    other = {
        str(row): (got, row.expected[name]) for row in rows() if (got := cell(answer(world, who, row))) != row.expected[name]
    }
    assert not other, f"for {name}, (got, expected): {other}"


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_foreign_and_what_never_was_answer_alike(world, name):
    who = actor(world, name)
    unlike = []
    for row in rows():
        route = routes_by_name[row.route]
        if not route.has_parameters or _done(row.expected[name]) or row.expected[name] == "403":  # seen, and not to be changed
            continue
        values = named(world, who, route.pattern)
        foreign, never = (answer(world, who, row, told) for told in (values, unknown(values)))
        if _plain(foreign) != _plain(never):
            unlike.append(str(row))
    assert not unlike


def _plain(got: Any) -> tuple[int, str, dict[str, str]]:
    """All that an answer says but for ids, which were asked for, and tokens, which are drawn anew."""
    headers = {name: value for name, value in got.items() if name not in ("Content-Length", "Server-Timing")}
    return got.status_code, UUID_OR_TOKEN.sub("#", got.body.decode(errors="replace")), {
        name: UUID_OR_TOKEN.sub("#", value) for name, value in headers.items()
    }  # fmt: skip


@pytest.mark.parametrize("name", ["anonymous", "outsider", "owner"])
def test_head_says_what_get_says_and_sends_nothing(world, name):
    who = actor(world, name)
    for row in rows():
        if row.method != "GET" or row.of_the_api or row.of_the_admin:
            continue
        got = answer(world, who, Row(route=row.route, method="HEAD", expected={}))
        assert cell(got) in (row.expected[name], "405"), row
        assert got.body == b"", row


@pytest.mark.parametrize("name", ["anonymous", "outsider", "superuser"])
def test_a_method_without_a_row_is_refused(world, name):
    who = actor(world, name)
    told = {(routes_by_name[row.route].pattern, row.method) for row in rows()}
    for route in routes_by_name.values():
        for method in METHODS:
            if (route.pattern, method) not in told and not route.name.startswith(ANY_METHOD):
                assert cell(_bare(world, who, route.name, method)) in ("405", "401", "sign-in", "412"), (method, route.name)


def _bare(world: World, who: Actor, name: str, method: str) -> Any:
    route = routes_by_name[name]
    return ask(who, method, route.address(named(world, who, route.pattern)), sent(world, name, "none"))


def test_holders_of_links_are_actors():
    assert set(HOLDERS) < set(ACTORS)
