"""`python -m benchmarks.browser`: from Enter to thumbnails on the screen, and how far pages move while they load.

Starts a demo of its own (mini encoder, 248 images) unless --site names one that runs. Each phrase is asked twice: encoded the
first time, from the cache the second. Needs Playwright and Chromium. Asked: 600 ms, warm; layout shift under 0.02.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from benchmarks.machine import machine, versions, write
from tests.end_to_end.browser import opened
from tests.end_to_end.site import started
from tests.end_to_end.visiting import SHIFTS

PHRASES = (
    "adipose tissue",
    "brown stained nuclei",
    "glands with goblet cells",
    "keratin pearls",
    "lymphocytes",
    "blue collagen",
    "fungal hyphae",
    "red blood cells",
    "melanin pigment",
    "cartilage with lacunae",
    "smooth muscle",
    "kidney glomerulus",
)
ADDRESSES = ("/", "/?q=adipose+tissue", "/?q=adipose+tissue&every_image=1", "/collections", "/describe")
SIZES = {"phone": (360, 740), "wide": (1280, 800), "very wide": (2560, 1300)}

# Moments are kept as times of day, because they lie on two pages. A picture is painted in the second frame after it is complete.
MOMENTS = """
addEventListener("keydown", (event) => {
    if (event.key === "Enter") sessionStorage.setItem("enter", performance.timeOrigin + performance.now());
}, true);
const inView = (img) => { const box = img.getBoundingClientRect(); return box.top < innerHeight && box.bottom > 0; };
const look = () => {
    const seen = [...document.querySelectorAll("[data-gallery] .hit img")].filter(inView);
    const done = seen.filter((img) => img.complete && img.naturalWidth);
    const now = () => performance.timeOrigin + performance.now() - Number(sessionStorage.getItem("enter"));
    if (done.length && window.first === undefined) {
        window.first = null;
        requestAnimationFrame(() => requestAnimationFrame(() => { window.first = now(); }));
    }
    if (seen.length && done.length === seen.length && document.readyState !== "loading") {
        requestAnimationFrame(() => requestAnimationFrame(() => { window.all = now(); }));
    } else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
STAGES = """() => {
    const [visit] = performance.getEntriesByType("navigation");
    const stages = Object.fromEntries(visit.serverTiming.map((stage) => [stage.name, stage.duration]));
    return { ...stages, answered: visit.responseStart - visit.requestStart };
}"""


def asked(page: Page, site: str, phrase: str) -> dict[str, float]:
    """Milliseconds from Enter to the first and to all thumbnails in view, and the server's own stages."""
    page.goto(site, wait_until="networkidle")
    page.get_by_label("Search the archive").fill(phrase)
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=*", wait_until="load")
    page.wait_for_timeout(300)
    told: dict[str, float] = page.evaluate(STAGES)
    return {"first": page.evaluate("window.first"), "all": page.evaluate("window.all"), **told}


def summary(times: list[dict[str, float]]) -> dict[str, Any]:
    def of(name: str) -> dict[str, float]:
        values = sorted(time[name] for time in times)
        return {"median": round(statistics.median(values), 1), "p95": round(values[int(0.95 * (len(values) - 1))], 1)}

    return {name: of(name) for name in times[0]}


def shifts(page: Page, site: str) -> dict[str, float]:
    """The worst of all sizes, by address."""
    worst: dict[str, float] = {}
    for width, height in SIZES.values():
        page.set_viewport_size({"width": width, "height": height})
        for address in ADDRESSES:
            page.goto(site + address, wait_until="networkidle")
            worst[address] = round(max(worst.get(address, 0.0), page.evaluate("window.shifted")), 4)
    return worst


@contextmanager
def a_site(told: str | None) -> Iterator[str]:
    if told is not None:
        yield told.rstrip("/")
        return
    memory = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as folder, started(Path(folder), "demo", encoder="mini") as site:
        yield site.url


def measured(site: str) -> dict[str, Any]:
    with opened() as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.set_default_timeout(120_000)
        for script in (MOMENTS, SHIFTS):
            page.add_init_script(script)
        page.goto(site)
        page.wait_for_selector(".encoder-state:not(.ready)", state="detached")
        asked(page, site, "warming up")
        encoded, cached = ([asked(page, site, phrase) for phrase in PHRASES] for _ in range(2))
        return {
            "images": page.locator("[data-gallery] .hit").count(),
            "milliseconds": {"words encoded anew": summary(encoded), "words in the cache": summary(cached)},
            "layout_shift": shifts(page, site),
            "browser": browser.version,
        }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser")
    parser.add_argument("--site", help="one that runs; else a demo is started")
    options = parser.parse_args()
    about = machine()
    with a_site(options.site) as site:
        found = measured(site)
    asked_for = {"first_thumbnails_ms": 600, "layout_shift": 0.02}
    write("browser", {"machine": about, "versions": versions("django", "playwright"), "asked": asked_for, **found})


if __name__ == "__main__":
    main()
