"""A visitor whose browser notes everything that is wrong with the pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.end_to_end.browser import chromium, opened

MISSING = "needs Playwright and Chromium (apt-get install chromium, or CHROMIUM=path)"
PATIENCE_MS = 60_000  # a busy machine

REFUSALS = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI}`));"""

SHIFTS = """window.shifted = 0;
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });"""


@dataclass
class Visit:
    """``problems``: errors in the console, refusals by the content security policy, requests to other sites."""

    site: str
    context: BrowserContext
    page: Page
    problems: list[str] = field(default_factory=list)

    def to(self, address: str) -> Page:
        self.page.goto(self.site + address)
        return self.page

    def forgive(self, words: str) -> None:
        """What is wrong on purpose: at least one problem says ``words``."""
        meant = [each for each in self.problems if words in each]
        assert meant, f"nothing says {words!r}: {self.problems}"
        self.problems[:] = [each for each in self.problems if each not in meant]

    def shift(self) -> float:
        """Layout shift of the page so far, without what the visitor's own input moved."""
        self.page.wait_for_timeout(300)
        return float(self.page.evaluate("window.shifted"))


@contextmanager
def visit(site: str, **options: Any) -> Iterator[Visit]:
    if chromium() is None:
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    with opened() as browser:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        visited = Visit(site, context, context.new_page())
        watch(visited)
        visited.to("/")
        if options.get("java_script_enabled", True):
            visited.page.wait_for_selector(".encoder-state:not(.ready)", state="detached")
        yield visited
        context.close()
    assert visited.problems == []


def watch(visited: Visit) -> None:
    page, problems = visited.page, visited.problems
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.add_init_script(REFUSALS)
    page.add_init_script(SHIFTS)
    page.on("console", lambda told: problems.append(f"{told.text} ({told.location['url']})") if told.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    own = (visited.site, "data:", "blob:")
    page.on("request", lambda asked: None if asked.url.startswith(own) else problems.append(f"asked {asked.url}"))
