"""axe-core on a page that a visitor looks at."""

from __future__ import annotations

from functools import cache
from typing import Any

from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page

BAD = ("serious", "critical")


def violations(page: Page) -> list[str]:
    """ "rule: what it wants (elements)" of each serious or critical one. axe runs in the tests' own world, past the policy."""
    page.evaluate(_source())
    found: dict[str, Any] = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {rule['help']} {[node['target'] for node in rule['nodes']][:4]}"
        for rule in found["violations"]
        if rule["impact"] in BAD
    ]


@cache
def _source() -> str:
    source: str = AXE_FILE_PATH.read_text(encoding="utf-8")
    return source
