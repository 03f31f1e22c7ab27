"""Static files are built once, also by processes that start at the same moment, and never pulled from under a running one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from django.conf import settings
from django.contrib.staticfiles.finders import get_finder
from django.test import override_settings

from webapp import settings as configured
from webapp.serving import assets


@pytest.fixture
def built(tmp_path: Path):
    """An empty folder for static files, and a single small source."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "site.css").write_text("body { color: black }")
    folder = tmp_path / "built"
    hashed = {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    finders = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    get_finder.cache_clear()  # type: ignore[attr-defined]
    with override_settings(
        DEBUG=False,
        STATIC_ROOT=folder,
        STATICFILES_DIRS=[source],
        STATICFILES_FINDERS=finders,
        STORAGES={**settings.STORAGES, "staticfiles": hashed},
    ):
        yield folder
    get_finder.cache_clear()  # type: ignore[attr-defined]


def test_of_two_that_start_together_one_builds(built):
    together = Barrier(2)

    def start(_: int) -> bool:
        together.wait()
        return assets.build_if_stale()

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(start, range(2))) == [False, True]
    assert (built / "staticfiles.json").exists()


def test_what_a_running_site_serves_stays_when_a_file_has_changed(built):
    assets.build_if_stale()
    served = {path.name for path in built.glob("site.*.css")}
    changed = built.parent / "source" / "site.css"
    changed.write_text("body { color: navy }")
    assert assets.build_if_stale()
    now = {path.name for path in built.glob("site.*.css")}
    assert served < now
    assert not assets.build_if_stale()


def test_a_script_names_the_hashed_copy_of_the_one_that_it_imports(built):
    scripts = built.parent / "source" / "js"
    scripts.mkdir()
    (scripts / "page.js").write_text('import { words } from "./words.js";\nwords();\n')
    (scripts / "words.js").write_text("export function words() {}\n")
    with override_settings(STORAGES={"staticfiles": {"BACKEND": "webapp.serving.static_files.HashedNames"}}):
        assets.build_if_stale()
    [hashed] = [path.name for path in (built / "js").glob("words.*.js")]
    [page] = (built / "js").glob("page.*.js")
    assert f'from "./{hashed}"' in page.read_text()


def test_whoever_serves_them_may_read_them(built):
    """An image's build makes them as root, and the site runs as somebody without its powers."""
    ours = {**configured.STORAGES["staticfiles"], "BACKEND": "webapp.serving.static_files.HashedAndCompressed"}
    uploads_are_for_their_owner = 0o600
    with override_settings(STORAGES={"staticfiles": ours}, FILE_UPLOAD_PERMISSIONS=uploads_are_for_their_owner):
        assets.build_if_stale()
    modes = {path.name: path.stat().st_mode & 0o777 for path in built.rglob("*")}
    assert len(modes) >= 3
    assert set(modes.values()) == {0o644}, modes
