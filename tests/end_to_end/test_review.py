"""What is held for review, decided by keys and by pointer; what became of it for those who search."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from playwright.sync_api import Page, expect  # noqa: E402

from tests.end_to_end.lab import field, packed, seen  # noqa: E402


def held(lab, name: str, tmp_path, *, first: int, n: int = 4) -> str:
    """A collection with ``n`` images whose names look like a patient's; its id."""
    collection = lab.collection(name)
    files = {f"Doe, Jane MRN 41730{number}.png": packed(field(number)) for number in range(first, first + n)}
    lab.put(collection, files, tmp_path)
    return str(collection)


def left(page: Page) -> str:
    return page.locator(".review-progress strong").inner_text()


def name_shown(page: Page) -> str:
    return page.locator("#review-name").inner_text()


def test_held_images_are_decided_on_by_keys_alone(lab, person, tmp_path):
    collection = held(lab, "Held for keys", tmp_path, first=100)
    mia = person("mia")
    page = mia.to(f"/collections/{collection}?show=held")
    page.get_by_role("link", name="Review them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Held for review")
    expect(page.get_by_role("row").filter(has_text="medical record number")).to_contain_text("file name")
    seen(page, "review")

    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("release it under a neutral name")
    page.keyboard.press("r")  # while the list of keys is open, none of them decides
    page.keyboard.press("Escape")
    assert left(page) == "4"

    first = name_shown(page)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#review-name")).not_to_have_text(first)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#review-name")).to_have_text(first)

    page.keyboard.press("r")
    page.keyboard.press("r")  # before the next page is there: it decides on nothing
    expect(page.get_by_text("Released 1 image.")).to_be_visible()
    expect(page.locator("#review-name")).not_to_have_text(first)
    assert left(page) == "3"
    page.keyboard.press("u")
    expect(page.locator("#review-name")).to_have_text(first)
    assert left(page) == "4"

    page.keyboard.press("n")
    expect(page.get_by_text("Released 1 image under a neutral name. The new name stays, also after Undo.")).to_be_visible()
    page.keyboard.press("t")
    expect(page.get_by_text("One image is in the trash.")).to_be_visible()
    seen(page, "review-undo")
    page.keyboard.press("u")
    expect(page.get_by_text("One image is in the trash.")).to_be_hidden()
    assert left(page) == "3"
    for remaining in (2, 1, 0):
        page.keyboard.press("t" if remaining == 2 else "r")
        expect(page.locator(".review-progress strong")).to_have_text(str(remaining))
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
    seen(page, "review-done")

    mia.to(f"/collections/{collection}")
    expect(page.locator(".pictures .card")).to_have_count(3)
    page.locator(".recent a").first.click()
    expect(page.get_by_role("cell", name=re.compile(r"image-[0-9a-f]{8}\.png"))).to_have_count(1)


def test_a_pattern_that_was_wrong_is_released_all_at_once_and_found_by_viewers(lab, person, tmp_path):
    collection = held(lab, "Held for all", tmp_path, first=200)
    noor = person("noor")
    noor.to(f"/collections/{collection}")
    expect(noor.page.get_by_text("No images yet")).to_be_visible()

    page = person("mia").to(f"/review?collection={collection}")
    page.get_by_role("link", name=re.compile("^medical record number")).click()
    page.get_by_text("Release all 4 with “medical record number”").click()
    page.get_by_label("Give each a neutral name").check()
    seen(page, "review-all")
    page.get_by_role("button", name="Release all 4").click()
    expect(page.get_by_text("Released 4 images under neutral names")).to_be_visible()

    noor.page.reload()
    expect(noor.page.locator(".pictures .card")).to_have_count(4)


def test_decisions_are_made_by_pointer_too_and_who_may_only_look_finds_no_review(lab, person, tmp_path):
    collection = held(lab, "Held for clicks", tmp_path, first=300, n=2)
    page = person("mia").to(f"/review?collection={collection}")
    page.get_by_role("button", name="Throw away t").click()
    page.get_by_role("button", name="Undo").click()
    assert left(page) == "2"
    page.get_by_role("link", name="The next one").click()
    expect(page.get_by_text("2 of 2", exact=True)).to_be_visible()
    noor = person("noor")
    noor.to("/review")
    expect(noor.page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    noor.forgive("404")
