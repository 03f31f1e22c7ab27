"""Two people in two browsers: one shares a search, the other opens and forks it, and then it is revoked."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import pytest

from tests.end_to_end.site import Site, command
from tests.end_to_end.visiting import MISSING

if find_spec("playwright") is None:
    assert not os.environ.get("CI"), MISSING
    pytest.skip(MISSING, allow_module_level=True)

from playwright.sync_api import Page, expect

from tests.end_to_end.browser import chromium, opened

SIGNED_IN = """
import json
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from webapp.accounts.models import Membership, Role, Team, User
keys = {}
for name, role in (("mia", Role.EDITOR), ("noor", Role.VIEWER)):
    user = User.objects.create_user(name)
    Membership.objects.create(team=Team.objects.get(), user=user, role=role)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    keys[name] = session.session_key
print("keys", json.dumps(keys))
"""


@pytest.fixture(scope="module")
def sessions(demo: Site) -> dict[str, str]:
    """Name -> the key of a session of theirs; both are members of the demo's team."""
    process = command(demo.folder, "shell", "-c", SIGNED_IN, stderr=subprocess.PIPE)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    found: dict[str, str] = json.loads(printed.rpartition("keys ")[2])
    return found


@pytest.fixture
def visitor(demo: Site, sessions: dict[str, str]) -> Iterator[Callable[[str], Page]]:
    """visitor("mia"): her own browser, signed in; at the end no page may have logged an error or asked for anything outside."""
    if chromium() is None:
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    problems: list[str] = []
    with opened() as browser:

        def visitor(name: str) -> Page:
            context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=demo.url)
            context.add_cookies([{"name": "sessionid", "value": sessions[name], "url": demo.url}])
            page = context.new_page()
            page.set_default_timeout(60_000)
            expect.set_options(timeout=60_000)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("request", lambda asked: None if asked.url.startswith(demo.url) else problems.append(asked.url))
            return page

        yield visitor
    assert problems == []


@pytest.mark.parametrize("mode", ["live", "frozen"])
def test_a_search_is_shared_opened_forked_and_revoked(visitor, demo, mode):
    mia, noor = visitor("mia"), visitor("noor")
    mia.goto(f"/?q=pink+{mode}")
    mia.get_by_role("link", name="Share", exact=True).first.click()
    dialog = mia.get_by_role("dialog")
    dialog.get_by_label("Name").fill(f"Pink, {mode}")
    dialog.get_by_label("Note").fill("Look at the second row")
    dialog.get_by_label("Frozen" if mode == "frozen" else "Live").check()
    dialog.get_by_role("button", name="Make the link").click()
    link = mia.get_by_label("Link", exact=True).input_value()

    noor.goto(link)
    assert link.rpartition("/")[2] not in noor.url
    about = noor.get_by_role("region", name="About this shared search")
    expect(about).to_contain_text("Shared by mia")
    expect(about).to_contain_text("Look at the second row")
    if mode == "frozen":
        expect(noor.get_by_text("The same images are found now")).to_be_visible()
    about.get_by_role("button", name="Fork").click()
    expect(noor.get_by_text("is now also a search of your own")).to_be_visible()

    mia.goto("/links")
    row = mia.get_by_role("listitem").filter(has_text=f"Pink, {mode}")
    expect(row).to_contain_text("by 1 member")
    row.get_by_role("button", name="Revoke the link").click()
    mia.get_by_role("button", name="Revoke", exact=True).click()
    expect(mia.get_by_text("opens nothing any more")).to_be_visible()

    noor.goto(link)
    expect(noor.get_by_role("heading", name="This link was revoked")).to_be_visible()
    expect(noor.get_by_text("Ask mia")).to_be_visible()
