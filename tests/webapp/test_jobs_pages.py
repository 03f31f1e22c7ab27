"""Pages of long work and of the trash: who sees what, and what the buttons do."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.webapp.conftest import run_tasks, told
from webapp.accounts.models import User
from webapp.library import job_pages, jobs, trash
from webapp.library.bulk_jobs import Which
from webapp.library.models import Image, Job, JobState, State

pytestmark = pytest.mark.django_db


def these(*images: Image):
    return Image.objects.filter(pk__in=[image.pk for image in images])


@pytest.fixture
def thrown(make_image, alice) -> Image:
    image: Image = make_image(caption="A pink field", name="secret.png")
    trash.throw_away(these(image), user=alice)
    return image


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_ones_own_jobs_and_a_collections_are_listed(signed_in, alice, bob, carol, charlie, collection):
    job = Which(collection=collection).start("retry", user=alice)
    assert str(job.pk) in told(signed_in(alice).get("/jobs"))
    assert str(job.pk) in told(signed_in(carol).get(f"/collections/{collection.pk}/jobs"))
    assert str(job.pk) not in told(signed_in(carol).get("/jobs"))
    for person in (bob, charlie):
        assert signed_in(person).get(f"/collections/{collection.pk}/jobs").status_code == 404
        assert str(job.pk) not in told(signed_in(person).get("/jobs"))


def test_the_list_renews_itself_while_something_runs(signed_in, alice, collection):
    Which(collection=collection).start("retry", user=alice)
    browser = signed_in(alice)
    assert 'hx-trigger="every 2s"' in told(browser.get("/jobs"))
    run_tasks()
    part = browser.get("/jobs", headers={"hx-request": "true"})
    assert part.status_code == 286
    assert part["HX-Trigger"] == "job-ended"  # the number at the top of the page is fetched anew
    assert 'hx-trigger="every' not in told(part)
    assert "0 images are tried again." in told(part)


def test_progress_and_time_left_are_told(signed_in, alice, collection):
    from datetime import timedelta

    from django.utils import timezone

    job = Which(collection=collection).start("retry", user=alice)
    begun = timezone.now() - timedelta(seconds=100)
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING, total=1000, done=100, started_at=begun)
    page = told(signed_in(alice).get("/jobs"))
    assert "100 of 1,000, about 15 minutes left" in page


def test_the_hint_says_how_much_runs_and_then_hides(signed_in, alice, collection):
    browser = signed_in(alice)
    assert "hidden" in told(browser.get("/jobs/hint"))
    Which(collection=collection).start("retry", user=alice)
    hint = told(browser.get("/jobs/hint"))
    assert '<span class="number">1</span> job<span class="words"> running</span>' in hint
    assert "every 10s" in hint


def test_a_job_is_cancelled_by_whoever_sees_it(signed_in, alice, carol, charlie, bob, collection):
    job = Which(collection=collection).start("retry", user=alice)
    for person in (charlie, bob):
        assert signed_in(person).post(f"/jobs/{job.pk}/cancel").status_code == 404
    answer = signed_in(carol).post(f"/jobs/{job.pk}/cancel", {"back": f"/collections/{collection.pk}/jobs"})
    assert answer["Location"] == f"/collections/{collection.pk}/jobs"
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert signed_in(carol).post(f"/jobs/{job.pk}/cancel", {"back": "https://evil.example"})["Location"] == "/jobs"


def test_throwing_away_a_tab_is_taken_back_from_the_list(signed_in, alice, collection, make_image):
    image, browser = make_image(), signed_in(alice)
    assert "Throw away 1" in told(browser.get(f"/collections/{collection.pk}?show=ready"))
    browser.post(f"/collections/{collection.pk}/throw-away", {"show": "ready"})
    run_tasks()
    page = told(browser.get(f"/collections/{collection.pk}/jobs"))
    [undo] = re.findall(r'action="(/jobs/[^"]+/undo)"', page)
    browser.post(undo)
    run_tasks()
    image.refresh_from_db()
    assert image.state == State.READY
    assert undo not in told(browser.get(f"/collections/{collection.pk}/jobs"))
    browser.post(undo)
    assert Job.objects.count() == 2


def test_what_could_not_be_done_is_a_table(signed_in, alice, charlie, collection):
    job = jobs.start("move", user=alice, collection=collection)
    Job.objects.filter(pk=job.pk).update(report=[{"image": "1", "text": "=2+2"}])
    browser = signed_in(alice)
    assert f"/jobs/{job.pk}/report.csv" in told(browser.get("/jobs"))
    table = b"".join(browser.get(f"/jobs/{job.pk}/report.csv").streaming_content).decode("utf-8-sig")
    assert table.splitlines() == ['"image","text"', '"1","\'=2+2"']
    assert signed_in(charlie).get(f"/jobs/{job.pk}/report.csv").status_code == 404


def test_rows_that_an_import_did_not_take_come_from_the_list_as_they_were_sent(signed_in, alice, collection):
    job = jobs.start("table", user=alice, collection=collection)
    wrong = {"row": 2, "column": "mpp", "text": "No number.", "cells": [["file", "ä.png"], ["mpp", "wide"]]}
    Job.objects.filter(pk=job.pk).update(report=[wrong])
    table = b"".join(signed_in(alice).get(f"/jobs/{job.pk}/report.csv").streaming_content)
    assert table.decode() == '\ufeff"file","mpp","row","what is wrong"\r\n"ä.png","wide","2","No number."\r\n'


def test_every_kind_of_work_has_a_name_for_people():
    for module in jobs.RUNNERS:
        import_module(module)
    assert set(jobs._RUNNERS) == set(job_pages.LABELS)


@pytest.mark.parametrize("action", ["throw-away", "retry", "reembed"])
def test_tabs_are_acted_on_by_editors_only(signed_in, bob, charlie, collection, action):
    for person in (bob, charlie):
        assert signed_in(person).post(f"/collections/{collection.pk}/{action}").status_code == 404
    assert not Job.objects.exists()


def test_the_admin_starts_jobs_on_images_and_uploads(client, alice, make_image):
    image = make_image()
    upload = image.upload_items.get().upload
    client.force_login(User.objects.create_superuser("root"))
    page = client.post("/admin/library/image/", {"action": "throw_away", "_selected_action": [str(image.pk)]}, follow=True)
    assert "long work" in told(page)
    for action in ("retry_failed", "embed_again", "cancel"):
        client.post("/admin/library/upload/", {"action": action, "_selected_action": [str(upload.pk)]})
    assert sorted(Job.objects.values_list("kind", flat=True)) == ["reembed", "retry", "throw-away"]
    run_tasks()
    image.refresh_from_db()
    assert image.state == State.TRASHED


# --- the trash --------------------------------------------------------------------------------------------------------


def test_the_trash_shows_what_lies_in_it_who_threw_it_and_how_long_it_stays(signed_in, alice, thrown, collection):
    for address in ("/trash", f"/collections/{collection.pk}/trash"):
        page = told(signed_in(alice).get(address))
        wanted = ("A pink field", "secret.png", "by alice", "30 days left", f"/trash/{thrown.pk}/thumbnail")
        assert all(text in page for text in wanted)
    picture = signed_in(alice).get(f"/trash/{thrown.pk}/thumbnail")
    assert picture.status_code == 200
    assert b"".join(picture.streaming_content).startswith(b"\xff\xd8")


def test_the_trash_is_for_editors(signed_in, client, bob, charlie, foreign_collection, thrown, collection):
    assert client.get("/trash")["Location"].startswith("/sign-in")
    for person in (bob, charlie):
        assert signed_in(person).get(f"/collections/{collection.pk}/trash").status_code == 404
        assert signed_in(person).get(f"/trash/{thrown.pk}/thumbnail").status_code == 404
        for action in ("back", "delete"):
            assert signed_in(person).post(f"/collections/{collection.pk}/trash/{action}").status_code == 404
            signed_in(person).post(f"/trash/{action}", {"image": str(thrown.pk), "word": "delete"})
    assert signed_in(bob).get("/trash").status_code == 404
    assert "secret.png" not in told(signed_in(charlie).get("/trash"))
    assert Image.objects.get().state == State.TRASHED


def test_what_is_ticked_comes_back(signed_in, alice, thrown):
    browser = signed_in(alice)
    assert "Tick images first." in told(browser.post("/trash/back", follow=True))
    assert "1 image is back." in told(browser.post("/trash/back", {"image": str(thrown.pk)}, follow=True))
    thrown.refresh_from_db()
    assert thrown.state == State.EMBEDDED


def test_nothing_goes_for_good_before_the_word_is_typed(signed_in, alice, thrown):
    browser = signed_in(alice)
    asked = browser.post("/trash/delete", {"image": str(thrown.pk)})
    assert (asked.status_code, "Delete 1 image for good?" in told(asked)) == (200, True)
    assert browser.post("/trash/delete", {"image": str(thrown.pk), "word": "yes"}).status_code == 422
    assert Image.objects.exists()
    page = browser.post("/trash/delete", {"image": str(thrown.pk), "word": " Delete "}, follow=True)
    assert "1 image deleted for good." in told(page)
    assert not Image.objects.exists()


def test_all_of_the_trash_goes_as_a_job(signed_in, alice, thrown, collection):
    browser = signed_in(alice)
    assert browser.post("/trash/delete", {"all": "yes"}).status_code == 200
    assert not Job.objects.exists()
    browser.post(f"/collections/{collection.pk}/trash/delete", {"all": "yes", "word": "delete"})
    run_tasks()
    assert (Job.objects.get().message, Image.objects.exists()) == ("1 image is deleted for good.", False)


def test_an_image_is_thrown_away_from_its_page_and_undone_from_the_message(signed_in, alice, make_image, bob):
    image, browser = make_image(), signed_in(alice)
    assert 'action="/selected/trash"' in told(browser.get(f"/images/{image.pk}"))
    page = browser.post("/selected/trash", {"images": str(image.pk), "back": f"/collections/{image.collection_id}"}, follow=True)
    assert "Threw away 1 image." in told(page)
    assert browser.get(f"/images/{image.pk}").status_code == 404
    [token] = re.findall(r'name="undo" value="([^"]+)"', told(page))
    browser.post("/selected/undo", {"undo": token})
    run_tasks()
    assert browser.get(f"/images/{image.pk}").status_code == 200
    assert 'action="/selected/trash"' not in told(signed_in(bob).get(f"/images/{image.pk}"))


def test_throwing_away_many_asks_first(signed_in, alice, make_image, monkeypatch):
    from webapp.library import tray_views

    monkeypatch.setattr(tray_views, "SURE_UP_TO", 1)
    images = [make_image(), make_image()]
    form = {"images": ",".join(str(image.pk) for image in images)}
    browser = signed_in(alice)
    assert "Throw away 2 images?" in told(browser.post("/selected/trash", form))
    assert not Image.objects.filter(state=State.TRASHED).exists()
    browser.post("/selected/trash", form | {"sure": "yes"})
    assert Image.objects.filter(state=State.TRASHED).count() == 2
