"""Names and captions that are scripts, and files that are pages: no page of the archive runs any of it."""

from __future__ import annotations

import csv
import io
import re
import time
import zipfile
from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = [pytest.mark.xdist_group("site"), pytest.mark.timeout(600)]

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from playwright.sync_api import Page, expect  # noqa: E402

from tests.end_to_end.bulk_files import tile  # noqa: E402
from tests.end_to_end.site import Site  # noqa: E402
from tests.end_to_end.test_bulk import check, made, receipt_of  # noqa: E402
from tests.end_to_end.visiting import visit  # noqa: E402
from tests.webapp.hostile_files import HTML, SVG  # noqa: E402

TAG = "<script>window.taken = 1</script>"
IMG = "<img src=x onerror=window.taken=1>"
OUT = "\"'><svg onload=window.taken=1>"
HELD = f"MRN 00417123 {IMG}.png"


@pytest.fixture(scope="module")
def demo(own_demo: Site) -> Site:
    return own_demo


def table(*names: str) -> bytes:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["file", "caption", "finding", "tags"])
    writer.writerows([name, f"Kidney {TAG}{IMG}", OUT, f"{IMG}; {TAG}"] for name in names)
    return written.getvalue().encode()


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as written:
        for number, name in enumerate([f"{TAG}.png", f"{OUT}/{IMG}.png", f"{TAG}.jpg"]):
            written.writestr(name, HTML if name.endswith(".jpg") else tile(70_000 + number))
    return packed.getvalue()


def part(name: str, content: bytes) -> Any:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def same_pixels(content: bytes) -> bytes:
    """Other bytes, behind the end of the PNG."""
    return content + b"behind"


FIRST, TWIN = f"{IMG}.png", f"{OUT}.png"
SENT = [
    part(FIRST, tile(80_000)), part(TWIN, same_pixels(tile(80_000))), part(HELD, tile(80_001)),
    part(f"{IMG}.jpg", HTML), part(f"{OUT}.svg", SVG), part(f"drawing {IMG}.png", SVG), part(f"{IMG}.zip", archive()),
]  # fmt: skip


def links(page: Page, pattern: str) -> list[str]:
    """Addresses on the page that look so."""
    found = page.locator("a").evaluate_all("all => all.map(each => each.getAttribute('href') ?? '')")
    return sorted({address for address in found if re.fullmatch(pattern, address)})


def test_no_page_runs_what_names_captions_and_files_hold(demo):
    name = f"Odd {OUT.replace(chr(34), '')}{IMG} {time.monotonic_ns()}"
    collection = made(demo, name, staff=True)
    with visit(demo.url) as visited:
        page = visited.to(f"/collections/{collection}/upload")
        page.on("dialog", lambda asked: asked.accept())

        def nothing_ran(address: str) -> None:
            visited.to(address).wait_for_load_state("networkidle")
            assert page.evaluate("window.taken") is None, address
            assert visited.problems == [], address

        page.locator("[data-pick-files]").set_input_files(SENT)
        page.locator("[data-table-input]").set_input_files(part("captions.csv", table(FIRST, TWIN, HELD)))
        check(page)
        expect(page.locator("[data-files] tbody tr")).to_have_count(len(SENT))
        assert page.evaluate("window.taken") is None
        page.get_by_role("button", name=re.compile("^Send ")).click()
        upload = receipt_of(page)
        counts = demo.wait_for(upload)
        assert counts["held"] >= 1
        assert counts["failed"] == 4  # HTML, SVG twice, HTML in the archive

        nothing_ran(f"/uploads/{upload}")
        images = links(page, r"/images/[0-9a-f-]{36}")
        assert len(images) >= 3
        for image in images:
            nothing_ran(image)
        for state in ("ready", "working", "held", "failed"):
            nothing_ran(f"/collections/{collection}?show={state}")
        ready = links(visited.to(f"/collections/{collection}?show=ready"), r"/images/[0-9a-f-]{36}")[0].rpartition("/")[2]
        for address in (
            "/review", "/not-searchable", "/collections", "/duplicates", f"/collections/{collection}/duplicates",
            f"/collections/{collection}/edit", f"/collections/{collection}/upload", f"/?q=kidney&collection={collection}",
            f"/?q={IMG}", f"/?image={ready}", f"/describe?image={ready}", "/jobs", f"/collections/{collection}/jobs",
            f"/images/{ready}/history", f"/selected?images={ready}",
        ):  # fmt: skip
            nothing_ran(address)

        token = page.locator("body").get_attribute("hx-headers")
        assert token is not None
        thrown = page.request.post(
            f"{demo.url}/selected/trash",
            form={"images": ready},
            headers={"X-CSRFToken": token.split('"')[3], "Referer": demo.url},
        )
        assert thrown.ok
        nothing_ran(f"/collections/{collection}/trash")
        expect(page.locator("main")).to_contain_text("window.taken=1")
        nothing_ran("/trash")
        for model in ("image", "upload", "collection"):
            nothing_ran(f"/admin/library/{model}/")
        nothing_ran(f"/admin/library/upload/add/?collection={collection}")
