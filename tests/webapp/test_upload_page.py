"""What the upload page shows besides its fields: uploads that can go on, how the table is read, folders of the machine."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from tests.webapp.conftest import picture, run_tasks, told
from tests.webapp.test_pages_upload import announce, file
from webapp.library.models import FieldDefinition, Image, TableMapping, Upload

pytestmark = pytest.mark.django_db


def page(browser, collection) -> str:
    return told(browser.get(f"/collections/{collection.pk}/upload"))


def check(browser, collection, *names: str, **also):
    listed = json.dumps([[name, 100, ""] for name in names])
    return browser.post(f"/collections/{collection.pk}/check", {"files": listed, **also})


# --- going on -----------------------------------------------------------------------------------------------------------


def test_an_upload_whose_files_have_not_arrived_can_go_on(signed_in, alice, collection):
    announce(signed_in(alice), collection, ("a.png", picture()), ("b.png", picture()))
    shown = page(signed_in(alice), collection)
    assert "2 files of 2" in shown
    assert f"/uploads/{Upload.objects.get().pk}/pending" in shown


def test_that_of_another_person_or_a_cancelled_one_is_not_offered(signed_in, alice, carol, collection):
    announce(signed_in(alice), collection, ("a.png", picture()))
    assert "Not finished yet" not in page(signed_in(carol), collection)
    Upload.objects.update(cancelled_at=timezone.now())
    assert "Not finished yet" not in page(signed_in(alice), collection)


def test_without_the_script_for_transfers_the_form_is_a_plain_one(settings, signed_in, alice, collection):
    settings.RESUMABLE = False
    plain = page(signed_in(alice), collection)
    assert "tus.min.js" not in plain
    assert "js/upload.js" not in plain
    settings.RESUMABLE = True
    assert "tus-js-client/tus.min.js" in page(signed_in(alice), collection)


# --- the table ----------------------------------------------------------------------------------------------------------


def test_the_check_tells_how_the_table_is_read(signed_in, alice, collection):
    table = file("t.csv", b"file;finding;depth (mm)\na.png;naevus;1.5\n")
    read = check(signed_in(alice), collection, "a.png", table=table).json()["table"]
    assert (read["key_column"], read["headings"], read["rows"]) == ("file", ["file", "finding", "depth (mm)"], 1)
    assert read["columns"]["finding"] == "finding"
    assert read["preview"][0][:3] == ["2", "a.png", "naevus"]


def test_rows_with_errors_come_whole_so_that_they_can_be_put_right(signed_in, alice, collection):
    table = file("t.csv", b"file,mpp,note\na.png,wide,x\n")
    [error] = check(signed_in(alice), collection, "a.png", table=table).json()["table"]["errors"]
    assert (error["row"], error["column"]) == (2, "mpp")
    assert error["cells"] == [["file", "a.png"], ["mpp", "wide"], ["note", "x"]]


def test_a_table_in_which_nothing_names_files_asks_which_column_does(signed_in, alice, collection):
    table = b"code,finding\n7,naevus\n"
    read = check(signed_in(alice), collection, "7", table=file("t.csv", table)).json()["table"]
    assert (read["key_column"], read["headings"]) == ("", ["code", "finding"])
    refused = announce(signed_in(alice), collection, ("7.png", picture()), table=file("t.csv", table))
    assert (refused.status_code, Upload.objects.count()) == (422, 0)
    mapping = json.dumps({"match": "name", "key_column": "code", "columns": {"finding": "finding"}})
    assert (
        announce(signed_in(alice), collection, ("7.png", picture()), table=file("t.csv", table), mapping=mapping).status_code
        == 201
    )


def test_how_a_table_was_read_is_kept_when_it_is_used_and_not_before(signed_in, alice, collection):
    mapping = json.dumps({"match": "name", "key_column": "file", "columns": {"note": "finding"}})
    also = {"mapping": mapping}
    check(signed_in(alice), collection, "a.png", table=file("t.csv", b"file,note\na.png,naevus\n"), **also)
    assert not TableMapping.objects.exists()
    announce(signed_in(alice), collection, ("a.png", picture()), table=file("t.csv", b"file,note\na.png,naevus\n"), **also)
    assert TableMapping.objects.get().columns == {"note": "finding"}


@pytest.mark.parametrize("mapping", ["nonsense", "[]", '{"match": "none"}', '{"key_column": "none"}'])
def test_a_mapping_that_is_none_is_refused(signed_in, alice, collection, mapping):
    answer = check(signed_in(alice), collection, "a.png", table=file("t.csv", b"file,note\na,b\n"), mapping=mapping)
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_a_column_can_be_a_field_that_the_collection_defines(signed_in, alice, collection):
    FieldDefinition.objects.create(collection=collection, name="depth")
    assert '<option value="depth">depth</option>' in page(signed_in(alice), collection)


# --- folders of the site's own machine ----------------------------------------------------------------------------------


@pytest.fixture
def shelf(settings, tmp_path):
    """A folder that may be taken in from, with one image in a folder below; and one beside it that may not."""
    (tmp_path / "shelf" / "march").mkdir(parents=True)
    (tmp_path / "shelf" / "march" / "a.png").write_bytes(picture())
    (tmp_path / "secret").mkdir()
    settings.IMPORT_FOLDERS = [tmp_path / "shelf"]
    return tmp_path / "shelf"


def test_no_folder_is_offered_where_none_is_allowed(settings, signed_in, alice, collection):
    settings.IMPORT_FOLDERS = []
    assert "own machine" not in page(signed_in(alice), collection)


def test_folders_are_looked_through(signed_in, alice, collection, shelf):
    assert "own machine" in page(signed_in(alice), collection)
    told = signed_in(alice).get(f"/collections/{collection.pk}/folders", {"folder": "0", "path": "march"}).json()
    assert (told["path"], told["lines"]) == ("march", [{"name": "a.png", "path": "march/a.png", "bytes": len(picture())}])


@pytest.mark.parametrize("place", [{"folder": "1"}, {"folder": "0", "path": "../secret"}, {"folder": "0", "path": "no"}, {}])
def test_what_is_not_below_an_allowed_folder_is_not_there(signed_in, alice, collection, shelf, place):
    answers = [
        signed_in(alice).get(f"/collections/{collection.pk}/folders", place),
        signed_in(alice).post(f"/collections/{collection.pk}/folders/check", place),
        signed_in(alice).post(f"/collections/{collection.pk}/import", place, headers={"Accept": "application/json"}),
    ]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (422, "There is no such folder or file, or it is not one that may be taken in.")
    }
    assert not Upload.objects.exists()


def test_a_folder_is_checked_then_taken_in(signed_in, alice, collection, shelf):
    place = {"folder": "0", "path": "march", "stain": "PAS"}
    seen = signed_in(alice).post(f"/collections/{collection.pk}/folders/check", place).json()
    assert [(each["name"], each["verdict"]) for each in seen["files"]] == [("a.png", "new")]
    assert not Upload.objects.exists()
    answer = signed_in(alice).post(f"/collections/{collection.pk}/import", place)
    assert answer["Location"] == f"/uploads/{Upload.objects.get().pk}"
    run_tasks()
    assert Image.objects.get().stain == "PAS"


def test_a_form_whose_path_is_wrong_says_so(signed_in, alice, collection, shelf):
    answer = signed_in(alice).post(f"/collections/{collection.pk}/import", {"folder": "0", "path": "april"})
    assert answer.status_code == 422
    assert "There is no such folder" in told(answer)
    assert 'value="april"' in told(answer)


def test_only_who_may_change_the_collection_looks_into_folders(signed_in, bob, charlie, collection, shelf):
    for person in (bob, charlie):
        browser = signed_in(person)
        assert browser.get(f"/collections/{collection.pk}/folders", {"folder": "0"}).status_code == 404
        assert browser.post(f"/collections/{collection.pk}/folders/check", {"folder": "0"}).status_code == 404
        assert browser.post(f"/collections/{collection.pk}/import", {"folder": "0"}).status_code == 404
