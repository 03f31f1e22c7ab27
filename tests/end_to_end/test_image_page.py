"""An image's page in a real browser: zoomed, edited in place, accepted, taken back; by keyboard, without script, on a phone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from embedder.samples import draw_sample
from tests.end_to_end.site import ROOT

MISSING = "needs Playwright and Chromium (apt-get install chromium, or CHROMIUM=path)"
NO_VIEWER = "needs node_modules (npm ci --ignore-scripts)"
pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None:  # pragma: no cover
    pytest.skip(MISSING, allow_module_level=True)

from playwright.sync_api import Browser, Page, expect  # noqa: E402

from tests.end_to_end.browser import chromium, opened  # noqa: E402
from tests.end_to_end.visiting import Visit, watch  # noqa: E402


@pytest.fixture
def browser(demo) -> Iterator[Browser]:
    if chromium() is None:
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    with opened() as started:
        yield started


def visit(browser: Browser, demo, problems: list[str], **options) -> Page:
    """A page of the demo's visitor, who is signed in by the first address."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
    visited = Visit(demo.url, context, context.new_page(), problems)
    watch(visited)
    return visited.to("/")


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """What must not happen: errors, refusals by the content security policy, requests to elsewhere."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def image(demo) -> str:
    """The address of an image with several regions or, in this archive of small ones, of any."""
    return f"{demo.url}/images/{demo.api('/images?size=1&state=ready')['images'][0]['image']}"


@pytest.fixture
def page(browser, demo, image, problems) -> Page:
    opened_page = visit(browser, demo, problems)
    opened_page.goto(image)
    return opened_page


@pytest.fixture
def viewer() -> None:
    if not (ROOT / "node_modules" / "openseadragon").exists():
        assert not os.environ.get("CI"), NO_VIEWER
        pytest.skip(NO_VIEWER)


@pytest.fixture
def large_image(page, tmp_path) -> str:
    """The address of an image that is searched by its parts too."""
    draw_sample("adipose", seed=7, side_px=1200).image.save(tmp_path / "large.jpg")
    page.get_by_role("link", name="Drawn sample archive").click()
    page.get_by_role("link", name="Upload", exact=True).click()
    page.wait_for_load_state()
    page.locator("[data-pick-files]").set_input_files(tmp_path / "large.jpg")
    expect(page.get_by_text("1 file,")).to_be_visible()
    page.get_by_label("µm per pixel").fill("0.25")
    page.get_by_role("button", name=re.compile("^Check")).click()
    page.get_by_role("button", name="Send 1 file").click()
    page.wait_for_url(re.compile(r"/uploads/[0-9a-f-]{36}$"))
    expect(page.locator("#receipt")).to_contain_text("Done:")
    page.get_by_role("link", name="large.jpg").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return str(page.url)


def set_field(page: Page, name: str, value: str) -> None:
    page.get_by_role("link", name=f"Change: {name}").click()
    page.get_by_role("textbox", name=name).or_(page.get_by_role("combobox", name=name)).fill(value)
    page.keyboard.press("Enter")


def bar(page: Page) -> str:
    """The scale once the viewer has come to rest: it moves smoothly, and the bar's words move along."""
    text = page.locator(".scale-text")
    told = [text.text_content() or ""]
    while len(told) < 40 and told[-4:] != 4 * told[-1:]:
        page.wait_for_timeout(250)
        told.append(text.text_content() or "")
    return told[-1]


def test_the_image_is_zoomed_with_buttons_and_keys_and_its_scale_told(page, viewer):
    expect(page.locator(".zoomable")).to_be_visible()
    set_field(page, "Resolution", "0.5")
    expect(page.locator("#fact-mpp")).to_contain_text("0.5 µm per pixel")
    expect(page.locator(".scale-bar")).to_be_visible()
    page.get_by_role("button", name="Whole image").click()
    whole = bar(page)
    for _ in range(6):
        page.get_by_role("button", name="Zoom in").click()
    expect(page.locator(".scale-text")).not_to_have_text(whole)
    page.locator(".openseadragon-canvas").focus()
    page.keyboard.press("0")
    expect(page.locator(".scale-text")).to_have_text(whole)


def test_the_part_that_matched_is_outlined_and_the_others_on_demand(page, viewer, large_image):
    parts = page.locator(".region")
    expect(page.locator(".zoomable")).to_be_visible()
    expect(parts.locator("visible=true")).to_have_count(0)
    region = (parts.last.get_attribute("href") or "").partition("region=")[2]
    page.goto(f"{large_image}?region={region}")
    expect(page.locator(".region.matched")).to_be_visible()
    expect(page.locator(".scale-bar")).to_be_visible()
    whole = bar(page)
    page.locator(".openseadragon-canvas").focus()
    page.keyboard.press("m")
    expect(page.locator(".scale-text")).not_to_have_text(whole)
    page.keyboard.press("0")
    page.keyboard.press("p")
    expect(page.get_by_role("button", name=re.compile(r"^\d+ parts"))).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".region").first).to_be_visible()
    page.locator(".region:not(.matched)").last.click()
    page.wait_for_url("**/?region=*")


def test_without_the_viewers_script_the_plain_picture_stays(browser, demo, image, problems):
    first = visit(browser, demo, problems)
    state = first.context.storage_state()
    page = visit(browser, demo, problems, java_script_enabled=False, storage_state=state)
    page.goto(image)
    expect(page.locator(".picture-link img")).to_be_visible()
    page.get_by_role("link", name="Change: Slide").click()
    page.get_by_role("textbox", name="Slide").fill("S-without-script")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#fact-slide")).to_contain_text("S-without-script")
    page.locator("#history").get_by_role("button", name="Undo").click()
    expect(page.locator("#fact-slide")).not_to_contain_text("S-without-script")
    page.get_by_role("link", name="Show the nearest images").click()
    expect(page.locator(".strip li").first).to_be_visible()


def test_a_field_is_changed_by_keyboard_alone_and_undone(page):
    page.get_by_role("link", name="Change: Finding").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Finding")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("steatosis, by keyboard")
    page.keyboard.press("Enter")
    expect(page.locator("#fact-finding .value")).to_have_text("steatosis, by keyboard")
    expect(page.get_by_role("link", name="Change: Finding")).to_be_focused()
    expect(page.locator("#history ins").first).to_have_text("steatosis, by keyboard")
    page.locator("#history").get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#fact-finding")).not_to_contain_text("by keyboard")


def test_escape_gives_up(page):
    before = page.locator("#fact-case").inner_text()
    page.get_by_role("link", name="Change: Case").click()
    page.get_by_role("textbox", name="Case").fill("never kept")
    page.keyboard.press("Escape")
    expect(page.locator("#fact-case form")).to_have_count(0)
    assert page.locator("#fact-case").inner_text() == before


def test_a_refused_value_says_why_beside_its_field(page, problems):
    set_field(page, "Resolution", "wide")
    expect(page.locator("#fact-mpp [role=alert]")).to_contain_text("a number of micrometres per pixel")
    expect(page.get_by_role("textbox", name="Resolution")).to_have_value("wide")
    problems[:] = [text for text in problems if "status of 422" not in text]  # the browser itself logs the status


def test_two_who_edit_at_once_are_told(browser, demo, image, page, problems):
    other = visit(browser, demo, problems)
    other.goto(image)
    page.get_by_role("link", name="Change: Slide").click()
    expect(page.get_by_role("textbox", name="Slide")).to_be_focused()
    set_field(other, "Slide", "S-theirs")
    expect(other.locator("#fact-slide .value")).to_have_text("S-theirs")
    page.get_by_role("textbox", name="Slide").fill("S-mine")
    page.keyboard.press("Enter")
    expect(page.locator("#fact-slide [role=alert]")).to_contain_text("it says now «S-theirs»")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#fact-slide .value")).to_have_text("S-mine")
    problems[:] = [text for text in problems if "status of 409" not in text]


def test_captions_are_added_changed_and_removed_in_place(page):
    page.get_by_role("link", name="Add a caption").click()
    page.get_by_role("textbox", name="Add a caption").fill("Written on its page")
    page.get_by_role("button", name="Save").click()
    entry = page.locator(".captions li", has_text="Written on its page")
    expect(entry).to_be_visible()
    entry.get_by_role("link").click()
    page.get_by_role("textbox", name="Change the caption").fill("Changed on its page")
    page.get_by_role("button", name="Save").click()
    entry = page.locator(".captions li", has_text="Changed on its page")
    entry.get_by_role("link").click()
    page.get_by_role("button", name="Remove").click()
    expect(entry).to_have_count(0)
    expect(page.locator("#history li").first).to_contain_text("Changed on its page")


def test_a_suggestion_is_accepted_with_one_click_and_taken_back(page):
    expect(page.locator(".seen")).to_contain_text("suggestion, not a diagnosis")
    organ = page.locator(".kind", has=page.get_by_role("heading", name="Organ"))
    term = organ.locator(".term").nth(1).inner_text()
    organ.locator("li").nth(1).get_by_role("button").click()
    expect(page.locator("#fact-organ")).to_contain_text(term)
    expect(page.locator("#fact-organ .reviewed")).to_contain_text("reviewed by demo")
    page.get_by_role("button", name=f"Take back: {term}").click()
    expect(page.locator("#fact-organ .reviewed")).to_have_count(0)
    expect(page.locator("#history li").first).to_contain_text("took back")


def test_neighbours_lead_on_and_back_leads_here(page, image):
    page.locator(".strip a").first.click()
    page.wait_for_url(lambda url: url != image and "/images/" in url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.go_back()
    page.wait_for_url(image)


def test_the_link_is_copied(page, image):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == image


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 2560])
def test_it_fits_every_screen(browser, demo, image, problems, width, theme):
    page = visit(browser, demo, problems, viewport={"width": width, "height": 740}, color_scheme=theme)
    page.goto(image)
    expect(page.locator(".strip li").first).to_be_visible()
    page.get_by_role("link", name="Change: Organ").click()
    expect(page.get_by_role("combobox", name="Organ")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, demo, image, problems, theme):
    axe = ROOT / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.exists():
        assert not os.environ.get("CI"), NO_VIEWER
        pytest.skip(NO_VIEWER)
    page = visit(browser, demo, problems, color_scheme=theme, bypass_csp=True, reduced_motion="reduce")
    page.goto(image)
    expect(page.locator(".strip li").first).to_be_visible()
    expect(page.locator(".kind").first).to_be_visible()
    page.get_by_role("link", name="Change: Organ").click()
    expect(page.get_by_role("combobox", name="Organ")).to_be_focused()
    page.add_script_tag(path=str(axe))
    found = page.evaluate("axe.run().then((answer) => answer.violations)")
    serious = [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")]
    assert serious == []
