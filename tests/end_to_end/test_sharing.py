"""A search that several people use: shared, opened, forked, revoked; shown to guests; watched for what is new."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from playwright.sync_api import Locator, Page, expect  # noqa: E402

from tests.end_to_end.lab import TEAM, field, packed, seen  # noqa: E402


def share_form(page: Page, words: str) -> Locator:
    """Of the search for ``words``, opened by the button above its results."""
    page.goto(f"/?q={words}")
    page.get_by_role("link", name="Share", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Who may open it").select_option(label=f"Everybody in {TEAM}")  # others may have made more teams
    return dialog


def link_made(dialog: Locator, page: Page) -> str:
    dialog.get_by_role("button", name="Make the link").click()
    return page.get_by_label("Link", exact=True).input_value()


def revoke(page: Page, name: str) -> None:
    page.goto("/links")
    page.get_by_role("button", name=f"Revoke the link to {name}").click()
    page.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_text("opens nothing any more")).to_be_visible()


@pytest.mark.parametrize("mode", ["live", "frozen"])
def test_a_search_is_shared_opened_forked_and_revoked(person, mode):
    mia, noor = person("mia").page, person("noor")
    dialog = share_form(mia, f"pink {mode}")
    dialog.get_by_label("Name", exact=True).fill(f"Pink, {mode}")
    dialog.get_by_label("Note", exact=True).fill("Look at the second row")
    dialog.get_by_role("radio", name="Frozen" if mode == "frozen" else "Live").check()
    if mode == "live":
        seen(mia, "share")
    link = link_made(dialog, mia)
    seen(mia, f"share-made-{mode}")

    noor.page.goto(link)
    assert link.rpartition("/")[2] not in noor.page.url
    about = noor.page.get_by_role("region", name="About this shared search")
    expect(about).to_contain_text("Shared by mia")
    expect(about).to_contain_text("Look at the second row")
    if mode == "frozen":
        expect(noor.page.get_by_text("The same images are found now")).to_be_visible()
    seen(noor.page, f"shared-{mode}")
    about.get_by_role("button", name="Fork").click()
    expect(noor.page.get_by_text("is now also a search of your own")).to_be_visible()

    mia.goto("/links")
    row = mia.get_by_role("listitem").filter(has_text=f"Pink, {mode}")
    expect(row).to_contain_text("by 1 member")
    if mode == "frozen":
        seen(mia, "links")
    revoke(mia, f"Pink, {mode}")

    noor.page.goto(link)
    expect(noor.page.get_by_role("heading", name="This link was revoked")).to_be_visible()
    expect(noor.page.get_by_text("Ask mia")).to_be_visible()
    seen(noor.page, "link-revoked")
    noor.forgive("410")


def test_a_guest_sees_small_pictures_behind_a_password_until_the_link_is_revoked(person):
    mia, guest = person("mia"), person()
    page = mia.page
    dialog = share_form(page, "tissue")
    dialog.get_by_label("Name", exact=True).fill("For the referee")
    dialog.get_by_label("Also for people without an account").check()
    dialog.get_by_label("Password for guests, if you like").fill("figure two")
    dialog.get_by_role("button", name="Make the link").click()
    expect(page.locator(".errorlist")).to_contain_text("frozen")  # guests see what was found then, and nothing later
    mia.forgive("422")
    page.get_by_role("radio", name="Frozen").check()
    page.get_by_label("Password for guests, if you like").fill("figure two")
    page.get_by_role("button", name="Make the link").click()
    link = page.get_by_label("Link", exact=True).input_value()

    guest.page.goto(link)
    expect(guest.page.get_by_role("heading", level=1)).to_have_text("Shared with you")
    expect(guest.page.get_by_label("Password")).to_be_focused()
    seen(guest.page, "guest-password")
    guest.page.keyboard.type("figure one")
    guest.page.keyboard.press("Enter")
    expect(guest.page.get_by_text("This is not the password of this link.")).to_be_visible()
    guest.forgive("403")
    guest.page.get_by_label("Password").fill("figure two")
    guest.page.keyboard.press("Enter")
    expect(guest.page.get_by_role("heading", level=1)).to_have_text("Shared images")
    expect(guest.page.get_by_text("For the referee")).to_be_hidden()
    expect(guest.page.locator(".frozen-hits img").first).to_be_visible()
    seen(guest.page, "guest")

    revoke(page, "For the referee")
    guest.page.reload()
    expect(guest.page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    guest.forgive("404")


def test_news_of_a_watched_search_are_told_shown_and_marked_seen(lab, person, tmp_path):
    noor = person("noor")
    page = noor.to("/watched")
    expect(page.get_by_role("heading", name="You watch no search yet")).to_be_visible()
    seen(page, "watched-none")
    page.goto("/?q=pink nuclei")
    page.get_by_role("link", name="Save this search").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Pink nuclei")
    dialog.get_by_label("Tell me when new images match").check()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Do not watch Pink nuclei any more")).to_be_visible()

    collection = lab.collection("Came in later")
    lab.put(collection, {f"later-{n}.png": packed(field(800 + n)) for n in range(2)}, tmp_path)
    page.goto("/watched")
    news = page.locator(".digest.fresh")
    while not news.count():
        page.wait_for_timeout(1000)
        page.reload()
    expect(news.get_by_role("heading")).to_contain_text("new image")
    expect(news.get_by_role("link", name="Pink nuclei")).to_be_visible()
    bell = page.locator(".news")
    seen(page, "watched-news")
    page.goto("/saved")
    bell.click()
    page.get_by_role("button", name="Mark what is new for Pink nuclei as seen").click()
    expect(page.locator(".digest.fresh")).to_have_count(0)
    expect(bell).to_have_attribute("aria-label", "Watched searches")
    page.get_by_role("button", name="Do not watch Pink nuclei any more").click()
    expect(page.get_by_text("“Pink nuclei” is not watched any more.")).to_be_visible()
