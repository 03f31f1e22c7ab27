"""People and programs at a production rig: who they are, how they sign in, what they send."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any

import httpx

from tests.services.production import Production

PASSWORD = "a long enough password"
SETTLE_S = 300.0
PIECE = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
MAKE_PEOPLE = """
from webapp.accounts.models import Membership, Role, Team, User
from webapp.library.models import Collection
team, other = Team.objects.create(name="Team A"), Team.objects.create(name="Team B")
for name, of, role in (("alice", team, Role.EDITOR), ("bob", team, Role.VIEWER), ("charlie", other, Role.OWNER)):
    user = User.objects.create_user(name, password={password!r})
    Membership.objects.create(user=user, team=of, role=role)
print(Collection.objects.create(team=team, name="Kidneys", made_by=User.objects.get(username="alice"), visibility="team").pk)
"""
MAKE_TOKEN = """
from webapp.accounts.models import ApiToken, User
print(ApiToken.issue(User.objects.get(username={name!r}), "a test's")[1])
"""


def make_people(site: Production) -> str:
    """alice edits and bob views team A, charlie owns team B; returns the id of a collection of team A's."""
    return site.run(MAKE_PEOPLE.format(password=PASSWORD)).splitlines()[-1]


def program(site: Production, name: str) -> httpx.Client:
    """The API, by a token of ``name``'s; to be closed."""
    token = site.run(MAKE_TOKEN.format(name=name)).splitlines()[-1]
    known = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{site.url}/api/v1", headers=known, verify=site.trust(), timeout=30.0)


def signed_in(site: Production, name: str) -> httpx.Client:
    """A browser whose person has filled in the form; to be closed."""
    browser = site.browser(follow_redirects=True)
    page = browser.get("/")
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    person = re.search(r'name="(username|login)"', page.text)
    assert person is not None, page.text
    told = fields | {person[1]: name, "password": PASSWORD}
    answer = browser.post(str(page.url), data=told, headers={"Referer": str(page.url)})
    assert answer.status_code == 200, answer.text
    assert "sessionid" in " ".join(browser.cookies), "not signed in"
    return browser


def announce(browser: httpx.Client, collection: str, files: dict[str, bytes]) -> dict[str, Any]:
    listed = json.dumps([[name, len(data), ""] for name, data in files.items()])
    answer = browser.post(
        f"/collections/{collection}/announce", files={"files": ("files.json", listed.encode())}, headers=by_script(browser)
    )
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def by_script(browser: httpx.Client) -> dict[str, str]:
    """What a script of the site's adds to whatever changes something."""
    token = next(value for name, value in browser.cookies.items() if "csrftoken" in name)
    return {"X-CSRFToken": token, "Referer": str(browser.base_url)}


def send_piece(browser: httpx.Client, address: str, data: bytes, *, at: int = 0) -> httpx.Response:
    return browser.patch(address, content=data, headers=PIECE | {"Upload-Offset": str(at)} | by_script(browser))


def settled(client: httpx.Client, upload: str, within_s: float = SETTLE_S) -> dict[str, Any]:
    """The receipt when nothing of it runs any more, asked by a program. Raises AssertionError."""
    until = time.monotonic() + within_s
    told: dict[str, Any] = {}
    while time.monotonic() < until:
        try:
            answer = client.get(f"/uploads/{upload}")
            told = answer.json() if answer.status_code == 200 else told
        except httpx.HTTPError:
            continue
        if told.get("done"):
            return told
        time.sleep(0.5)
    raise AssertionError(f"still running after {within_s:.0f} s: {told.get('counts')}")


def send_at_once(client: httpx.Client, collection: str, files: dict[str, bytes]) -> str:
    """By a program, in one request; returns the upload."""
    parts = [("files", (name, data)) for name, data in files.items()]
    answer = client.post("/uploads/files", data={"collection": collection}, files=parts, timeout=300.0)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def links_to(text: str, pattern: str) -> Sequence[str]:
    """Addresses in a page that match."""
    return sorted(set(re.findall(rf'(?:src|href)="({pattern})"', text)))
