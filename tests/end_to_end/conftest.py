from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.site import Site, started

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.end_to_end.lab import Lab
    from tests.end_to_end.visiting import Visit


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A demo with more images than a page of results shows."""
    folder: Path = tmp_path_factory.mktemp("demo")
    with started(folder, "demo", "--images", "66") as site:
        yield site


@pytest.fixture(scope="module")
def own_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for a module that fills it with images of its own, which would push the drawn ones off the first page for others."""
    folder: Path = tmp_path_factory.mktemp("own-demo")
    with started(folder, "demo", "--images", "16") as site:
        yield site


# --- a lab of several people ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for all modules that put in what they need themselves, into collections of their own."""
    from tests.end_to_end.lab import opened_lab  # not where Playwright is missing

    with opened_lab(tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture(scope="module")
def a_browser() -> Iterator[Browser]:
    """One for the people of a module; Playwright allows no second one beside it, so that it ends with the module."""
    missing = "needs Playwright, axe-playwright-python and Chromium (apt-get install chromium, or CHROMIUM=path)"
    if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    from tests.end_to_end.browser import chromium, opened

    if chromium() is None:
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    with opened() as browser:
        yield browser


@pytest.fixture
def person(a_browser: Browser, lab: Lab) -> Iterator[Callable[..., Visit]]:
    """person("mia"): her own window, signed in; person(): somebody whom the site does not know.

    At the end no page may have logged an error, asked for anything outside, or broken the policy.
    """
    from tests.end_to_end.visiting import Visit, watch

    visits: list[Visit] = []
    with ExitStack() as windows:

        def person(name: str = "", **options: Any) -> Visit:
            context = a_browser.new_context(viewport={"width": 1280, "height": 800}, base_url=lab.url, **options)
            windows.callback(context.close)
            if name:
                context.add_cookies([{"name": "sessionid", "value": lab.keys[name], "url": lab.url}])
            visits.append(Visit(lab.url, context, context.new_page()))
            watch(visits[-1])
            return visits[-1]

        yield person
    assert [problem for visited in visits for problem in visited.problems] == []
