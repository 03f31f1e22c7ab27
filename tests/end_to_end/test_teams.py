"""A team from its making to its handing over: two people, two browsers, one invitation."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from playwright.sync_api import Page, expect  # noqa: E402

from tests.end_to_end.lab import seen  # noqa: E402

PASSWORD = "glands and stroma 1893"
VIEWER, EDITOR, OWNER = "1", "2", "3"


def new_team(page: Page, name: str) -> None:
    page.get_by_role("link", name="New team").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make the team").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def invite(page: Page, role: str) -> str:
    """The link, as it is shown this once."""
    page.get_by_label("Role", exact=True).select_option(value=role)
    page.get_by_role("button", name="Make a link").click()
    return page.get_by_role("textbox", name="The invitation’s link").input_value()


def member(page: Page, name: str):
    return page.locator(".member", has_text=name)


def test_a_team_is_made_joined_handed_over_and_left(person, lab):
    mia = person("mia")
    page = mia.to("/teams")
    seen(page, "teams")
    new_team(page, "Kidney board")
    seen(page, "team-new")
    link = invite(page, EDITOR)
    expect(page.get_by_text("It is shown this once")).to_be_visible()
    seen(page, "team-invited")
    page.get_by_role("button", name="Copy").click()

    emil = person()
    emil.page.goto(link)
    expect(emil.page.get_by_role("heading", level=1)).to_have_text("Join Kidney board")
    seen(emil.page, "join")
    emil.page.get_by_label("Username").fill("emil")
    for label in ("Password", "The password again"):
        emil.page.get_by_label(label, exact=True).fill(PASSWORD)
    emil.page.get_by_role("button", name="Make an account and join").click()
    expect(emil.page.get_by_text("Welcome. You are in Kidney board now.")).to_be_visible()
    expect(emil.page.get_by_role("button", name="Make a link")).to_be_hidden()

    noor = person("noor")
    noor.page.goto(link)
    expect(noor.page.get_by_role("heading", level=1)).to_have_text("This invitation opens nothing")
    seen(noor.page, "join-used")
    noor.forgive("404")

    page.reload()
    member(page, "emil").get_by_label("Role of emil").select_option(label="Viewer")
    member(page, "emil").get_by_role("button", name="Change").click()
    expect(page.get_by_text("emil is a viewer now.")).to_be_visible()
    emil.page.reload()
    expect(emil.page.get_by_text("your role: viewer")).to_be_visible()

    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_text("You are its only owner")).to_be_visible()
    page.get_by_role("button", name="Stay").click()
    page.get_by_role("button", name="Hand over…").click()
    expect(page.locator("#hand-over").get_by_role("button", name="Cancel")).to_be_focused()
    seen(page, "team-hand-over")
    page.locator("#hand-over").get_by_label("To").select_option(label="emil, viewer")
    page.get_by_role("button", name="Hand over", exact=True).click()
    expect(page.get_by_text("emil owns Kidney board now.")).to_be_visible()
    seen(page, "team-as-editor")

    page.get_by_role("button", name="Leave").click()
    page.locator("#leave").get_by_role("button", name="Leave").click()
    expect(page.get_by_text("You left Kidney board.")).to_be_visible()
    expect(page.get_by_role("link", name="Kidney board")).to_be_hidden()
    emil.page.reload()
    expect(emil.page.get_by_text("1 member · your role: owner")).to_be_visible()


def test_somebody_who_has_an_account_joins_is_removed_and_put_back(person, lab):
    mia, noor = person("mia"), person("noor")
    page = mia.to("/teams")
    new_team(page, "Liver board")
    noor.page.goto(invite(page, VIEWER))
    expect(noor.page.get_by_text("You are signed in as noor.")).to_be_visible()
    seen(noor.page, "join-signed-in")
    noor.page.get_by_role("button", name="Join the team").click()
    expect(noor.page.get_by_text("You are in Liver board now.")).to_be_visible()

    page.reload()
    page.get_by_role("button", name="Remove noor").click()
    expect(page.get_by_role("button", name="Keep them")).to_be_focused()
    page.locator("form:popover-open").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("noor is out of the team")).to_be_visible()
    seen(page, "team-removed")
    noor.page.reload()
    expect(noor.page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    noor.forgive("404")
    page.get_by_role("button", name="Put back").click()
    expect(page.get_by_text("noor is back in the team.")).to_be_visible()
    noor.page.reload()
    expect(noor.page.get_by_role("heading", level=1)).to_have_text("Liver board")


def test_an_invitation_is_withdrawn(person, lab):
    page = person("mia").to("/teams")
    new_team(page, "Heart board")
    link = invite(page, OWNER)
    page.get_by_role("button", name="Withdraw the invitation of whoever has the link").click()
    page.locator("form:popover-open").get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("The invitation is withdrawn")).to_be_visible()
    stranger = person()
    stranger.page.goto(link)
    expect(stranger.page.get_by_role("heading", level=1)).to_have_text("This invitation opens nothing")
    stranger.forgive("404")
