"""A lab of several people: a site of its own, who works there, what is put into it, and how its pages look to them."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from playwright.sync_api import Page

from tests.end_to_end.axe import violations
from tests.end_to_end.site import Site, command, started
from webapp.client import Client
from webapp.running import Running

TEAM = "Demo lab"
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 390))
PICTURES = os.environ.get("PICTURES")  # a folder for what seen() looks at, in both themes and at both widths, to be looked at

ENROL = f"""
import json
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from webapp.accounts.models import Membership, Role, Team, User
keys = {{}}
for name, role in (("ada", Role.OWNER), ("demo", Role.OWNER), ("mia", Role.EDITOR), ("noor", Role.VIEWER)):
    user, _ = User.objects.get_or_create(username=name, defaults={{"is_staff": name == "ada", "is_superuser": name == "ada"}})
    Membership.objects.get_or_create(team=Team.objects.get(name="{TEAM}"), user=user, defaults={{"role": role}})
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    keys[name] = session.session_key
print("keys", json.dumps(keys))
"""


@dataclass(frozen=True)
class Lab:
    """``keys``: of a session of everybody: ada administers the site, demo owns the team, mia edits for it, noor views it.

    ``drop``: the folder of the site's own machine that may be imported from.
    """

    site: Site
    keys: Mapping[str, str]
    drop: Path

    @property
    def url(self) -> str:
        return self.site.url

    def collection(self, name: str) -> str:
        """A new one's id; all of the team sees it."""
        with self._client() as client:
            return str(client.post("/collections", {"name": name, "team": TEAM})["id"])

    def announce(self, collection: str, files: Mapping[str, bytes], **said: str) -> dict[str, Any]:
        """The lines of an upload of which nothing has been sent yet; ``said``: of each of its images."""
        told = [{"name": name, "bytes": len(content), "metadata": said} for name, content in files.items()]
        with self._client() as client:
            announced: dict[str, Any] = client.post("/uploads", {"collection": collection, "files": told})
        return announced

    def put(self, collection: str, files: Mapping[str, bytes], folder: Path, **said: str) -> str:
        """An upload of these, once nothing changes any more; its id. They lie in ``folder`` meanwhile."""
        announced = self.announce(collection, files, **said)
        with self._client() as client:
            for number, (item, content) in enumerate(zip(announced["items"], files.values(), strict=True)):
                if item["address"]:
                    (folder / f"sent-{number}").write_bytes(content)
                    client.send_file(item["address"], folder / f"sent-{number}")
        self.site.wait_for(announced["id"])
        return str(announced["id"])

    def _client(self) -> Client:
        token = json.loads((self.site.folder / "server.json").read_text())["token"]
        return Client(Running(url=self.site.url, pid=self.site.process.pid, token=token))


@contextmanager
def opened_lab(folder: Path) -> Iterator[Lab]:
    drop = folder / "drop"
    drop.mkdir()
    settings = {"GUEST_LINKS": "true", "TEAM_MAKING": "everyone", "IMPORT_FOLDERS": str(drop), "WATCH_EVERY_S": "5"}
    with started(folder / "data", "demo", "--images", "16", **settings) as site:
        yield Lab(site, _enrolled(site), drop)


def _enrolled(site: Site) -> dict[str, str]:
    process = command(site.folder, "shell", "-v0", "-c", ENROL, stderr=subprocess.PIPE)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    keys: dict[str, str] = json.loads(printed.rpartition("keys ")[2])
    return keys


# --- pictures ---------------------------------------------------------------------------------------------------------


def field(seed: int, *, size_px: int = 160) -> Image.Image:
    """A field unlike that of any other seed."""
    cells = np.random.default_rng(seed).integers(60, 255, (6, 6, 3), np.uint8)
    return Image.fromarray(cells).resize((size_px, size_px), Image.Resampling.BICUBIC)


def packed(picture: Image.Image, form: str = "PNG", **how: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, form, **how)
    return written.getvalue()


# --- looking ----------------------------------------------------------------------------------------------------------


def seen(page: Page, name: str) -> None:
    """As it is now: at no width wider than the screen, nothing serious for axe, in a wide window and on a phone in the dark.

    With PICTURES both themes are kept as pictures at both widths.
    """
    found: list[str] = []
    before = page.viewport_size or {"width": 1280, "height": 800}
    for theme, width in LOOKS:
        _turn(page, theme, width)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{name}, {theme}, {width} px: {each}" for each in violations(page) + [f"{wide} px too wide"] * (wide > 0)]
    if PICTURES:
        _keep(page, name, Path(PICTURES))
    page.emulate_media(color_scheme=None)
    page.set_viewport_size({"width": before["width"], "height": before["height"]})
    assert not found, "; ".join(found)


def _turn(page: Page, theme: Literal["light", "dark"], width: int) -> None:
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_timeout(250)  # colours fade over


def _keep(page: Page, name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        for width in (1280, 390):
            _turn(page, theme, width)
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=width == 390)
