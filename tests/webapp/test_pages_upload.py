"""Uploading by browser: the plain form, and the way that upload.js takes."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.webapp.conftest import picture, run_tasks, told
from webapp.library.models import Image, Upload, UploadItem

pytestmark = pytest.mark.django_db


def file(name: str, data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def announce(browser, collection, *files: tuple[str, bytes], **also):
    listed = json.dumps([[name, len(data)] for name, data in files])
    return browser.post(f"/collections/{collection.pk}/announce", {"files": listed, **also})


def test_the_form_takes_many_files_and_leads_to_the_receipt(signed_in, alice, collection):
    files = [file("a.png", picture("pink")), file("b.png", picture("brown")), file("c.jpg", b"no picture")]
    answer = signed_in(alice).post(f"/collections/{collection.pk}/upload", {"files": files, "stain": "H&E"})
    upload = Upload.objects.get()
    assert answer["Location"] == f"/uploads/{upload.pk}"
    run_tasks()
    page = told(signed_in(alice).get(answer["Location"]))
    assert "<dd>3</dd>" in page
    assert page.index("c.jpg") < page.index("a.png")
    assert Image.objects.filter(stain="H&E").count() == 3


def test_the_form_without_files_says_so(signed_in, alice, collection):
    answer = signed_in(alice).post(f"/collections/{collection.pk}/upload", {"stain": "H&E"})
    assert answer.status_code == 422
    assert "Choose at least one file" in told(answer)


def test_what_cannot_be_kept_is_refused_before_any_file(signed_in, alice, collection):
    answer = signed_in(alice).post(f"/collections/{collection.pk}/upload", {"files": [file("a.png", picture())], "mpp": "wide"})
    assert answer.status_code == 422
    assert not Upload.objects.exists()


def test_a_captions_file_says_what_each_file_shows(signed_in, alice, collection):
    table = file("captions.csv", b"file;caption;organ\na.png;Pink muscle;heart\n")
    files = [file("a.png", picture("pink")), file("b.png", picture("brown"))]
    signed_in(alice).post(f"/collections/{collection.pk}/upload", {"files": files, "table": table, "organ": "colon"})
    organs = dict(Image.objects.values_list("name", "organ"))
    assert organs == {"a.png": "heart", "b.png": "colon"}
    assert Image.objects.get(name="a.png").captions.get().text == "Pink muscle"


@pytest.mark.parametrize("table", [b"\xff\xfe\x00", b"caption\nx\n", b"", b"PK\x03\x04"])
def test_a_captions_file_that_cannot_be_read_is_refused(signed_in, alice, collection, table):
    files = {"files": [file("a.png", picture())], "table": file("captions.csv", table)}
    answer = signed_in(alice).post(f"/collections/{collection.pk}/upload", files)
    assert answer.status_code == 422
    assert "table" in told(answer).lower()


def test_rows_that_cannot_be_taken_are_kept_for_the_receipt_and_the_others_count(signed_in, alice, collection):
    table = file("captions.csv", b"file,mpp,stain\na.png,wide,PAS\nb.png,0.5,PAS\n")
    files = [file("a.png", picture("pink")), file("b.png", picture("brown"))]
    signed_in(alice).post(f"/collections/{collection.pk}/upload", {"files": files, "table": table})
    assert dict(Image.objects.values_list("name", "stain")) == {"a.png": "", "b.png": "PAS"}
    assert [(error["row"], error["column"]) for error in Upload.objects.get().table_errors] == [(2, "mpp")]


def test_announced_files_have_a_line_before_they_are_sent(signed_in, alice, collection):
    answer = announce(signed_in(alice), collection, ("a.png", b"a"), ("b.png", b"b"))
    page = told(signed_in(alice).get(answer.json()["receipt"]))
    assert answer.status_code == 201
    assert page.count("waiting") == 2


def send(browser, address, data: bytes):
    """One file in one request, as tus takes it."""
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
    return browser.patch(address, data, content_type="application/offset+octet-stream", headers=headers)


def test_files_go_up_one_by_one_with_what_the_captions_file_says(signed_in, alice, collection):
    table = file("captions.csv", b"file,caption\na.png,Pink muscle\n")
    answer = announce(signed_in(alice), collection, ("folder/a.png", picture()), table=table, case="S1")
    assert send(signed_in(alice), answer.json()["items"][0]["address"], picture()).status_code == 204
    assert (Image.objects.get().case, Image.objects.get().captions.get().text) == ("S1", "Pink muscle")


def test_only_what_is_to_be_sent_gets_an_address(signed_in, alice, collection):
    announced = (("a.png", picture()), ("b.exe", b"MZ"), ("c.png", b""))
    answer = announce(signed_in(alice), collection, *announced).json()
    assert [item["name"] for item in answer["items"]] == ["a.png"]
    states = UploadItem.objects.order_by("pk").values_list("state", "reason")
    assert list(states) == [("pending", ""), ("failed", "unsupported_type"), ("failed", "empty")]


def test_the_same_bytes_twice_are_one_image_and_a_duplicate(signed_in, alice, collection):
    items = announce(signed_in(alice), collection, ("a.png", picture()), ("b.png", picture())).json()["items"]
    states = [send(signed_in(alice), item["address"], picture())["Upload-State"] for item in items]
    assert states == ["accepted", "duplicate"]


@pytest.mark.parametrize("files", ["", "[]", "{}", "[1]", '[["a"]]', '[["a", "b"]]'])
def test_a_list_of_files_that_is_none_is_refused(signed_in, alice, collection, files):
    answer = signed_in(alice).post(f"/collections/{collection.pk}/announce", {"files": files})
    assert answer.status_code == 422
    assert not Upload.objects.exists()


def test_the_receipt_renews_itself_until_all_is_done(signed_in, alice, collection):
    answer = announce(signed_in(alice), collection, ("a.png", picture())).json()
    state = answer["receipt"] + "/state"
    assert 'hx-trigger="every 2s"' in told(signed_in(alice).get(state))
    send(signed_in(alice), answer["items"][0]["address"], picture())
    run_tasks()
    done = signed_in(alice).get(state)
    assert done.status_code == 286
    assert "hx-trigger" not in told(done)


def test_uploading_needs_an_editor(signed_in, client, bob, charlie, alice, collection):
    made = announce(signed_in(alice), collection, ("a.png", picture())).json()
    addresses = [made["receipt"], made["receipt"] + "/state", f"/collections/{collection.pk}/upload"]
    client.logout()
    assert all(client.get(address).status_code == 302 for address in addresses)
    for person in (bob, charlie):
        assert [signed_in(person).get(address).status_code for address in addresses] == [404] * 3
        assert announce(signed_in(person), collection, ("b.png", picture())).status_code == 404
        assert send(signed_in(person), made["items"][0]["address"], picture()).status_code == 404
    assert Upload.objects.count() == 1


def test_a_form_needs_its_token(collection, alice):
    from django.test import Client

    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert announce(browser, collection, ("a.png", picture())).status_code == 403


def test_uploads_are_taken_while_the_index_is_away(signed_in, alice, collection, broken_index):
    files = [file("a.png", picture())]
    assert signed_in(alice).post(f"/collections/{collection.pk}/upload", {"files": files}).status_code == 302
