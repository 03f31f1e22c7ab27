"""The selection tray, saved searches and the collections page in a real browser, with and without script."""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

MISSING = "needs Playwright and Chromium (apt-get install chromium, or CHROMIUM=path)"
pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None:  # pragma: no cover
    pytest.skip(MISSING, allow_module_level=True)

from playwright.sync_api import Browser, Page, expect  # noqa: E402

from tests.end_to_end.browser import chromium, opened  # noqa: E402


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    with opened() as opened_browser:
        yield opened_browser


@pytest.fixture
def visit(demo, browser):
    """visit(**context): a visitor of the demo; at the end no page may have logged an error or asked for anything outside."""
    problems: list[str] = []
    contexts = []

    def visit(**options) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=demo.url, **options)
        contexts.append(context)
        page: Page = context.new_page()
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if not request.url.startswith(demo.url) else None)
        page.goto("/")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(visit) -> Page:
    """On the results of a search."""
    visited: Page = visit()
    visited.goto("/?q=pink")
    return visited


def pick(page: Page, *places: int, **options) -> None:
    for place in places:
        page.locator("input.pick").nth(place).click(**options)


def selected(page: Page) -> list[str]:
    """Image ids in the bar, newest first."""
    told: list[str] = page.locator("[data-tray-strip] > li").evaluate_all("(items) => items.map((item) => item.dataset.id)")
    return told


def panel(page: Page, name: str) -> None:
    page.locator("#tray").get_by_role("button", name=name, exact=True).click()


@contextmanager
def beside(page: Page, address: str) -> Iterator[Page]:
    """Another tab: the message with «Undo» is shown once, and stays on the first."""
    other = page.context.new_page()
    other.goto(address)
    yield other
    other.close()


def test_the_bar_comes_with_the_first_image_and_goes_with_the_last(page):
    tray = page.locator("#tray")
    expect(tray).to_be_hidden()
    pick(page, 0, 2)
    expect(tray.get_by_role("status")).to_have_text("2 selected")
    expect(page.locator(".picked")).to_have_count(2)
    tray.locator("[data-tray-strip] button").first.click()
    expect(tray.get_by_role("status")).to_have_text("1 selected")
    panel(page, "Clear")
    expect(tray).to_be_hidden()
    expect(page.locator("input.pick:checked")).to_have_count(0)


def test_the_selection_stays_over_pages_and_ends_with_the_tab(page, visit):
    pick(page, 0, 1)
    chosen = selected(page)
    page.goto("/collections")
    page.get_by_role("link", name="Drawn sample archive").click()
    assert selected(page) == chosen
    expect(page.locator("input.pick:checked")).to_have_count(2)
    page.locator(".card a.cover").first.click()
    expect(page.locator("#tray").get_by_role("status")).to_have_text("2 selected")
    other = visit()
    other.goto("/?q=pink")
    assert selected(other) == []


def test_shift_selects_a_range_and_the_keyboard_does_it_all(page):
    pick(page, 1)
    pick(page, 4, modifiers=["Shift"])
    expect(page.locator("input.pick:checked")).to_have_count(4)
    page.locator("input.pick").nth(1).focus()
    page.keyboard.press("Space")
    expect(page.locator("input.pick:checked")).to_have_count(3)
    page.locator("#tray").get_by_role("button", name="Tag", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Tags, parted by semicolons")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Tags, parted by semicolons")).to_be_hidden()


def test_tags_are_added_and_taken_back_from_the_message(page):
    pick(page, 0, 1)
    panel(page, "Tag")
    page.get_by_label("Tags, parted by semicolons").fill("to review")
    page.keyboard.press("Enter")
    message = page.locator(".message.success")
    expect(message).to_contain_text("Tagged 2 images.")
    expect(page.locator("#tray").get_by_role("status")).to_have_text("2 selected")
    with beside(page, f"/images/{selected(page)[0]}") as image:
        expect(image.get_by_text("to review").first).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(message).to_contain_text("Taken back for 2 images.")


def test_images_are_moved_to_another_collection_and_back(page):
    page.goto("/collections/new")
    page.get_by_label("Name").fill("For teaching")
    page.get_by_role("button", name="Make it").click()
    page.goto("/?q=pink")
    pick(page, 0)
    panel(page, "Move")
    page.get_by_label("Collection", exact=True).select_option(label="For teaching (seen by the team)")
    page.locator("#tray-move").get_by_role("button", name="Move").click()
    expect(page.locator(".message.success")).to_contain_text("Moved 1 image, now in For teaching.")
    address = page.locator(".message.success").get_by_role("link", name="For teaching").get_attribute("href")
    with beside(page, str(address)) as collection:
        expect(collection.locator(".pictures .card")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".message.success")).to_contain_text("Taken back for 1 image.")


def test_a_table_and_a_zip_are_downloaded(page, tmp_path: Path):
    pick(page, 0, 1)
    panel(page, "Export")
    with page.expect_download() as table:
        page.get_by_role("button", name="Table (CSV)").click()
    table.value.save_as(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8-sig") as file:
        assert {row["id"] for row in csv.DictReader(file)} == set(selected(page))
    panel(page, "Export")
    with page.expect_download() as bundle:
        page.get_by_role("button", name="Images (zip)").click()
    assert bundle.value.suggested_filename.endswith(".zip")
    bundle.value.save_as(tmp_path / "images.zip")
    with zipfile.ZipFile(tmp_path / "images.zip") as archive:
        assert archive.testzip() is None
        assert {f"images/{image}.jpg" for image in selected(page)} < set(archive.namelist())
        assert "LICENCE-AND-CITATION.txt" in archive.namelist()


def test_without_script_the_ticked_boxes_are_posted(visit):
    page = visit(java_script_enabled=False)
    page.goto("/?q=pink")
    expect(page.locator("#tray")).to_be_visible()
    page.locator("input.pick").nth(0).check()
    page.locator("input.pick").nth(1).check()
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 selected images")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_label("Tags, parted by semicolons").fill("without script")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".message.success")).to_contain_text("Tagged 2 images.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".message.success")).to_contain_text("Taken back for 2 images.")
    page.get_by_role("link", name="Save this search").click()
    expect(page.get_by_role("heading", name="Save this search")).to_be_visible()


def test_a_search_is_saved_opened_renamed_and_deleted(page):
    page.goto("/?q=pink&organ=bone")
    page.get_by_role("link", name="Save this search").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("Pink bone")
    dialog.get_by_label("Who sees it").select_option(label="Everybody in Demo lab")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".message.success")).to_contain_text("Saved as Pink bone.")
    page.goto("/collections")
    page.get_by_role("link", name="Pink bone").click()
    page.wait_for_url("**/?q=pink&organ=bone")
    page.goto("/saved?find=bone")
    page.get_by_role("link", name="Rename Pink bone").click()
    page.get_by_label("Name").fill("Rose bone")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Delete Rose bone").click()
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".message.success")).to_contain_text("Deleted “Rose bone”.")


@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_pages_fit_the_screen_with_the_bar_and_its_panels(page, width):
    page.set_viewport_size({"width": width, "height": 740})
    for address in ("/?q=pink", "/collections", "/saved", "/selected"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.goto("/?q=pink")
    pick(page, 0, 1, 2)
    for name in ("Tag", "Move", "Export"):
        panel(page, name)
        box = page.locator("#tray [popover]:popover-open").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 740
        page.keyboard.press("Escape")
