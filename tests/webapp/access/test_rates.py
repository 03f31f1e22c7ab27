"""Uploads and exports are counted, on whichever way they are begun."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.webapp.access.sent import Sent, ask, sent
from tests.webapp.access.table import Row, answer
from tests.webapp.access.world import World, actor
from webapp.accounts import limits, operator
from webapp.accounts.models import AuditEvent

UPLOADS = (
    "upload", "announce", "import", "tus", "api:announce", "api:announce_files", "api:send_files", "api:create_transfer",
    "api:start_import",
)  # fmt: skip
EXPORTS = (
    ("tray-csv", "POST"), ("tray-zip", "POST"), ("original", "GET"), ("receipt-failures", "GET"), ("receipt-errors", "GET"),
    ("table-job-errors", "GET"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def own_counter(settings, world):
    forget = limits._limiter.cache_clear
    forget()
    settings.RATES = settings.RATES | {"upload": "2/minute", "export": "2/minute"}
    yield
    forget()


def often(world: World, route: str, method: str, *, name: str = "owner") -> list[int]:
    who = actor(world, name)
    return [answer(world, who, Row(route=route, method=method, expected={})).status_code for _ in range(3)]


@pytest.mark.parametrize("route", UPLOADS)
def test_uploads_are_counted_however_they_are_begun(world, route):
    first, second, third = often(world, route, "POST")
    assert (first, second) in ((201, 201), (302, 302))
    assert third == 429


@pytest.mark.parametrize(("route", "method"), EXPORTS)
def test_exports_are_counted_whatever_is_taken_along(world, route, method):
    assert often(world, route, method) == [200, 200, 429]


def test_the_audit_trail_is_an_export_too(world):
    assert often(world, "admin:accounts_auditevent_csv", "GET", name="superuser") == [200, 200, 429]


def test_all_ways_are_counted_together_and_each_user_alone(world):
    who = actor(world, "owner")
    told = [answer(world, who, Row(route=route, method="POST", expected={})).status_code for route in ("upload", "tus", "import")]
    assert told == [302, 201, 429]
    assert often(world, "upload", "POST", name="editor")[0] == 302


def test_scripts_of_pages_are_told_as_json(world):
    who, address = actor(world, "owner"), f"/collections/{world.collection.pk}/announce"
    asked = replace(sent(world, "announce", "POST"), headers={"Accept": "application/json"})
    refused = [ask(who, "POST", address, asked) for _ in range(3)][-1]
    assert (refused.status_code, refused.json()["reason"]) == (429, "too_many")
    assert 1 <= int(refused["Retry-After"]) <= 60


def test_a_tus_client_is_told_in_its_own_protocol(world):
    who = actor(world, "owner")
    refused = [ask(who, "POST", "/uploads/tus/", sent(world, "tus", "POST")) for _ in range(3)][-1]
    assert (refused.status_code, refused["Tus-Resumable"], refused.json()["reason"]) == (429, "1.0.0", "too_many")
    assert int(refused["Retry-After"]) >= 1


def test_a_check_before_an_upload_is_no_upload(world):
    assert often(world, "check", "POST") == [200, 200, 200]


def test_the_sites_own_commands_are_not_counted(world):
    for _ in range(5):
        limits.count("upload", operator.operator())


def test_the_rest_of_a_download_is_not_counted_and_no_part_escapes_the_trail(world):
    who, address = actor(world, "owner"), f"/images/{world.image.pk}/original"
    told = [ask(who, "GET", address, Sent(headers={"Range": f"bytes={start}-"})).status_code for start in (1, 5, 9, 12)]
    assert told == [206] * 4
    assert AuditEvent.objects.filter(action="download", actor=who.user).count() == 1
