"""An upload's own page: counts that add up, a page of lines at a time, its tables, and what is done with the whole of it."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from tests.webapp.conftest import add, picture, run_tasks, told
from webapp.accounts.models import ApiToken
from webapp.library import jobs, receipt_pages, receipts
from webapp.library.models import Image, Job, JobState, State, Upload, UploadItem
from webapp.library.models.uploads import CAME_BY
from webapp.library.receipts import receipt

pytestmark = pytest.mark.django_db

PAGES = ("", "/state", "/lines", "/parents", "/actions", "/failures.csv", "/errors.csv")
ACTIONS = ("cancel", "retry", "reembed", "move", "trash")


def table(answer) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


def lines_of(page: str) -> list[str]:
    return re.findall(r'<td class="file">(?:<a [^>]*>)?([^<]+)', page)


@pytest.fixture
def upload(collection, alice) -> Upload:
    return add(collection, {"a.png": picture(seed=1), "b.png": picture(seed=2), "c.png": picture(seed=1)}, user=alice)


@pytest.fixture
def mixed(upload: Upload) -> Upload:
    """A line of every kind."""
    run_tasks()
    ready, held, failed, running, trashed = (Image.objects.create(**image(upload, number)) for number in range(5))
    for made, state in ((ready, "ready"), (held, "held"), (failed, "failed"), (running, "stored"), (trashed, "trashed")):
        Image.objects.filter(pk=made.pk).update(state=state)
        upload.items.create(name=f"{state}.png", state="accepted", image=made)
    upload.items.create(name="gone.png", state="accepted")
    for state in ("pending", "received", "attached", "failed", "cancelled"):
        upload.items.create(name=f"line-{state}.png", state=state)
    archive = upload.items.create(name="box.zip", state="unpacked", kind="archive")
    upload.items.create(name="inside.png", state="duplicate", image=ready, parent=archive)
    return upload


def image(upload: Upload, number: int) -> dict[str, object]:
    return {"collection": upload.collection, "name": "x", "sha256": f"{number:064}", "bytes": 1}


# --- counting ---------------------------------------------------------------------------------------------------------


def test_every_line_is_counted_once(mixed):
    counts = receipt(mixed).counts
    wanted = {"ready": 3, "duplicate": 2, "attached": 1, "held": 1, "failed": 2, "cancelled": 1, "running": 2, "pending": 1}
    assert counts == wanted | {"deleted": 2}
    assert receipt(mixed).total == mixed.items.count() - 1  # the archive's members stand for it


def test_counts_and_lists_agree(mixed):
    told = receipt(mixed)
    assert {state: receipts.lines_in(mixed, state).count() for state in receipts.STATES} == told.counts
    assert {state: sum(item.state == state for item in told.items) for state in receipts.STATES} == told.counts


def test_counting_takes_one_statement(mixed, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert receipt(mixed).done is False


def test_the_page_shows_that_it_adds_up(signed_in, alice, mixed):
    page = told(signed_in(alice).get(f"/uploads/{mixed.pk}"))
    [sum_told] = re.findall(r"15 in = ([^<]+)</p>", page)
    assert sum(int(n) for n in re.findall(r"\d+", sum_told)) == 15


def test_pace_and_time_left_follow_the_last_minute(upload):
    run_tasks()
    Upload.objects.filter(pk=upload.pk).update(made_at=timezone.now() - timedelta(seconds=300))
    upload.refresh_from_db()
    for number in range(60):
        upload.items.create(name=f"{number}.png")
    page = receipt_pages.ReceiptPage.of(upload)
    assert page.pace == pytest.approx(2 / 60)
    assert (page.pace_told, page.time_left) == ("2 images a minute", "about 30 minutes")
    Image.objects.update(ready_at=timezone.now() - timedelta(seconds=61))
    assert receipt_pages.ReceiptPage.of(upload).time_left == ""


def test_images_that_come_before_are_counted(collection, foreign_collection, alice):
    add(foreign_collection, {"x.png": picture(seed=5), "y.png": picture(seed=6)})
    mine = add(collection, {"a.png": picture(seed=1)}, user=alice)
    assert receipt_pages.ReceiptPage.of(mine).ahead == 2
    run_tasks()
    assert receipt_pages.ReceiptPage.of(mine).ahead is None


# --- lines ------------------------------------------------------------------------------------------------------------


def test_what_matters_most_comes_first_a_page_at_a_time(signed_in, alice, mixed, monkeypatch):
    monkeypatch.setattr(receipt_pages, "LINES_A_PAGE", 4)
    browser = signed_in(alice)
    pages = [lines_of(told(browser.get(f"/uploads/{mixed.pk}?page={page}"))) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [4, 4, 4, 3]
    flat = [name for page in pages for name in page]
    assert len(set(flat)) == 15
    assert flat[:4] == ["failed.png", "line-failed.png", "held.png", "stored.png"]
    assert "box.zip" not in flat


def test_lines_are_found_by_state_name_and_archive(signed_in, alice, mixed):
    browser, archive = signed_in(alice), mixed.items.get(name="box.zip")

    def listed(asked: str) -> list[str]:
        return lines_of(told(browser.get(f"/uploads/{mixed.pk}?{asked}")))

    assert listed("state=held") == ["held.png"]
    assert listed("find=LINE-c") == ["line-cancelled.png"]
    assert listed(f"within={archive.pk}") == ["inside.png"]
    assert listed("state=failed&find=line") == ["line-failed.png"]
    assert len(listed("state=nonsense&page=x&within=y")) == 15
    assert listed("find=nothing") == []


def test_a_line_tells_the_time_of_each_step(signed_in, alice, upload):
    run_tasks()
    upload.items.filter(name="a.png").update(received_at=Now())
    page = told(signed_in(alice).get(f"/uploads/{upload.pk}?find=a.png"))
    assert re.findall(r"<dt>(\w+)</dt><dd><time", page) == [
        "Announced", "Received", "Stored", "Decoded", "Embedded", "Searchable",
    ]  # fmt: skip


def test_the_poll_reads_no_line_and_says_when_one_has_changed(signed_in, alice, upload, django_assert_max_num_queries):
    browser = signed_in(alice)
    page = told(browser.get(f"/uploads/{upload.pk}"))
    [state] = re.findall(r'hx-get="([^"]+/state[^"]+)"', page)
    with django_assert_max_num_queries(7):
        same = browser.get(state)
    assert "HX-Trigger" not in same
    assert "a.png" not in told(same)
    run_tasks()
    changed = browser.get(state)
    assert (changed.status_code, changed["HX-Trigger"]) == (286, "receipt-changed, receipt-settled")
    assert "<title>Finished" in told(changed)
    listed = browser.get(f"/uploads/{upload.pk}/lines", headers={"hx-request": "true"})
    assert lines_of(told(listed)) == ["c.png", "a.png", "b.png"]


def test_the_page_goes_on_asking_while_work_on_the_upload_runs(signed_in, alice, upload):
    run_tasks()
    browser = signed_in(alice)
    assert browser.get(f"/uploads/{upload.pk}/state").status_code == 286
    browser.post(f"/uploads/{upload.pk}/reembed")
    page = browser.get(f"/uploads/{upload.pk}/state")
    assert page.status_code == 200
    assert "Embed again" in told(page)
    run_tasks()
    assert browser.get(f"/uploads/{upload.pk}/state").status_code == 286


def test_the_page_says_what_its_words_mean_and_how_the_upload_came(signed_in, alice, upload):
    page = told(signed_in(alice).get(f"/uploads/{upload.pk}"))
    meanings = page[page.index("What these words mean") :]
    assert [label for label in receipt_pages.LABELS.values() if f"<dt>{label}</dt>" not in meanings] == []
    assert f"by alice, {CAME_BY[upload.source]}" in page


def test_an_archives_line_is_renewed_with_the_counts(signed_in, alice, upload):
    upload.items.create(name="a.zip", kind="archive", state="received")
    browser = signed_in(alice)
    page = told(browser.get(f"/uploads/{upload.pk}"))
    assert f'hx-get="/uploads/{upload.pk}/parents" hx-trigger="receipt-changed from:body, receipt-settled from:body"' in page
    upload.items.filter(name="a.zip").update(state="unpacked")
    part = told(browser.get(f"/uploads/{upload.pk}/parents", headers={"hx-request": "true"}))
    assert "unpacked" in part
    assert "being unpacked" not in part


def test_a_filter_is_named_in_the_words_of_the_counts(signed_in, alice, upload):
    assert "only: to review" in told(signed_in(alice).get(f"/uploads/{upload.pk}?state=held"))


# --- tables -----------------------------------------------------------------------------------------------------------


def test_failures_are_a_table_that_no_spreadsheet_takes_for_formulas(signed_in, alice, upload):
    upload.items.create(name="=cmd|calc.png", state="failed", reason="empty", reason_text="The file is empty (0 bytes).")
    Image.objects.filter(name="b.png").update(state=State.FAILED, reason="truncated", reason_text="It is cut off.")
    answer = signed_in(alice).get(f"/uploads/{upload.pk}/failures.csv")
    assert table(answer) == [
        ["file", "reason", "why"],
        ["b.png", "truncated", "It is cut off."],
        ["'=cmd|calc.png", "empty", "The file is empty (0 bytes)."],
    ]
    assert "attachment" in answer["Content-Disposition"]


def test_rows_of_a_table_that_were_not_taken_are_a_table(signed_in, alice, upload):
    cells = [["file", "a.png"], ["mpp", "-x"]]
    errors = [{"row": 2, "column": "mpp", "text": "mpp is a number.", "cells": cells}, {"row": 5, "text": "@SUM"}]
    Upload.objects.filter(pk=upload.pk).update(table_errors=errors)
    browser = signed_in(alice)
    assert "errors.csv (2 rows of the table)" in told(browser.get(f"/uploads/{upload.pk}"))
    assert table(browser.get(f"/uploads/{upload.pk}/errors.csv")) == [
        ["file", "mpp", "row", "what is wrong"], ["a.png", "'-x", "2", "mpp is a number."], ["", "", "5", "'@SUM"],
    ]  # fmt: skip


# --- acting -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_a_receipt_is_for_editors(signed_in, client, bob, charlie, upload, page):
    address = f"/uploads/{upload.pk}{page}"
    assert client.get(address)["Location"].startswith("/sign-in")
    for person in (bob, charlie):
        assert signed_in(person).get(address).status_code == 404


@pytest.mark.parametrize("action", ACTIONS)
def test_acting_on_an_upload_is_for_editors_and_by_form_only(signed_in, alice, bob, charlie, upload, action):
    address = f"/uploads/{upload.pk}/{action}"
    for person in (bob, charlie):
        assert signed_in(person).post(address).status_code == 404
    assert signed_in(alice).get(address).status_code == 405
    assert not Job.objects.exists()


@pytest.mark.parametrize("action", ["retry", "reembed", "trash"])
def test_buttons_start_jobs(signed_in, alice, upload, action):
    answer = signed_in(alice).post(f"/uploads/{upload.pk}/{action}")
    job = Job.objects.get()
    assert answer["Location"] == f"/uploads/{upload.pk}"
    assert (job.upload, job.user, job.state) == (upload, alice, JobState.WAITING)


def test_an_upload_moves_into_a_collection_that_one_edits_only(signed_in, alice, upload, foreign_collection, team_a):
    browser = signed_in(alice)
    for into in ("", "nonsense", str(foreign_collection.pk)):
        browser.post(f"/uploads/{upload.pk}/move", {"into": into})
    assert not Job.objects.exists()
    from webapp.library.models import Collection

    other = Collection.objects.create(team=team_a, name="Hearts", made_by=alice)
    browser.post(f"/uploads/{upload.pk}/move", {"into": str(other.pk)})
    assert Job.objects.get().arguments == {"of": "upload", "into": str(other.pk), "out_of": str(upload.collection_id)}


def test_cancelling_ends_what_has_not_come_in(signed_in, alice, upload):
    upload.items.create(name="late.png")
    browser = signed_in(alice)
    assert "Cancel this upload" in told(browser.get(f"/uploads/{upload.pk}"))
    browser.post(f"/uploads/{upload.pk}/cancel")
    assert UploadItem.objects.get(name="late.png").state == "cancelled"
    page = told(browser.get(f"/uploads/{upload.pk}"))
    assert "nothing more is taken in" in page
    assert "Cancel this upload" not in page


def test_where_nothing_can_be_tried_again_nothing_offers_to(signed_in, alice, collection):
    upload = add(collection, {"a.png": picture()}, user=alice)
    upload.items.create(name="report.pdf", state="failed")
    browser = signed_in(alice)
    page = told(browser.get(f"/uploads/{upload.pk}"))
    assert "Try the failed ones again" not in page
    assert "failures.csv" in page
    stopped = jobs.start("unpack", user=alice, collection=collection, upload=upload, arguments={"item": 0})
    Job.objects.filter(pk=stopped.pk).update(state=JobState.FAILED)
    assert "Try the failed ones again" in told(browser.get(f"/uploads/{upload.pk}"))


def test_archives_lead_to_what_came_out_of_them(signed_in, alice, mixed):
    page = told(signed_in(alice).get(f"/uploads/{mixed.pk}"))
    archive = mixed.items.get(name="box.zip")
    assert f"?within={archive.pk}" in page
    assert "1 file came out of it" in page


# --- the API ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def api(client, alice):
    _, token = ApiToken.issue(alice, "test")
    headers = {"authorization": f"Bearer {token}"}

    def call(address: str, body: object = None):
        if body is None:
            return client.get(f"/api/v1{address}", headers=headers)
        return client.post(f"/api/v1{address}", body, content_type="application/json", headers=headers)

    return call


def test_the_api_tells_an_upload_a_page_at_a_time(api, mixed):
    first = api(f"/uploads/{mixed.pk}?size=10").json()
    second = api(f"/uploads/{mixed.pk}?size=10&after={first['next_after']}").json()
    assert (first["total"], len(first["items"]), len(second["items"]), second["next_after"]) == (15, 10, 5, None)
    assert [item["name"] for item in api(f"/uploads/{mixed.pk}?state=failed&find=line").json()["items"]] == ["line-failed.png"]
    assert api(f"/uploads/{mixed.pk}?size=0").json()["items"] == []
    assert api(f"/uploads/{mixed.pk}?state=odd").status_code == 400


def test_the_api_works_on_a_whole_upload(api, upload):
    run_tasks()
    assert api(f"/uploads/{upload.pk}/cancel", {}).json() == {"files": 0}
    for action in ("retry", "reembed", "trash"):
        answer = api(f"/uploads/{upload.pk}/{action}", {})
        assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    assert api(f"/uploads/{upload.pk}/move", {"into": str(upload.pk)}).status_code == 404
    run_tasks()
    assert {job["state"] for job in api("/jobs").json()["jobs"]} == {"done"}
    assert Image.objects.filter(state=State.TRASHED).count() == 2


def test_the_api_lists_cancels_and_takes_back_jobs(api, upload, charlie):
    job = api("/jobs", {"kind": "throw-away", "images": [str(pk) for pk in Image.objects.values_list("pk", flat=True)]}).json()
    jobs.run(job["id"])
    shown = api(f"/jobs/{job['id']}").json()
    assert (shown["message"], shown["can_undo"], shown["report"]) == ("2 images are in the trash.", True, [])
    assert api(f"/jobs/{job['id']}/undo", {}).json()["kind"] == "bring-back"
    assert api(f"/jobs/{job['id']}/undo", {}).status_code == 400
    waiting = api("/jobs?state=waiting").json()["jobs"][0]
    assert api(f"/jobs/{waiting['id']}/cancel", {}).json()["state"] == "cancelled"
    foreign = jobs.start("retry", user=charlie)
    assert api(f"/jobs/{foreign.pk}").status_code == 404


def test_the_api_shows_brings_back_and_deletes_from_the_trash(api, upload, client, alice):
    first, second = Image.objects.order_by("name")
    for image_ in (first, second):
        assert client.delete(f"/api/v1/images/{image_.pk}", headers=_headers(alice)).status_code == 204
    listed = api("/trash").json()
    assert (listed["total"], {each["by"] for each in listed["images"]}) == (2, {"alice"})
    assert api("/trash/back", {"images": [str(first.pk)]}).json() == {"back": [str(first.pk)], "same": []}
    assert api("/trash/delete", {"images": [str(first.pk), str(second.pk)]}).json() == {"deleted": 1}
    assert Image.objects.get() == first
    assert client.delete(f"/api/v1/images/{first.pk}?for_good=true", headers=_headers(alice)).status_code == 204
    assert not Image.objects.exists()


def _headers(user) -> dict[str, str]:
    return {"authorization": f"Bearer {ApiToken.issue(user, 'other')[1]}"}
