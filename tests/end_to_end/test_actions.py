"""What is done to a whole upload, to a tab of a collection and to the trash: each asked for, followed, taken back."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from playwright.sync_api import Locator, Page, expect  # noqa: E402

from tests.end_to_end.lab import field, packed, seen  # noqa: E402


def images(first: int, n: int = 3) -> dict[str, bytes]:
    return {f"field-{number}.png": packed(field(number)) for number in range(first, first + n)}


def act(page: Page, name: str, sure: str) -> None:
    """Presses the action's button and, in the sheet that opens, the one that does it."""
    page.locator("#receipt-actions").get_by_role("button", name=name, exact=True).first.click()
    page.locator(".sheet:popover-open").get_by_role("button", name=sure).click()


def job(page: Page, label: str) -> Locator:
    """The newest piece of long work of this kind."""
    return page.locator(".job", has=page.get_by_text(label, exact=True)).first


def done(page: Page, label: str) -> Locator:
    """The same, once it has ended; the page renews itself meanwhile."""
    ended = job(page, label)
    expect(ended.locator(".tag")).to_have_text(re.compile("done", re.IGNORECASE))
    return ended


def test_an_upload_is_embedded_again_moved_and_moved_back(lab, person, tmp_path):
    here, there = lab.collection("Here"), lab.collection("There")
    upload = lab.put(here, images(700), tmp_path)
    mia = person("mia")
    page = mia.to(f"/uploads/{upload}")
    expect(page.get_by_text("3 in = 3 searchable")).to_be_visible()
    seen(page, "receipt")
    act(page, "Embed again", "Embed again")
    expect(done(page, "Embed again")).to_contain_text("3")

    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_label("Collection")).to_be_focused()
    seen(page, "receipt-move")
    page.get_by_label("Collection").select_option(label="There (seen by the team)")
    page.locator("#move-upload").get_by_role("button", name="Move").click()
    done(page, "Move to another collection")
    seen(page, "receipt-moved")
    mia.to(f"/collections/{there}")
    expect(page.locator(".pictures .card")).to_have_count(3)
    mia.to(f"/uploads/{upload}")
    page.get_by_role("button", name="Move back").click()
    expect(page.get_by_role("button", name="Move back")).to_be_hidden()
    mia.to(f"/collections/{here}/jobs")
    expect(done(page, "Move back")).to_contain_text("Move there again")
    seen(page, "jobs")
    mia.to(f"/collections/{here}")
    expect(page.locator(".pictures .card")).to_have_count(3)


def test_what_failed_is_tried_again_and_told_in_a_table(lab, person, tmp_path):
    collection = lab.collection("Broken")
    cut = packed(field(720))[:-400]
    upload = lab.put(collection, images(721, 2) | {"cut.png": cut}, tmp_path)
    page = person("mia").to(f"/uploads/{upload}")
    expect(page.get_by_text("3 in = 2 searchable + 1 failed")).to_be_visible()
    seen(page, "receipt-failed")
    with page.expect_download() as download:
        page.get_by_role("link", name="failures.csv").click()
    assert download.value.suggested_filename.startswith("failures-")
    page.get_by_role("button", name="Try the failed ones again").click()
    done(page, "Try failed images again")
    expect(page.get_by_text("3 in = 2 searchable + 1 failed")).to_be_visible()
    page.get_by_role("link", name="failed", exact=True).click()
    expect(page.locator("#receipt-lines tbody tr")).to_have_count(1)


def test_an_upload_that_waits_for_files_is_cancelled_and_keeps_what_has_come(lab, person):
    collection = lab.collection("Waiting")
    upload = lab.announce(collection, images(740, 5))["id"]
    page = person("mia").to(f"/uploads/{upload}")
    expect(page.get_by_text("5 in = 0 searchable + 5 not received yet")).to_be_visible()
    seen(page, "receipt-waiting")
    act(page, "Cancel this upload", "Cancel the upload")
    expect(page.get_by_text("Cancelled: 5 files will not come in. What has come in stays.")).to_be_visible()
    expect(page.get_by_text("5 in = 0 searchable + 5 cancelled")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel this upload")).to_be_hidden()


def test_an_upload_is_thrown_away_and_brought_back_from_its_page(lab, person, tmp_path):
    collection = lab.collection("Thrown")
    upload = lab.put(collection, images(760), tmp_path)
    mia, noor = person("mia"), person("noor")
    page = mia.to(f"/uploads/{upload}")
    page.locator("#receipt-actions").get_by_role("button", name="Throw away", exact=True).click()
    expect(page.get_by_role("button", name="Keep them")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".sheet:popover-open")).to_have_count(0)
    act(page, "Throw away", "Throw away 3")
    done(page, "Throw away")
    expect(page.get_by_text("3 in = 0 searchable + 3 deleted")).to_be_visible()
    seen(page, "receipt-thrown")
    noor.to(f"/collections/{collection}")
    expect(noor.page.get_by_text("No images yet")).to_be_visible()
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_text("3 in = 3 searchable")).to_be_visible()
    noor.page.reload()
    expect(noor.page.locator(".pictures .card")).to_have_count(3)


def test_a_tab_is_thrown_away_and_the_trash_gives_one_back_and_deletes_the_rest_for_good(lab, person, tmp_path):
    collection = lab.collection("Trash")
    lab.put(collection, images(780), tmp_path)
    mia = person("mia")
    page = mia.to(f"/collections/{collection}")
    page.get_by_role("button", name="Act on all 3…").click()
    seen(page, "collection-act-on-all")
    page.get_by_role("button", name="Throw away 3").click()
    expect(done(page, "Throw away")).to_contain_text("3")
    page = mia.to(f"/collections/{collection}")
    page.get_by_role("button", name="More…").click()
    seen(page, "collection-more")
    page.get_by_role("link", name="Trash (3)").click()
    expect(page.locator(".pictures .card")).to_have_count(3)
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_text("Tick images first.")).to_be_visible()
    seen(page, "trash")
    page.locator(".trash-card").first.click()
    page.get_by_role("button", name="Bring back 1").click()
    expect(page.get_by_text("1 image is back.")).to_be_visible()

    page.get_by_label("All on this page").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Delete for good 2").click()
    expect(page.get_by_label("Type “delete” to confirm")).to_be_focused()
    seen(page, "trash-sure")
    page.keyboard.type("yes")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").last).to_contain_text("Type the word delete")
    mia.forgive("422")
    page.get_by_label("Type “delete” to confirm").fill("Delete")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 images deleted for good.")).to_be_visible()
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    seen(page, "trash-empty")
    mia.to(f"/collections/{collection}")
    expect(page.locator(".pictures .card")).to_have_count(1)


def test_long_work_of_others_is_not_ones_own(lab, person):
    page = person("noor").to("/jobs")
    expect(page.get_by_role("heading", name="No long work yet")).to_be_visible()
    seen(page, "jobs-none")
