"""An account in a real browser: passkeys and an app, set up and asked for; every page fits, and axe finds nothing serious."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import site as sites
from tests.end_to_end.site import Site

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from playwright.sync_api import Page, expect  # noqa: E402

from tests.end_to_end.axe import violations  # noqa: E402
from tests.end_to_end.visiting import Visit, visit  # noqa: E402
from tests.webapp.authenticators import totp  # noqa: E402

NAME, PASSWORD = "rosalind", "a long enough password"
PICTURES = os.environ.get("PICTURES", "")  # a folder: each page is kept there as a picture


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A real site with one person, reached by its name: passkeys belong to names."""
    folder: Path = tmp_path_factory.mktemp("archive")
    with sites.started(folder, "up") as made:
        os.environ["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
        asked = sites.command(folder, "createsuperuser", "--noinput", "--username", NAME, "--email", "")
        printed, _ = asked.communicate(timeout=sites.START_S)
        assert asked.returncode == 0, printed
        yield Site(made.url.replace("127.0.0.1", "localhost"), folder, made.process)


def sign_in(page: Page, site: str) -> None:
    page.goto(f"{site}/sign-in")
    page.get_by_label("User name").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def confirm(page: Page) -> None:
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def with_key(visited: Visit) -> None:
    """The browser has a key of its own, whose owner always agrees."""
    talk = visited.context.new_cdp_session(visited.page)
    talk.send("WebAuthn.enable")
    kept = {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True}
    talk.send("WebAuthn.addVirtualAuthenticator", {"options": {"protocol": "ctap2", "transport": "internal", **kept}})


def test_a_passkey_is_added_and_signs_in_without_a_password(archive):
    with visit(archive.url) as visited:
        page = visited.page
        with_key(visited)
        sign_in(page, archive.url)
        page.goto(f"{archive.url}/account/passkeys/add")
        confirm(page)
        page.get_by_label("Name").fill("laptop")
        page.get_by_role("button", name="Add it").click()
        expect(page.get_by_label("Your codes")).to_be_visible()
        page.get_by_role("link", name="I have kept them").click()
        expect(page.get_by_text("laptop")).to_be_visible()
        page.get_by_role("button", name="Sign out", exact=True).first.click()
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("link", name=NAME)).to_be_visible()
        page.goto(f"{archive.url}/account")
        page.get_by_role("link", name="Remove laptop").click()
        _confirm_by_passkey(page, archive.url)
        page.get_by_role("button", name="Remove it").click()
        expect(page.get_by_text("The passkey is removed")).to_be_visible()


def _confirm_by_passkey(page: Page, site: str) -> None:
    """The page asks for the password; the other way beside it is taken."""
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    page.get_by_role("link", name="Use a passkey").click()
    page.get_by_role("button", name="Use a passkey").click()


def test_a_browser_that_has_no_passkey_says_so_beside_the_button(archive):
    with visit(archive.url) as visited:
        talk = visited.context.new_cdp_session(visited.page)
        talk.send("WebAuthn.enable")  # without any key
        kept = {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": False}
        talk.send("WebAuthn.addVirtualAuthenticator", {"options": {"protocol": "ctap2", "transport": "internal", **kept}})
        visited.to("/sign-in").get_by_role("button", name="Sign in with a passkey").click()
        expect(visited.page.get_by_role("alert").filter(has_text="Nothing was chosen")).to_be_visible()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390), ("light", 390), ("dark", 1280)])
def test_every_page_of_an_account_fits_and_has_no_serious_violation(archive, theme, width):
    found: dict[str, Any] = {}

    def look(page: Page, name: str) -> None:
        page.wait_for_load_state("networkidle")
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(PICTURES) / f"{name}-{theme}-{width}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found[name] = violations(page) + ([f"{wide} px too wide"] if wide > 0 else [])

    with visit(archive.url, color_scheme=theme, viewport={"width": width, "height": 800}) as visited:
        page = visited.page
        look(visited.to("/sign-in"), "sign-in")
        look(visited.to("/account/forgotten"), "forgotten")
        sign_in(page, archive.url)
        page.goto(f"{archive.url}/account/app")
        look(page, "confirm")
        confirm(page)
        page.get_by_text("I cannot scan it").click()
        look(page, "app")
        secret = page.get_by_label("The secret, to type").input_value()
        page.get_by_label("The code that it shows now").fill(totp(secret))
        page.get_by_role("button", name="Turn it on").click()
        look(page, "codes")
        codes = re.findall(r"\d{8}", page.get_by_label("Your codes").input_value())
        for name in ("account", "account/password", "account/passkeys/add", "account/app/remove", "account/recovery-codes/new"):
            look(visited.to(f"/{name}"), name.replace("/", "-"))
        visited.to("/account").get_by_label("What it is for").fill("scanner in room 2")
        page.get_by_role("button", name="Make a token").click()
        look(page, "token")
        visited.to("/account").get_by_role("button", name="Revoke the token").click()
        sign_out(page)
        sign_in(page, archive.url)
        look(page, "code")
        page.get_by_label("Code").fill(codes[0])
        page.get_by_role("button", name="Sign in", exact=True).click()
        visited.to("/account/app/remove")
        confirm(page)
        page.get_by_role("button", name="Remove it").click()
        expect(page.get_by_text("The authenticator app is removed")).to_be_visible()
    assert {name: told for name, told in found.items() if told} == {}
