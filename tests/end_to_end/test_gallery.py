"""The bar and the gallery in a real browser: three ways in, rows, keys, density, scrolling, waiting, weight."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from embedder.samples import draw_sample

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None:  # pragma: no cover
    pytest.skip("needs Playwright and Chromium", allow_module_level=True)

from playwright.sync_api import Page, Route, expect  # noqa: E402

from tests.end_to_end.visiting import Visit, visit  # noqa: E402

EVERYTHING = "/?q=tissue&every_image=1"
HITS_A_PAGE = 60
WEIGHT = 250_000  # bytes without pictures
SHIFT = 0.02


@pytest.fixture
def visitor(demo) -> Iterator[Visit]:
    with visit(demo.url) as visited:
        yield visited


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("drawn") / "fat.png"
    draw_sample("adipose", seed=5, side_px=128).image.save(file)
    return file


# --- three ways in ------------------------------------------------------------------------------------------------------

HANDED = """([kind, packed]) => {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], "fat.png", { type: "image/png" }));
    const event = kind === "paste"
        ? new ClipboardEvent("paste", { clipboardData: carried, bubbles: true })
        : new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
    document.body.dispatchEvent(event);
}"""


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_that_is_pasted_or_dropped_is_asked_with(visitor, drawn, kind):
    visitor.page.evaluate(HANDED, [kind, base64.b64encode(drawn.read_bytes()).decode()])
    visitor.page.wait_for_url("**/?picture=*")
    expect(visitor.page.locator(".search-bar .asked-with img")).to_be_visible()
    expect(visitor.page.locator(".hit").first).to_be_visible()


def test_an_image_of_the_archive_is_picked_by_a_word(visitor):
    page = visitor.page
    page.get_by_role("link", name="Pick one from here").click()
    page.get_by_label("A word of its caption").fill("adipo")
    expect(page.locator("#pick-images .caption").first).to_contain_text("dipo")
    page.locator("#pick-images a.cover").first.click()
    page.wait_for_url("**/?image=*")
    expect(page.locator(".hit").first).to_be_visible()


def test_a_card_dropped_on_the_page_is_asked_with(visitor):
    page = visitor.to(EVERYTHING)
    card = page.locator(".hit a.cover").nth(1)
    number = (card.get_attribute("href") or "").split("/")[2].split("?")[0]
    card.drag_to(page.locator(".search-bar"))
    page.wait_for_url(f"**/?image={number}")


def test_the_bar_stays_at_the_top_of_the_results(visitor):
    page = visitor.to(EVERYTHING)
    page.mouse.wheel(0, 2_000)
    expect(page.locator(".hit").first).not_to_be_in_viewport()
    expect(page.get_by_label("Search the archive")).to_be_in_viewport()
    assert page.locator(".search-bar").bounding_box()["y"] < 40


# --- rows ---------------------------------------------------------------------------------------------------------------

ROWS = """() => {
    const rows = new Map();
    for (const picture of document.querySelectorAll("[data-gallery] .hit .picture")) {
        const box = picture.getBoundingClientRect();
        const row = Math.round(box.top);
        rows.set(row, [...(rows.get(row) ?? []), [box.left, box.right, box.height]]);
    }
    return [...rows.values()];
}"""


@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_rows_are_full_and_their_pictures_equally_high(visitor, width):
    visitor.page.set_viewport_size({"width": width, "height": 900})
    page = visitor.to(EVERYTHING)
    *full, _last = page.evaluate(ROWS)
    right = page.locator("[data-gallery]").bounding_box()
    for row in full:
        heights = [height for _, _, height in row]
        assert max(heights) - min(heights) < 1
        assert row[-1][1] == pytest.approx(right["x"] + right["width"], abs=1)
    assert len(full[0]) >= (2 if width == 360 else 4)


def test_a_wide_screen_is_used(visitor):
    visitor.page.set_viewport_size({"width": 2560, "height": 1300})
    page = visitor.to(EVERYTHING)
    box = page.locator("[data-gallery]").bounding_box()
    assert box["width"] > 2_000
    assert box["x"] + box["width"] > 2_480


@pytest.mark.parametrize("width", [360, 1280, 2560])
@pytest.mark.parametrize("address", ["/", EVERYTHING])
def test_nothing_moves_while_a_page_loads(visitor, width, address):
    visitor.page.set_viewport_size({"width": width, "height": 900})
    visitor.to(address).wait_for_load_state("networkidle")
    assert visitor.shift() < SHIFT
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_compact_gallery_shows_more_and_is_remembered(visitor):
    page = visitor.to(EVERYTHING)
    roomy = len(page.evaluate(ROWS)[0])
    page.get_by_label("Compact").check(force=True)
    assert len(page.evaluate(ROWS)[0]) > roomy
    page.reload()
    expect(page.get_by_label("Compact")).to_be_checked()
    assert len(page.evaluate(ROWS)[0]) > roomy
    assert visitor.shift() < SHIFT


# --- more -----------------------------------------------------------------------------------------------------------------


def test_more_images_come_when_one_scrolls_to_them(visitor):
    page = visitor.to(EVERYTHING)
    assert page.locator(".hit").count() == HITS_A_PAGE
    page.locator("#more").scroll_into_view_if_needed()
    expect(page.locator(".hit").nth(HITS_A_PAGE)).to_be_visible()
    images = page.locator(".hit").evaluate_all("all => all.map((hit) => hit.dataset.image)")
    assert len(images) == len(set(images))
    expect(page.locator(".more")).to_have_text("That was all.")


def test_more_that_could_not_be_fetched_can_be_asked_for_again(visitor):
    page = visitor.to(EVERYTHING)
    page.route("**/*cursor=*", lambda route: route.fulfill(status=503, body=""), times=1)
    page.locator("#more").scroll_into_view_if_needed()
    expect(page.locator("#went-wrong")).to_contain_text("Try again in some seconds")
    page.get_by_role("link", name="Try again").click()
    expect(page.locator(".hit").nth(HITS_A_PAGE)).to_be_visible()
    expect(page.locator("#went-wrong")).to_be_hidden()
    assert [problem for problem in visitor.problems if "503" not in problem] == []
    visitor.problems.clear()


def test_whoever_comes_back_finds_the_card_that_was_left(visitor):
    page = visitor.to(EVERYTHING)
    page.locator("#more").scroll_into_view_if_needed()
    expect(page.locator(".hit").nth(HITS_A_PAGE)).to_be_visible()
    last = page.locator(".hit").last
    left = last.get_attribute("data-image")
    last.locator("a.cover").click()
    page.wait_for_url("**/images/*")
    page.go_back()
    expect(page.locator(f'.hit[data-image="{left}"] a.cover')).to_be_focused()
    expect(page.locator(f'.hit[data-image="{left}"]')).to_be_in_viewport()


# --- keys -----------------------------------------------------------------------------------------------------------------


def focused(page: Page) -> int:
    """Which card has the focus, -1 for none."""
    return int(page.evaluate("[...document.querySelectorAll('.hit a.cover')].indexOf(document.activeElement)"))


def test_the_keyboard_alone_searches_moves_selects_and_opens(visitor):
    page = visitor.page
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("tissue")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=tissue*")
    expect(page.locator(".hit").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    assert focused(page) == 0
    columns = len(page.evaluate(ROWS)[0])
    for key, at in (
        ("ArrowRight", 1),
        ("ArrowDown", 1 + columns),
        ("ArrowLeft", columns),
        ("ArrowUp", 0),
        ("End", -1),
        ("Home", 0),
    ):
        page.keyboard.press(key)
        assert focused(page) == (at if at >= 0 else page.locator(".hit").count() - 1), key
    page.keyboard.press("x")
    expect(page.locator(".hit .pick").first).to_be_checked()
    page.keyboard.press("x")
    expect(page.locator(".hit .pick").first).not_to_be_checked()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Search the archive")).to_be_focused()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement === document.body")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/images/*")


def test_the_focused_card_is_outlined(visitor):
    page = visitor.to(EVERYTHING)
    page.keyboard.press("ArrowRight")
    assert page.locator(".hit").first.evaluate("hit => getComputedStyle(hit).outlineStyle") == "solid"


def test_a_question_mark_shows_the_keys_and_letters_can_be_turned_off(visitor):
    page = visitor.to(EVERYTHING)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.get_by_label("Keys that are letters or signs are on").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.reload()
    page.keyboard.press("ArrowRight")
    page.locator(".hit a.cover").first.focus()
    page.keyboard.press("x")
    expect(page.locator(".hit .pick").first).not_to_be_checked()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_letters_typed_into_the_bar_are_words(visitor):
    page = visitor.to(EVERYTHING)
    bar = page.get_by_label("Search the archive")
    bar.fill("")
    bar.press_sequentially("is it x/l?")
    expect(bar).to_have_value("is it x/l?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


# --- filters, waiting, no scripts -------------------------------------------------------------------------------------------


def test_filters_fold_on_a_phone(visitor):
    visitor.page.set_viewport_size({"width": 360, "height": 740})
    page = visitor.to(EVERYTHING)
    expect(page.locator("#filter-box")).to_be_hidden()
    page.get_by_role("button", name="Filters").click()
    expect(page.locator("#filter-box")).to_be_visible()
    expect(page.get_by_role("button", name="Filters")).to_have_attribute("aria-expanded", "true")


NOTED = """() => new MutationObserver(() => {
    const said = document.querySelector("[data-waiting]").textContent;
    sessionStorage.setItem("said", `${sessionStorage.getItem("said") ?? ""}${said}|`);
}).observe(document.querySelector("[data-waiting]"), { childList: true })"""


def test_a_slow_search_says_which_stage_it_is_at(visitor):
    """What is said is kept by the page itself: nothing can be asked of it while it is being left."""
    page = visitor.page
    held: list[Route] = []
    page.route("**/?q=slow", lambda route: held.append(route))
    page.route("**/search-stage", lambda route: route.fulfill(json={"stage": "encode"}), times=1)
    page.evaluate(NOTED)
    page.get_by_label("Search the archive").fill("slow")
    page.evaluate("document.querySelector('.search-bar').requestSubmit()")
    page.wait_for_timeout(5_000)
    held[0].continue_()
    expect(page.locator(".hit").first).to_be_visible()
    first, second, *_ = page.evaluate("sessionStorage.getItem('said')").split("|")
    assert first == "Still encoding the words…"
    assert second == "The site has not answered yet…"  # the real site, which never heard of this search


def test_waiting_stands_still_where_motion_is_not_wanted(demo):
    with visit(demo.url, reduced_motion="reduce") as visited:
        visited.page.evaluate("document.documentElement.classList.add('asking')")
        assert visited.page.locator(".search-bar").evaluate("bar => getComputedStyle(bar, '::after').animationName") == "none"
        assert visited.to(EVERYTHING).locator(".hit").first.evaluate("hit => getComputedStyle(hit).transitionDuration") == "0s"


def test_the_basics_work_without_scripts(demo):
    with visit(demo.url, java_script_enabled=False) as visited:
        page = visited.page
        page.get_by_label("Search the archive").fill("tissue")
        page.get_by_role("button", name="Search", exact=True).click()
        expect(page.locator(".hit").first).to_be_visible()
        expect(page.locator("#filter-box")).to_be_visible()
        page.get_by_role("link", name="Pick one from here").click()
        page.locator("a.cover").first.click()
        page.wait_for_url("**/?q=tissue&image=*")
        expect(page.locator(".hit").first).to_be_visible()
        visited.to(EVERYTHING).get_by_role("link", name="More images").click()
        expect(page.locator(".hit").first).to_be_visible()


# --- weight -----------------------------------------------------------------------------------------------------------------


def test_a_first_search_weighs_at_most_250_kilobytes_without_its_pictures(demo):
    """A browser that has never been here: everything that one page of results asks for."""
    with visit(demo.url) as visited:
        session = visited.context.new_cdp_session(visited.page)
        session.send("Network.enable")
        session.send("Network.clearBrowserCache")
        kinds: dict[str, str] = {}
        weights: dict[str, int] = {}
        session.on("Network.responseReceived", lambda told: kinds.update({told["requestId"]: told["response"]["mimeType"]}))
        session.on("Network.loadingFinished", lambda told: weights.update({told["requestId"]: told["encodedDataLength"]}))
        visited.to(EVERYTHING).wait_for_load_state("networkidle")
        assert visited.page.locator(".hit").count() == HITS_A_PAGE
    counted = {number: weight for number, weight in weights.items() if kinds.get(number) != "image/jpeg"}
    assert len(counted) > 8
    assert sum(counted.values()) <= WEIGHT
