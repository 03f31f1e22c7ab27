"""`python -m tests.end_to_end.screenshots http://127.0.0.1:8000 FOLDER`: every page of a running demo as a picture.

Each in light and dark, wide and on a phone. Exits with 1 where a page breaks the content security policy, logs an error or is
wider than the screen. The pictures of the documentation come from tour.py.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page

from tests.end_to_end.browser import opened

QUERY = "brown stained nuclei"
ENCODER_MS = 120_000
SIZES = {"wide": (1280, 800), "phone": (360, 740)}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@dataclass
class Gallery:
    """Takes the pictures and collects what is wrong with the pages."""

    site: str
    folder: Path
    only: frozenset[str] = frozenset()
    problems: list[str] = field(default_factory=list)

    def take(self, page: Page, name: str, address: str, *, look: str) -> None:
        if self.only and name not in self.only:
            return
        page.goto(self.site + address, wait_until="networkidle")
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if width > 0:
            self.problems.append(f"{name} {look}: {width} px too wide")
        page.screenshot(path=self.folder / f"{name}-{look}.png", full_page="phone" in look and name != "results")

    def watch(self, page: Page, look: str) -> None:
        def note(text: str) -> None:
            self.problems.append(f"{look} {page.url}: {text}")

        page.on("console", lambda message: note(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: note(str(error)))


def addresses(page: Page, site: str) -> dict[str, str]:
    """Name -> path, found by walking the site as a visitor does, once the encoder is ready."""
    page.goto(site)
    page.wait_for_selector(".encoder-state:not(.ready)", state="detached", timeout=ENCODER_MS)
    page.goto(f"{site}/?q={QUERY}")
    image = page.locator(".hit a.cover").first.get_attribute("href") or ""
    page.goto(f"{site}/collections")
    collection = page.locator(".shelf a.cover").first.get_attribute("href") or ""
    page.goto(site + collection)
    receipt = page.locator(".recent a").first.get_attribute("href") or ""
    number = image.rpartition("/")[2]
    return {
        "home": "/",
        "results": f"/?q={QUERY}",
        "filtered": f"/?q={QUERY}&organ=breast&every_image=1",
        "near": f"/?image={number}",
        "describe-empty": "/describe",
        "describe": f"/describe?image={number}",
        "collections": "/collections",
        "saved": "/saved",
        "collection": collection,
        "collection-edit": f"{collection}/edit",
        "collection-new": "/collections/new",
        "upload": f"{collection}/upload",
        "receipt": receipt,
        "image": image,
        "not-searchable": "/not-searchable",
        "sign-in-again": "/sign-in",
    }


def take_all(browser: Browser, gallery: Gallery) -> None:
    found: dict[str, str] = {}
    for size, (width, height) in SIZES.items():
        for theme in THEMES:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            page = context.new_page()
            found = found or addresses(page, gallery.site)
            page.goto(f"{gallery.site}/")
            gallery.watch(page, f"{size}-{theme}")
            for name, address in found.items():
                gallery.take(page, name, address, look=f"{size}-{theme}")
            context.close()
            visitor = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
            gallery.take(visitor, "sign-in", "/sign-in", look=f"{size}-{theme}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.end_to_end.screenshots")
    parser.add_argument("site")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=())
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    gallery = Gallery(options.site.rstrip("/"), options.folder, frozenset(options.only))
    with opened() as browser:
        take_all(browser, gallery)
    sys.stderr.write("".join(f"{problem}\n" for problem in gallery.problems))
    return 1 if gallery.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
