"""axe-core on every page of the demo, in both themes, wide and on a phone: nothing serious or worse."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from tests.end_to_end.axe import violations  # noqa: E402
from tests.end_to_end.screenshots import addresses  # noqa: E402
from tests.end_to_end.visiting import visit  # noqa: E402


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_serious_violation(demo, theme, width):
    found: dict[str, list[str]] = {}
    with visit(demo.url, color_scheme=theme, viewport={"width": width, "height": 800}) as visited:
        pages = addresses(visited.page, demo.url) | {
            "pick": "/pick-image",
            "filtered-away": "/?q=tissue&stain=none-such",
            "all-on-one-line": "/?q=tissue&below=1&every_image=1",
        }
        for name, address in pages.items():
            visited.to(address).wait_for_load_state("networkidle")
            found[name] = violations(visited.page)
        visited.to("/?q=tissue").keyboard.press("?")
        found["keys"] = violations(visited.page)
        visited.to("/nothing-here")
        found["not-found"] = violations(visited.page)
        assert [problem for problem in visited.problems if "404" not in problem] == []
        visited.problems.clear()
    assert {name: told for name, told in found.items() if told} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in_page_has_no_serious_violation(demo, theme):
    with visit(demo.url, color_scheme=theme) as visited:
        visited.page.get_by_role("button", name="Sign out").click()
        visited.page.wait_for_url("**/sign-in*")
        assert violations(visited.page) == []
