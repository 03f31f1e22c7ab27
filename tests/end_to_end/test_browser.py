"""The main job in a real browser: sign in, upload, see every file's state, search by words and by picture, describe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from embedder.samples import draw_sample

MISSING = "needs Playwright and Chromium (apt-get install chromium, or CHROMIUM=path)"
pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None:  # pragma: no cover
    pytest.skip(MISSING, allow_module_level=True)

from playwright.sync_api import Page, expect  # noqa: E402

from tests.end_to_end.visiting import visit  # noqa: E402


@pytest.fixture
def page(demo) -> Iterator[Page]:
    """A visitor of the demo."""
    with visit(demo.url) as visited:
        yield visited.page


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two pictures, a captions file and a broken picture."""
    folder = tmp_path_factory.mktemp("files")
    for seed in (1, 2):
        draw_sample("adipose", seed=seed, side_px=128).image.save(folder / f"fat-{seed}.png")
    (folder / "broken.jpg").write_bytes(b"no picture at all")
    (folder / "captions.csv").write_text("file,caption\nfat-1.png,Fat cells under the skin\n")
    return sorted(folder.iterdir())


def test_files_go_up_with_live_states_and_are_found(page, files):
    page.get_by_role("link", name="Collections", exact=True).click()
    page.get_by_role("link", name="Drawn sample archive").click()
    page.get_by_role("link", name="Upload", exact=True).click()
    page.locator("[data-pick-files]").set_input_files(files)
    expect(page.get_by_text("3 files,")).to_be_visible()
    page.get_by_label("Stain").fill("H&E")
    page.get_by_role("button", name=re.compile("^Check")).click()
    page.get_by_role("button", name="Send 3 files").click()
    page.wait_for_url(re.compile(r"/uploads/[0-9a-f-]{36}$"))
    expect(page.locator("#receipt")).to_contain_text("Done: nothing of this upload waits for the archive any more.")
    expect(page.locator(".receipt-counts .ready dd")).to_have_text("2")
    expect(page.locator("tr", has_text="broken.jpg")).to_contain_text("failed")
    page.get_by_role("link", name="fat-1.png").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Fat cells under the skin")
    page.get_by_role("link", name="More like this").click()
    expect(page.locator(".hit").first).to_be_visible()


def test_words_find_images_and_filters_narrow_them(page):
    page.get_by_label("Search the archive").fill("pink fibres")
    page.keyboard.press("Enter")
    expect(page.locator(".hit").first).to_be_visible()
    page.locator(".filters").get_by_role("link", name="bone").click()
    organ = page.locator(".asked-step", has_text="Organ")
    expect(organ).to_contain_text("bone")
    organ.get_by_role("link").click()
    expect(organ).to_have_count(0)


def test_a_chosen_picture_is_asked_with_at_once_and_described(page, files):
    page.locator("input[name=picture]").set_input_files(next(file for file in files if file.name == "fat-2.png"))
    page.wait_for_url("**/?picture=*")
    expect(page.locator(".hit").first).to_be_visible()
    page.get_by_role("link", name="Describe it").click()
    expect(page.locator(".text-hit").first).to_be_visible()


def test_a_question_is_refined_by_chips_with_the_keyboard(page):
    page.get_by_label("Search the archive").fill("pink fibres without nuclei")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Push it away instead").click()
    page.wait_for_url("**/?q=pink+fibres&minus=nuclei")
    page.get_by_label("Take away Less: nuclei").focus()
    page.keyboard.press("-")
    page.wait_for_url("**minus=nuclei~0.75")
    page.get_by_label("Refine by a concept").fill("fat")
    page.get_by_role("button", name="More of it").click()
    page.wait_for_url("**&plus=fat")
    page.get_by_role("link", name="Undo last step").click()
    expect(page.locator(".asked-step")).to_have_count(2)
    page.go_back()
    expect(page.locator(".asked-step")).to_have_count(3)


def test_terms_are_suggested_and_built_into_prompts(page):
    page.goto(page.url.split("?")[0] + "?q=tissue")
    page.get_by_text("Build a query").click()
    page.get_by_label("Organ", exact=True).fill("kidn")
    expect(page.locator("#terms-organ option[value=kidney]")).to_be_attached()
    page.get_by_label("Organ", exact=True).fill("kidney")
    page.get_by_role("button", name="Search with these").click()
    page.wait_for_url("**organ_is=kidney")
    page.get_by_text("prompts averaged").click()
    expect(page.get_by_text("a histology image of kidney.")).to_be_visible()


def test_a_part_of_an_image_is_framed_by_pointer_and_keyboard(page):
    page.goto(page.url.split("?")[0] + "?q=pink+fibres")
    page.get_by_role("link", name="More like this").first.click()
    page.wait_for_url("**/?image=*")
    box = page.locator("[data-seen]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.up()
    expect(page.get_by_label("Right", exact=True)).not_to_have_value("100")
    page.locator("[data-seen]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**crop=*")
    expect(page.get_by_role("heading", name="Images like this part")).to_be_visible()
    expect(page.locator(".hit").first).to_be_visible()


def test_refining_and_framing_work_without_script(page):
    site = page.url.split("?")[0]
    page.goto(f"{site}?q=pink+fibres")
    image = page.locator(".hit a.cover").first.get_attribute("href").split("/")[-1].split("?")[0]
    context = page.context.browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(site)  # signs the visitor in
    plain.goto(f"{site}?image={image}")
    plain.get_by_text("Search with a part of it").click()
    plain.get_by_label("Right", exact=True).fill("50")
    plain.get_by_role("button", name="Search with this part").click()
    assert plain.url.endswith(f"?image={image}&crop=0,0,500,1000")
    plain.get_by_label("Refine by a concept").fill("fat")
    plain.get_by_role("button", name="Less of it").click()
    assert plain.url.endswith("&minus=fat")
    context.close()


def test_pages_fit_a_phone(page):
    page.set_viewport_size({"width": 360, "height": 740})
    for address in ("/", "/?q=pink", "/collections", "/describe"):
        page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
