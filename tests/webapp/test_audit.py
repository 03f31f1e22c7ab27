"""Who did what is written down, no more of it than the site wants, and can be read as a table."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from webapp.accounts import audit, tasks
from webapp.accounts.models import AuditEvent, Team, User

WEBAPP = Path(audit.__file__).parents[1]


def events(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action))


def test_every_action_that_is_recorded_has_its_words():
    told = {
        action
        for file in WEBAPP.rglob("*.py")
        for action in re.findall(r'\brecord\([^,()]+(?:\([^)]*\))?, "([a-z-]+)"', file.read_text(encoding="utf-8"))
    }
    assert len(told) > 10
    assert told <= set(audit.ACTIONS)


def test_an_action_without_words_cannot_be_recorded(bob):
    with pytest.raises(KeyError):
        audit.record(bob, "something-new")


@pytest.mark.parametrize(("kept", "there", "absent"), [("plain", "brown", "words_hash"), ("hashed", "words_hash", "brown")])
def test_a_search_is_written_down_as_the_site_wants_it(settings, signed_in, make_image, bob, kept, there, absent):
    settings.AUDIT_QUERIES = kept
    make_image("brown")
    signed_in(bob).get("/?q=brown")
    (event,) = events("search")
    assert event.actor == bob
    assert there in str(event.details)
    assert absent not in str(event.details)


def test_searches_are_not_written_down_where_the_site_does_not_want_it(settings, signed_in, make_image, bob):
    settings.AUDIT_QUERIES = "off"
    make_image("brown")
    signed_in(bob).get("/?q=brown")
    assert not events("search")


def test_the_same_words_have_the_same_hash_however_they_are_written(signed_in, make_image, bob):
    make_image("brown")
    browser = signed_in(bob)
    for words in ("brown nuclei", "Brown  NUCLEI", "pink nuclei"):
        browser.get("/", {"q": words})
    first, again, other = [event.details["words_hash"] for event in reversed(events("search"))]
    assert first == again != other
    assert re.fullmatch("[0-9a-f]{16}", first)


def test_looking_at_an_image_is_written_down_and_asking_for_its_headers_is_not(signed_in, make_image, bob):
    image = make_image("brown")
    address = reverse("image", args=[image.pk])
    browser = signed_in(bob)
    browser.head(address)
    assert not events("view")
    browser.get(address)
    (event,) = events("view")
    assert (event.target_id, event.team) == (str(image.pk), image.collection.team)


def test_old_events_are_forgotten_when_the_site_says_so(settings, bob):
    old, young = audit.record(bob, "view"), audit.record(bob, "view")
    AuditEvent.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=31))
    tasks.forget_old_events()
    assert AuditEvent.objects.count() == 2
    settings.AUDIT_DAYS = 30
    tasks.forget_old_events()
    assert AuditEvent.objects.get() == young


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser("root", password="root")


def table(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_the_trail_is_a_table_of_what_the_filters_leave(signed_in, root, bob, alice, team_a):
    audit.record(bob, "search", team=team_a, words="=cmd|' /C calc'!A0")
    audit.record(alice, "download")
    browser = signed_in(root)
    address = reverse("admin:accounts_auditevent_csv")
    (row,) = table(browser.get(address, {"action": "search"}))
    assert (row["who"], row["action"], row["team"]) == ("bob", "search", team_a.name)
    assert {row["action"] for row in table(browser.get(address))} >= {"search", "download", "audit-exported"}
    for query in ({"team__id__exact": str(team_a.pk)}, {"actor__id__exact": str(bob.pk)}, {"q": "bob"}):
        assert [row["who"] for row in table(browser.get(address, query))] == ["bob"]


def test_no_cell_of_the_table_is_a_formula(signed_in, root):
    team = Team.objects.create(name="=1+1")
    audit.record(User.objects.create(username="@bob"), "view", team=team)
    (row,) = table(signed_in(root).get(reverse("admin:accounts_auditevent_csv"), {"action": "view"}))
    assert (row["who"], row["team"]) == ("'@bob", "'=1+1")


def test_the_pages_of_the_trail_filter_and_show(signed_in, root, bob):
    audit.record(bob, "download", bob)
    page = signed_in(root).get(reverse("admin:accounts_auditevent_changelist"), {"action": "download", "target": "user"})
    assert "downloaded an original" in page.content.decode()
    assert "Download as CSV" in page.content.decode()


@pytest.mark.parametrize("staff", [True, False])
def test_only_who_may_read_the_trail_gets_the_table(signed_in, bob, staff):
    bob.is_staff = staff
    bob.save()
    assert signed_in(bob).get(reverse("admin:accounts_auditevent_csv")).status_code == (403 if staff else 302)
