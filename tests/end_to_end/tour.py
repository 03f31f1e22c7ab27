"""`python -m tests.end_to_end.tour docs/images [--site http://127.0.0.1:8000]`: the pictures of docs/tour.md and of the README.

Each in light and dark, as compact WebP (the README's as PNG), of the demo's drawn samples only. Without a site, a demo of its own
is started for it. What a demo draws and how it is asked are fixed, so the pictures change only where the pages do.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from embedder.samples import draw_sample
from tests.end_to_end.browser import opened
from tests.end_to_end.site import started

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZE, PHONE = (1280, 800), (360, 720)
ENCODER_MS = 120_000
COLOURS = 128  # of the README's picture
QUALITY = 72
README = "brown stained nuclei"


def ready(page: Page, site: str) -> None:
    page.goto(site)
    page.wait_for_selector(".encoder-state:not(.ready)", state="detached", timeout=ENCODER_MS)


def card(page: Page, place: int) -> Locator:
    return page.locator("[data-gallery] .hit").nth(place)


def home(page: Page, site: str) -> None:
    page.goto(site)


def results(page: Page, site: str) -> None:
    page.goto(f"{site}/?q={README}")
    if page.viewport_size is not None and page.viewport_size["width"] > PHONE[0]:
        card(page, 1).hover()


def refined(page: Page, site: str) -> None:
    page.goto(f"{site}/?q=glands&plus=mucin~0.75&minus=necrosis~0.5")
    card(page, 0).hover()
    card(page, 0).locator("[data-key=l]").click()
    page.wait_for_url("**like=*")


def negation(page: Page, site: str) -> None:
    page.goto(f"{site}/?q=glands without necrosis")


def builder(page: Page, site: str) -> None:
    page.goto(f"{site}/?organ_is=colon&stain_is=H%26E&finding_is=adenocarcinoma")
    page.locator(".builder > summary").click()


def crop(page: Page, site: str) -> None:
    page.goto(f"{site}/?q=glomerulus")
    image = card(page, 0).get_attribute("data-image")
    page.goto(f"{site}/?image={image}&crop=220,180,780,740")
    page.wait_for_selector(".seen.croppable")


def nothing(page: Page, site: str) -> None:
    page.goto(f"{site}/?q=receipt for a washing machine")


def tray(page: Page, site: str) -> None:
    page.goto(f"{site}/?q=adipose tissue&every_image=1")
    for place in (0, 1, 3):
        card(page, place).locator(".pick").check()
    page.mouse.move(0, 0)
    page.get_by_role("button", name="Export", exact=True).click()


def image(page: Page, site: str) -> None:
    page.goto(f"{site}/?q=kidney glomerulus")
    card(page, 0).locator("a.cover").click()
    page.wait_for_selector(".openseadragon-canvas canvas")


def seen(page: Page, site: str) -> None:
    image(page, site)
    page.locator(".terms").first.wait_for()
    page.locator(".seen").evaluate("part => scrollTo(0, part.getBoundingClientRect().top + scrollY - 32)")


def collections(page: Page, site: str) -> None:
    page.goto(f"{site}/collections")


def upload_check(page: Page, site: str) -> None:
    page.goto(f"{site}/collections")
    page.goto(site + (page.locator(".shelf a.cover").first.get_attribute("href") or "") + "/upload")
    with TemporaryDirectory() as folder:
        page.locator("[data-pick-folder]").set_input_files(some_scans(Path(folder) / "march"))
        page.get_by_role("button", name="Check").click()
        page.get_by_role("heading", name="Nothing has been sent yet").wait_for()
    page.locator(".upload-form").evaluate("part => scrollTo(0, part.getBoundingClientRect().top + scrollY - 16)")


def some_scans(folder: Path) -> Path:
    """What one finds in such folders: new images, the same one twice, a report, a name, and a table with one bad row."""
    folder.mkdir()
    rows = ["file,caption,stain,mpp"]
    for number, subject in enumerate(("adipose", "glomerulus", "mucin", "necrosis")):
        name = f"field-{number:02}.png"
        draw_sample(subject, seed=700 + number, side_px=224).image.save(folder / name)
        rows.append(f"{name},{subject},H&E,{'wide' if number == 3 else 0.5}")
    (folder / "copy of field-00.png").write_bytes((folder / "field-00.png").read_bytes())
    draw_sample("cartilage", seed=799, side_px=224).image.save(folder / "MRN00417300.png")
    (folder / "report.pdf").write_bytes(b"%PDF-1.7")
    (folder / "captions.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


SHOTS: dict[str, Callable[[Page, str], None]] = {
    "home": home,
    "results": results,
    "refined": refined,
    "negation": negation,
    "builder": builder,
    "crop": crop,
    "nothing-close": nothing,
    "tray": tray,
    "image": image,
    "seen": seen,
    "collections": collections,
    "upload-check": upload_check,
}
ON_A_PHONE = ("results", "image")


def take(page: Page, folder: Path, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(400)  # the last transition
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(folder / "tour" / f"{name}.webp", quality=QUALITY, method=6)
    if name == "results-light":
        few = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
        few.save(folder / "search.png", optimize=True)


def take_all(browser: Browser, site: str, folder: Path) -> None:
    (folder / "tour").mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        for size, names in ((SIZE, tuple(SHOTS)), (PHONE, ON_A_PHONE)):
            for name in names:
                width, height = size
                phone = size == PHONE
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=theme, is_mobile=phone, has_touch=phone
                )
                page = context.new_page()
                ready(page, site)
                SHOTS[name](page, site)
                take(page, folder, f"{name}{'-phone' if phone else ''}-{theme}")
                context.close()


@contextmanager
def demo(address: str) -> Iterator[str]:
    """The running demo's address, or that of one that ends with the block."""
    if address:
        yield address.rstrip("/")
        return
    with TemporaryDirectory() as folder, started(Path(folder), "demo", encoder="mini") as site:
        yield site.url


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.end_to_end.tour")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--site", default="", help="a running demo; without it one is started")
    options = parser.parse_args()
    with demo(options.site) as site, opened() as browser:
        take_all(browser, site, options.folder)


if __name__ == "__main__":
    main()
