"""Flows over several pages in a real browser: by keys alone, with reduced motion, and with a part of a visitor's own picture."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from embedder.samples import draw_sample

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None:  # pragma: no cover
    pytest.skip("needs Playwright and Chromium", allow_module_level=True)

from playwright.sync_api import Page, expect  # noqa: E402

from tests.end_to_end.visiting import Visit, visit  # noqa: E402

MOVING = """() => [...document.querySelectorAll("*")].filter((part) => ["", "::before", "::after"].some((which) => {
    const style = getComputedStyle(part, which || undefined);
    return style.animationName !== "none" || style.transitionDuration.split(", ").some((time) => time !== "0s");
})).map((part) => part.outerHTML.slice(0, 80))"""


@pytest.fixture
def visitor(demo) -> Iterator[Visit]:
    with visit(demo.url) as visited:
        yield visited


def focused_image(page: Page) -> str | None:
    """Id of the image whose card has the focus."""
    told: str | None = page.evaluate("document.activeElement.closest('.hit')?.dataset.image ?? null")
    return told


def test_the_keyboard_alone_likes_dislikes_opens_returns_and_tags(visitor):
    page, keys = visitor.page, visitor.page.keyboard
    keys.press("Escape")  # out of the bar, which has the focus on the first page
    keys.press("/")
    keys.type("tissue")
    keys.press("Enter")
    page.wait_for_url("**/?q=tissue")
    keys.press("ArrowRight")
    liked = focused_image(page)
    keys.press("l")
    page.wait_for_url(f"**like={liked}")
    expect(page.locator(".asked-step", has_text="Liked")).to_be_visible()
    assert focused_image(page) == liked
    keys.press("ArrowRight")
    disliked = focused_image(page)
    assert disliked != liked
    keys.press("d")
    page.wait_for_url(f"**dislike={disliked}")
    expect(page.locator(".asked-step", has_text="Disliked")).to_be_visible()
    asked = page.url
    keys.press("ArrowRight")
    opened = focused_image(page)
    keys.press("Enter")
    page.wait_for_url(f"**/images/{opened}*")
    page.go_back()  # Alt and the left arrow belong to the browser's window, which there is none of here
    page.wait_for_url(asked)
    expect(page.locator(f'.hit[data-image="{opened}"] a.cover')).to_be_focused()
    keys.press("x")
    expect(page.locator("#tray").get_by_role("status")).to_have_text("1 selected")
    keys.press("t")
    expect(page.locator("#tray").get_by_role("button", name="Tag", exact=True)).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_label("Tags, parted by semicolons")).to_be_focused()
    keys.type("by keys")
    keys.press("Tab")
    expect(page.get_by_role("button", name="Add", exact=True)).to_be_focused()
    keys.press("Enter")
    expect(page.locator(".message.success")).to_contain_text("Tagged 1 image.")
    assert page.url == asked


def test_nothing_moves_by_itself_where_motion_is_not_wanted(demo):
    with visit(demo.url, reduced_motion="reduce") as visited:
        page = visited.to("/?q=tissue")
        page.locator(".hit .pick").first.check()
        page.get_by_text("Build a query").click()
        assert page.evaluate(MOVING) == []
        page.get_by_role("link", name="Save this search").click()
        expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
        assert page.evaluate(MOVING) == []
        page.keyboard.press("Escape")
        page.locator(".hit a.cover").first.click()
        expect(page.get_by_role("heading", name="What the model sees")).to_be_visible()
        assert page.evaluate(MOVING) == []
        visited.to("/collections")
        assert page.evaluate(MOVING) == []


def test_a_part_of_a_visitors_own_picture_is_framed_joined_with_words_and_given_up(visitor, tmp_path: Path):
    file = tmp_path / "fat.png"
    draw_sample("adipose", seed=9, side_px=160).image.save(file)
    page = visitor.page
    page.locator("input[name=picture]").set_input_files(file)
    page.wait_for_url("**/?picture=*")
    picture = page.url.partition("picture=")[2]
    page.get_by_text("Search with a part of it").click()
    page.get_by_label("Right", exact=True).fill("60")
    page.get_by_role("button", name="Search with this part").click()
    page.wait_for_url(f"**/?picture={picture}&crop=0,0,600,1000")
    expect(page.get_by_role("heading", name="Images like a part of your picture")).to_be_visible()
    page.get_by_label("Search the archive").fill("fat")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "q=fat" in url and f"picture={picture}&crop=0%2C0%2C600%2C1000" in url)
    expect(page.locator(".hit").first).to_be_visible()
    page.get_by_role("link", name="Use the whole picture").click()
    expect(page.get_by_role("heading", name="Images like your picture")).to_be_visible()
    expect(page.locator(".asked-step")).to_have_count(2)


def test_a_search_of_words_alone_is_said_once(visitor):
    """Its one step would only repeat the bar."""
    page = visitor.to("/?q=tissue")
    expect(page.locator(".hit").first).to_be_visible()
    expect(page.locator(".asked-step")).to_have_count(0)
    visitor.to("/?q=tissue&plus=fat")
    expect(page.locator(".asked-step")).to_have_count(2)


def test_dialogs_look_alike(visitor):
    page = visitor.to("/?q=tissue")
    look = (
        "dialog => (({borderRadius, paddingLeft, boxShadow}) => [borderRadius, paddingLeft, boxShadow])(getComputedStyle(dialog))"
    )
    looks = page.locator("dialog").evaluate_all(f"all => all.map({look})")
    assert len(looks) == 3
    assert looks[0] == looks[1] == looks[2]


def test_every_button_of_a_dialog_can_be_read(visitor):
    """A dialog lies within the row of tools, whose buttons are paler."""
    page = visitor.to("/?q=tissue")
    page.get_by_role("link", name="Save this search").click()
    save = page.get_by_role("dialog").get_by_role("button", name="Save")
    bar = page.locator(".search-bar .button.primary")
    assert save.evaluate("it => getComputedStyle(it).color") == bar.evaluate("it => getComputedStyle(it).color")
