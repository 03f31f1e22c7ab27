"""The image viewer comes from npm by the lock file, pinned; pages do without it where it is absent."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
LOCK = json.loads((ROOT / "package-lock.json").read_text())
NAMED = json.loads((ROOT / "package.json").read_text())


def test_versions_are_pinned():
    for version in (NAMED["dependencies"] | NAMED["devDependencies"]).values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_the_lock_file_names_hashes_and_no_registry_of_ours():
    packages = {name: told for name, told in LOCK["packages"].items() if name}
    assert packages
    for told in packages.values():
        assert told["integrity"].startswith("sha512-")
        assert told.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")
        assert not told.get("hasInstallScript")


def test_with_the_viewer_the_page_loads_it(settings, signed_in, bob, make_image):
    settings.VIEWER = True
    page = signed_in(bob).get(f"/images/{make_image().pk}").content.decode()
    assert "openseadragon/openseadragon.min.js" in page
    assert "js/viewer.js" in page


def test_without_it_the_picture_is_there_all_the_same(settings, signed_in, bob, make_image):
    settings.VIEWER = False
    image = make_image()
    page = signed_in(bob).get(f"/images/{image.pk}").content.decode()
    assert f'<img src="/images/{image.pk}/display"' in page
    assert "openseadragon" not in page
    assert "js/viewer.js" not in page
