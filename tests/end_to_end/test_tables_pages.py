"""Fields of a collection, and a table over its images: columns chosen, looked at, imported, corrected, taken back."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from playwright.sync_api import Page, expect  # noqa: E402

from tests.end_to_end.lab import field, packed, seen  # noqa: E402

ROWS = ["file,colour,thickness,caption", "a.png,h&e,3000 nm,Glands", "b.png,HE,4,Mucin", "c.png,PAS,5,", "gone.png,PAS,5,"]


@pytest.fixture
def collection(lab, tmp_path) -> str:
    made = lab.collection(f"Tables {tmp_path.name}")
    lab.put(made, {f"{name}.png": packed(field(number)) for number, name in enumerate("abc", start=500)}, tmp_path)
    return str(made)


def message(page: Page) -> str:
    return page.locator(".messages").inner_text()


def send(page: Page, table: Path) -> None:
    page.get_by_label("Choose a CSV or XLSX file").set_input_files(table)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What the columns mean")


def count(page: Page, words: str) -> str:
    return page.locator(".plan-counts div", has_text=words).locator("dd").inner_text()


def define_stain_and_thickness(page: Page) -> None:
    page.get_by_role("link", name="Add a field").click()
    page.get_by_label("Name").fill("stain")
    page.get_by_label("One of a list").check()
    page.get_by_label("Words of the list").fill("H&E\nPAS")
    seen(page, "field-new")
    page.get_by_role("button", name="Add", exact=True).click()
    assert "“stain” is added." in message(page)
    page.get_by_role("link", name="Add a field").click()
    page.get_by_label("Name").fill("thickness")
    page.get_by_label("A number").check()
    expect(page.get_by_label("Words of the list")).to_be_hidden()
    page.get_by_label("Unit").fill("um")
    page.get_by_role("button", name="Add", exact=True).click()


def test_fields_are_defined_a_table_is_mapped_imported_corrected_and_taken_back(person, collection, tmp_path):
    mia = person("mia")
    page = mia.to(f"/collections/{collection}")
    page.get_by_role("button", name="More…").click()
    page.get_by_role("link", name="Fields").click()
    expect(page.get_by_role("heading", name="Nothing is defined")).to_be_visible()
    seen(page, "fields-none")
    define_stain_and_thickness(page)
    expect(page.get_by_role("row").filter(has_text="thickness")).to_contain_text("in µm")
    seen(page, "fields")

    page = mia.to(f"/collections/{collection}/table")
    expect(page.get_by_text("This collection checks stain, thickness.")).to_be_visible()
    seen(page, "table-send")
    table = tmp_path / "what-is-known.csv"
    table.write_text("\n".join(ROWS), encoding="utf-8")
    send(page, table)
    page.get_by_label("colour").select_option(label="Stain")
    page.get_by_role("button", name=re.compile("^Import: ")).click()  # what was not looked at is not imported
    expect(page.get_by_role("alert")).to_contain_text("look at what would happen now")
    assert [count(page, words) for words in ("would change", "cannot be taken")] == ["2", "2"]
    expect(page.get_by_role("row").filter(has_text="a.png").last).to_contain_text("H&E")
    expect(page.get_by_role("cell", name=re.compile("stain has no «HE» in its list"))).to_be_visible()
    seen(page, "table-looked-at")
    page.get_by_role("button", name="Import: change 2 images").click()
    expect(page.get_by_text("To the collection")).to_be_visible()
    seen(page, "table-imported")

    with page.expect_download() as download:
        page.get_by_role("link", name="errors.csv").click()
    errors = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert "what is wrong" in errors.splitlines()[0]
    corrected = tmp_path / "errors.csv"
    corrected.write_text(errors.replace('"HE"', '"H&E"'), encoding="utf-8")
    page.get_by_role("link", name="Send the corrected rows").click()
    send(page, corrected)
    assert count(page, "would change") == "1"
    page.get_by_role("button", name="Import: change 1 image").click()
    expect(page.get_by_text("Take this import back")).to_be_visible()
    page.get_by_text("Take this import back").click()
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Taking back a table")
    expect(page.locator("#table-job .message")).to_be_visible()
    seen(page, "table-taken-back")
    page.get_by_role("link", name="To the collection").click()
    page.locator(".card a.cover", has=page.get_by_text("Glands")).first.click()
    expect(page.locator("#fact-stain")).to_contain_text("H&E")
    expect(page.locator(".value", has_text="3 µm")).to_be_visible()


def test_a_table_that_is_none_is_refused_and_one_that_is_forgotten_changes_nothing(person, collection, tmp_path):
    mia = person("mia")
    page = mia.to(f"/collections/{collection}/table")
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 no workbook")
    page.get_by_label("Choose a CSV or XLSX file").set_input_files(broken)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".errorlist")).to_contain_text("The workbook is damaged")
    seen(page, "table-refused")
    mia.forgive("422")
    nameless = tmp_path / "nameless.csv"
    nameless.write_text("stain,organ\nPAS,colon\n", encoding="utf-8")
    send(page, nameless)
    expect(page.get_by_text("Choose the column that names the images")).to_be_visible()
    seen(page, "table-nameless")
    page.get_by_role("button", name="Forget this table").click()
    assert "nothing was changed" in message(page)


def test_a_definition_is_deleted_and_what_images_say_stays(person, collection):
    mia = person("mia")
    page = mia.to(f"/collections/{collection}/fields/new")
    page.get_by_label("Name").fill("block")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("Delete block").click()
    page.get_by_role("button", name="Delete the definition").click()
    assert "What images say in it stays." in message(page)
    expect(page.get_by_role("heading", name="Nothing is defined")).to_be_visible()
