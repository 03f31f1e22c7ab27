"""Pairs of images that may be the same, decided by keys and by pointer, and many at once."""

from __future__ import annotations

import time
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from playwright.sync_api import Page, expect  # noqa: E402

from tests.end_to_end.lab import field, packed, seen  # noqa: E402

NEAR_S = 60.0


def place(page: Page) -> str:
    return page.locator(".review-bar strong").inner_text()


def titles(page: Page) -> list[str]:
    told: list[str] = page.locator(".side-title a").all_inner_texts()
    return told


def tab(page: Page, name: str) -> str:
    """How many pairs it says."""
    return page.get_by_role("link", name=name).locator(".number").inner_text()


def test_pairs_are_decided_on_by_keys_alone(lab, person, tmp_path):
    old, new = lab.collection("Old scans"), lab.collection("New scans")
    same = {f"same-{number}.png": packed(field(number)) for number in range(400, 403)}
    lab.put(old, same, tmp_path)
    lab.put(new, {f"copy of {name}": content for name, content in same.items()}, tmp_path, caption="mucin", stain="PAS")
    lab.put(new, {"wide.png": packed(field(404, size_px=320))}, tmp_path)
    lab.put(new, {"small.jpg": packed(field(404, size_px=160), "JPEG", quality=90)}, tmp_path)

    mia = person("mia")
    page = mia.to(f"/collections/{new}")
    page.get_by_role("button", name="More…").click()
    page.get_by_role("link", name="Duplicates").click()
    expect(page.locator(".review-bar strong")).to_have_text("1 of 3")
    seen(page, "duplicates-same-file")

    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("keep both; the pair does not come back")
    page.keyboard.press("b")
    page.keyboard.press("Escape")
    assert place(page) == "1 of 3"

    first = titles(page)
    page.keyboard.press("s")
    expect(page.locator(".side-title a").first).to_have_text(first[1])
    page.keyboard.press("s")
    expect(page.locator(".side-title a").first).to_have_text(first[0])
    page.keyboard.press("ArrowRight")
    expect(page.locator(".review-bar strong")).to_have_text("2 of 3")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".review-bar strong")).to_have_text("1 of 3")

    page.keyboard.press("1")
    page.keyboard.press("1")  # before the next pair is there: it decides on nothing
    expect(page.locator(".message.success")).to_contain_text("lies in the trash. What only that one said was taken over.")
    expect(page.locator(".review-bar strong")).to_have_text("1 of 2")
    seen(page, "duplicates-decided")
    page.keyboard.press("u")
    expect(page.locator(".message.success")).to_contain_text("Taken back")
    expect(page.locator(".review-bar strong")).to_have_text("1 of 3")

    page.keyboard.press("b")
    expect(page.locator(".message.success")).to_contain_text("this pair does not come back")
    page.get_by_label("Take over what only the other one says").uncheck()
    page.keyboard.press("2")
    expect(page.locator(".message.success")).not_to_contain_text("taken over")
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="This list is done")).to_be_visible()
    seen(page, "duplicates-list-done")


def test_what_is_nearly_the_same_is_shown_at_one_scale_and_kept_by_pointer(lab, person, tmp_path):
    collection = lab.collection("Saved again")
    lab.put(collection, {"wide.png": packed(field(420, size_px=320))}, tmp_path)
    lab.put(collection, {"small.jpg": packed(field(420, size_px=160), "JPEG", quality=90)}, tmp_path)
    mia = person("mia")
    until = time.monotonic() + NEAR_S
    while tab(page := mia.to(f"/collections/{collection}/duplicates?list=near"), "Nearly the same") == "0":
        assert time.monotonic() < until
        page.wait_for_timeout(500)
    expect(page.get_by_text("cosine 1.0")).to_be_visible()
    seen(page, "duplicates-near")
    page.get_by_role("link", name="Fill the frames").click()
    expect(page.get_by_role("link", name="At one scale")).to_be_visible()
    page.get_by_role("button", name="Keep this one 1").click()
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".review-bar strong")).to_have_text("1 of 1")


def test_the_older_of_each_is_kept_after_a_question_and_what_went_is_brought_back(lab, person, tmp_path):
    first, second = lab.collection("Morning"), lab.collection("Evening")
    same = {f"pixels-{number}.png": packed(field(number)) for number in range(440, 446)}
    other_bytes = {name: packed(field(number), compress_level=1) for name, number in zip(same, range(440, 446), strict=True)}
    lab.put(first, same, tmp_path)
    lab.put(second, other_bytes, tmp_path)
    mia = person("mia")
    page = mia.to(f"/collections/{second}/duplicates?list=pixels")
    page.get_by_role("button", name="Keep the older of each of 6 pairs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Throw 6 images into the trash?")
    seen(page, "duplicates-sure")
    page.get_by_role("button", name="Keep the older, throw 6 away").click()
    expect(page.get_by_text("Nothing to review")).to_be_visible()
    expect(page.locator(".job")).to_contain_text("6")
    seen(page, "duplicates-all-kept")
    mia.to(f"/collections/{second}/trash")
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name="Bring back 6").click()
    expect(page.get_by_text("6 images are back.")).to_be_visible()
