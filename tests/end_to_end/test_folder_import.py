"""Files of the site's own machine, looked through and taken in, from the upload page and from the admin."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from playwright.sync_api import Page, expect  # noqa: E402

from tests.end_to_end.lab import field, packed, seen  # noqa: E402

FOLD = "Files that lie on the site’s own machine already"


@pytest.fixture
def scans(lab, tmp_path) -> str:
    """A folder of the site's machine with three images, words and a report; its path below the one that may be imported."""
    folder = lab.drop / tmp_path.name / "march"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"scan-{number}.png").write_bytes(packed(field(600 + number)))
    (folder / "scan-0.txt").write_text("Mucin beside a gland", encoding="utf-8")
    (folder / "report.pdf").write_bytes(b"%PDF-1.7")
    return f"{tmp_path.name}/march"


def look_around(page: Page, path: str) -> None:
    """From the allowed folder down to ``path``, by its buttons."""
    page.get_by_text(FOLD).click()
    for step in path.split("/"):
        page.get_by_role("button", name=f"{step}/", exact=True).click()
        expect(page.locator("[data-folder-way]")).to_contain_text(step)
    expect(page.get_by_label("Path below it")).to_have_value(path)


def test_a_folder_is_looked_through_checked_and_taken_in(lab, person, scans):
    collection = lab.collection(f"From {scans}")
    mia = person("mia")
    page = mia.to(f"/collections/{collection}/upload")
    look_around(page, scans)
    expect(page.locator("[data-folder-lines] li")).to_have_count(5)
    seen(page, "folder-panel")
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("heading", name="Nothing has been sent yet")).to_be_focused()
    expect(page.locator("[data-files] tbody tr")).to_have_count(5)
    expect(page.locator("[data-files] tbody tr", has_text="report.pdf")).to_contain_text("are not read")
    seen(page, "folder-check")
    page.get_by_role("button", name="Take in 4 files").click()
    page.wait_for_url(re.compile(r"/uploads/[0-9a-f-]{36}$"))
    assert lab.site.wait_for(page.url.rpartition("/")[2]) == {"ready": 3, "attached": 1, "failed": 1}
    expect(page.get_by_text("Done: nothing of this upload waits")).to_be_visible()
    expect(page.locator("#receipt-parents")).to_contain_text("5 files lay in it")
    expect(page.get_by_role("button", name="Try the failed ones again")).to_be_hidden()  # nothing of it can be
    seen(page, "folder-receipt")

    page = mia.to(f"/collections/{collection}/upload")
    look_around(page, scans)
    page.get_by_role("button", name="scan-1.png").click()
    expect(page.get_by_label("Path below it")).to_be_focused()
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_text("A file of this name and size is there already")).to_be_visible()


def test_a_path_that_leads_nowhere_is_refused_in_a_sentence_and_the_way_leads_back(lab, person, scans):
    mia = person("mia")
    page = mia.to(f"/collections/{lab.collection(f'Nowhere {scans}')}/upload")
    look_around(page, scans)
    page.get_by_label("Path below it").fill("../../etc")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("There is no such folder or file")
    mia.forgive("422")
    page.get_by_role("button", name="drop", exact=True).click()
    expect(page.get_by_label("Path below it")).to_have_value("")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_staff_take_a_folder_in_from_the_admin(lab, person, scans):
    name = f"Admin {scans}"
    lab.collection(name)
    ada = person("ada")
    page = ada.to("/admin/library/upload/add/")
    page.get_by_label("Collection").select_option(label=name)
    page.wait_for_url("**/add/?collection=*")
    look_around(page, scans)
    seen(page, "folder-panel-admin")
    page.get_by_role("button", name="Check it").click()
    page.get_by_role("button", name="Take in 4 files").click()
    page.wait_for_url(re.compile(r"/uploads/[0-9a-f-]{36}$"))
    assert lab.site.wait_for(page.url.rpartition("/")[2]) == {"ready": 3, "attached": 1, "failed": 1}
