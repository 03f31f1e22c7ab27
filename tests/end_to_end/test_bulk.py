"""Bulk upload in a real browser: files by the hundred, zips, tables; seen first, paused, cut off and gone on with."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("site")

if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:  # pragma: no cover
    pytest.skip("needs Playwright, axe-playwright-python and Chromium", allow_module_level=True)

from playwright.sync_api import Page, Route, expect  # noqa: E402

from tests.end_to_end.axe import violations  # noqa: E402
from tests.end_to_end.bulk_files import archive_of, drop, folder_of  # noqa: E402
from tests.end_to_end.site import Site, command  # noqa: E402
from tests.end_to_end.visiting import Visit, visit  # noqa: E402

MAKE = """
from webapp.accounts.models import Team, User
from webapp.library.models import Collection
User.objects.filter(memberships__isnull=False).update(is_staff={staff}, is_superuser={staff})
collection, _ = Collection.objects.get_or_create(team=Team.objects.order_by("pk").first(), name="{name}")
print("made", collection.pk)
"""


@pytest.fixture(scope="module")
def demo(own_demo: Site) -> Site:
    return own_demo


def made(site: Site, name: str, *, staff: bool) -> str:
    """A collection of the demo's team, and whether its person may enter the admin."""
    told, _ = command(site.folder, "shell", "-v0", "-c", MAKE.format(name=name, staff=staff)).communicate(timeout=120)
    found = re.search(r"made (\S+)", told)
    assert found, told
    return found[1]


@pytest.fixture
def visitor(demo) -> Iterator[Visit]:
    with visit(demo.url) as visited:
        visited.page.on("dialog", lambda asked: asked.accept())
        yield visited


@pytest.fixture
def collection(demo) -> str:
    return made(demo, f"Bulk {time.monotonic_ns()}", staff=False)


def choose(page: Page, *paths: Path) -> None:
    page.locator("[data-pick-files]").set_input_files(list(paths))


def choose_folder(page: Page, folder: Path) -> None:
    page.locator("[data-pick-folder]").set_input_files(folder)


def check(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Check")).click()
    expect(page.get_by_role("heading", name="Nothing has been sent yet")).to_be_visible()


def chip(page: Page, words: str) -> str:
    """The number on a filter."""
    told: str = page.locator("[data-chips] button", has_text=words).locator("strong").inner_text()
    return told


def receipt_of(page: Page) -> str:
    page.wait_for_url(re.compile(r"/uploads/[0-9a-f-]{36}$"))
    return page.url.rpartition("/")[2]


class Line:
    """The connection between the browser and the site, to be cut after so many pieces were sent."""

    def __init__(self, page: Page, *, cut_after: int) -> None:
        self.page, self.left = page, cut_after
        page.route("**/uploads/tus/*", self._carry)

    def _carry(self, route: Route) -> None:
        self.left -= 1
        if self.left < 0:
            route.abort("connectionfailed")
        else:
            route.continue_()

    def mend(self) -> None:
        self.page.unroute("**/uploads/tus/*")


def forget_cut_lines(visited: Visit) -> None:
    """The browser itself logs requests that failed; these were meant to."""
    visited.problems[:] = [each for each in visited.problems if "Failed to load resource" not in each]


def test_staff_upload_150_files_a_zip_and_a_table_with_errors_and_go_on_after_a_reload(demo, visitor, tmp_path: Path):
    name = f"Board {time.monotonic_ns()}"
    made(demo, name, staff=True)
    folder = folder_of(tmp_path / "scans", 150)
    archive_of(folder / "more.zip", 6, first=900)
    table = tmp_path / "captions.csv"
    rows = [f"tile-{n:04}.png;{'wide' if n < 3 else '0.5'};PAS" for n in range(150)] + ["nowhere.png;0.5;PAS"]
    table.write_text("\n".join(["file;mpp;stain", *rows]), encoding="utf-8")

    page = visitor.to("/admin/")
    page.locator("#content-main").get_by_role("row", name="Uploads").get_by_role("link", name="Add").click()
    page.get_by_label("Collection").select_option(label=name)
    page.wait_for_url("**/add/?collection=*")
    choose_folder(page, folder)
    page.locator("[data-table-input]").set_input_files(table)
    check(page)
    assert [chip(page, words) for words in ("files", "new", "archives")] == ["151", "150", "1"]
    expect(page.get_by_text("3 rows are not taken")).to_be_visible()
    expect(page.get_by_text("1 row of the table names no chosen file. It is compared with the archive’s files")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="errors.csv").click()
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        errors = list(csv.DictReader(file))
    assert [line["file"] for line in errors] == ["tile-0000.png", "tile-0001.png", "tile-0002.png"]
    assert all("wide" in line["what is wrong"] for line in errors)

    line = Line(page, cut_after=60)
    page.get_by_role("button", name="Send 151 files").click()
    expect(page.get_by_text("The site cannot be reached.").first).to_be_visible()
    page.reload()
    forget_cut_lines(visitor)
    line.mend()
    page.get_by_role("button", name="Go on with it").click()
    choose_folder(page, folder)
    missing = page.get_by_role("button", name=re.compile(r"^Send the missing \d+ files$"))
    assert 80 <= int(re.sub(r"\D", "", missing.inner_text())) < 151
    missing.click()
    upload = receipt_of(page)
    assert demo.wait_for(upload) == {"ready": 156}

    page.goto(f"{demo.url}/admin/library/upload/")
    row = page.locator("#result_list tbody tr").first
    expect(row).to_contain_text(name)
    row.get_by_role("link", name="Receipt").click()
    page.wait_for_url(f"**/uploads/{upload}")


def test_a_dropped_folder_is_shown_before_it_is_sent_and_its_list_is_narrowed(demo, visitor, collection, tmp_path: Path):
    folder = folder_of(tmp_path / "scans", 12, first=1000)
    (folder / "report.pdf").write_bytes(b"%PDF-1.7")
    (folder / "empty.png").touch()
    (folder / "again.png").write_bytes((folder / "tile-1000.png").read_bytes())
    (folder / ".DS_Store").write_bytes(b"left by a system")
    page = visitor.to(f"/collections/{collection}/upload")
    drop(page, folder, on="[data-dropzone]")
    expect(page.locator("[data-chosen-told]")).to_contain_text("15 files")
    assert visitor.page.url.endswith("/upload")
    check(page)
    rows = page.locator("[data-files] tbody tr")
    expect(rows).to_have_count(15)
    page.locator("[data-chips] button", has_text="not supported").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("scans/report.pdf")
    page.locator("[data-chips] button", has_text="new").click()
    expect(rows).to_have_count(12)
    page.get_by_role("button", name="Leave out scans/tile-1002.png").click()
    expect(rows).to_have_count(11)
    page.get_by_role("button", name="Send 11 files").click()
    assert demo.wait_for(receipt_of(page)) == {"ready": 11, "failed": 2, "duplicate": 1}

    page = visitor.to(f"/collections/{collection}/upload")
    choose_folder(page, folder)
    check(page)
    assert chip(page, "already there") == "12"
    expect(page.get_by_role("button", name="Send 1 file")).to_be_visible()
    page.locator("[data-chips] button", has_text="already there").click()
    with page.expect_popup() as opened:
        rows.first.get_by_role("link", name="Show it").click()
    assert "/images/" in opened.value.url


def test_files_chosen_before_the_script_was_there_are_taken(demo, visitor, collection, tmp_path: Path):
    folder = folder_of(tmp_path / "scans", 3, first=1900)
    page = visitor.page
    held: list[Route] = []
    page.route("**/js/upload.*", lambda route: held.append(route))
    page.goto(f"{demo.url}/collections/{collection}/upload", wait_until="commit")
    choose(page, *(path for path in folder.rglob("*") if path.is_file()))
    assert held, "the script came before the choice"
    for route in held:
        route.continue_()
    expect(page.get_by_role("button", name="Check 3 files")).to_be_enabled()


def test_sending_pauses_and_resumes(demo, visitor, collection, tmp_path: Path):
    folder = folder_of(tmp_path / "scans", 40, first=2000)
    page = visitor.to(f"/collections/{collection}/upload")
    choose_folder(page, folder)
    check(page)
    sent = []

    def slowly(route: Route) -> None:
        sent.append(route.request.url)
        page.wait_for_timeout(60)
        route.continue_()

    page.route("**/uploads/tus/*", slowly)
    page.get_by_role("button", name="Send 40 files").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused.").first).to_be_visible()
    page.wait_for_timeout(600)
    paused_at = len(sent)
    page.wait_for_timeout(1200)
    assert len(sent) == paused_at < 40
    page.unroute("**/uploads/tus/*")
    page.get_by_role("button", name="Resume").click()
    assert demo.wait_for(receipt_of(page)) == {"ready": 40}


def test_a_lost_connection_is_waited_for_and_nothing_is_lost(demo, visitor, collection, tmp_path: Path):
    folder = folder_of(tmp_path / "scans", 20, first=3000)
    page = visitor.to(f"/collections/{collection}/upload")
    choose_folder(page, folder)
    check(page)
    line = Line(page, cut_after=5)
    page.get_by_role("button", name="Send 20 files").click()
    expect(page.get_by_text("Sending goes on by itself").first).to_be_visible()
    line.mend()
    assert demo.wait_for(receipt_of(page)) == {"ready": 20}
    forget_cut_lines(visitor)


def test_a_session_that_ends_keeps_the_queue_until_one_has_signed_in_again(demo, visitor, collection, tmp_path: Path):
    folder = folder_of(tmp_path / "scans", 10, first=4000)
    page = visitor.to(f"/collections/{collection}/upload")
    choose_folder(page, folder)
    check(page)
    over = {"detail": "Sign in again.", "reason": "signed_out"}
    page.route("**/uploads/tus/*", lambda route: route.fulfill(status=401, json=over))
    page.get_by_role("button", name="Send 10 files").click()
    expect(page.get_by_text("Your session is over.").first).to_be_visible()
    expect(page.get_by_role("link", name="Sign in in another tab")).to_be_visible()
    page.unroute("**/uploads/tus/*")
    page.get_by_role("button", name="Resume").click()
    assert demo.wait_for(receipt_of(page)) == {"ready": 10}
    forget_cut_lines(visitor)


def test_a_cancelled_upload_keeps_what_has_arrived_and_leads_to_its_receipt(demo, visitor, collection, tmp_path: Path):
    folder = folder_of(tmp_path / "scans", 40, first=6000)
    page = visitor.to(f"/collections/{collection}/upload")
    choose_folder(page, folder)
    check(page)
    Line(page, cut_after=8)
    page.get_by_role("button", name="Send 40 files").click()
    expect(page.get_by_text("Sending goes on by itself").first).to_be_visible()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the upload").click()
    counts = demo.wait_for(receipt_of(page))
    assert (counts["ready"] + counts["cancelled"], counts["ready"]) == (40, 8)
    forget_cut_lines(visitor)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_no_step_has_a_serious_violation_and_none_is_too_wide(demo, tmp_path: Path, theme, width):
    collection = made(demo, f"Seen {time.monotonic_ns()}", staff=True)
    folder = folder_of(tmp_path / "scans", 6, first=5000)
    (folder / "report.pdf").write_bytes(b"%PDF-1.7")
    (folder / "captions.csv").write_text("file,mpp\ntile-5000.png,wide\nnowhere.png,0.5\n", encoding="utf-8")
    found: dict[str, list[str]] = {}

    def look(page: Page, step: str) -> None:
        page.wait_for_load_state("networkidle")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found[step] = violations(page) + ([f"{wide} px too wide"] if wide > 0 else [])

    with visit(demo.url, color_scheme=theme, viewport={"width": width, "height": 800}) as visited:
        visited.page.on("dialog", lambda asked: asked.accept())
        for address in (f"/collections/{collection}/upload", f"/admin/library/upload/add/?collection={collection}"):
            page = visited.to(address)
            look(page, f"{address} choose")
            choose_folder(page, folder)
            check(page)
            look(page, f"{address} check")
            page.route("**/uploads/tus/*", lambda route: route.fulfill(status=422, json={"detail": "The bytes are others."}))
            page.get_by_role("button", name=re.compile("^Send ")).click()
            expect(page.get_by_role("button", name="Try these again")).to_be_visible()
            look(page, f"{address} send")
            page.unroute("**/uploads/tus/*")
        visited.to("/admin/library/upload/").wait_for_load_state("networkidle")
        forget_cut_lines(visited)
    assert {step: told for step, told in found.items() if told} == {}
