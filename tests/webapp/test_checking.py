"""The dry run: what would become of files, before a byte moves."""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.webapp.conftest import added, picture, run_tasks, stored
from webapp.library import checking, ingest, tables
from webapp.library.kinds import NewFile
from webapp.library.models import Collection, IdentityPattern, Image, Kind, State, Upload, Visibility

pytestmark = pytest.mark.django_db


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def table(data: bytes, collection=None) -> tables.Said:
    sheet = tables.read(data, "captions.csv")
    return tables.validated(sheet, tables.mapping_for(collection, sheet), collection)


def verdicts(collection, *files: NewFile, user=None) -> list[str]:
    return [str(each.verdict) for each in checking.check(collection, files, user=user).files]


def one(collection, file: NewFile, *, user=None) -> checking.Checked:
    [checked] = checking.check(collection, [file], user=user).files
    return checked


@pytest.fixture(autouse=True)
def patterns(db) -> None:
    IdentityPattern.objects.all().delete()
    IdentityPattern.objects.create(name="record number", pattern=r"\bMRN\W*\d{5,}")


def test_each_file_gets_its_verdict_by_name_size_and_checksum(collection, settings):
    settings.MAX_FILE_BYTES = 1000
    there = picture()
    added(collection, there)
    files = [
        NewFile("a.png", 10, "1" * 64), NewFile("b.png", len(there), sha(there)), NewFile("c.png", 10, "1" * 64),
        NewFile("d.docx", 10), NewFile("e.png", 1001), NewFile("f.png", 0), NewFile("MRN 12345/g.png", 10),
        NewFile("a.txt", 10), NewFile("h.zip", 5000),
    ]  # fmt: skip
    assert verdicts(collection, *files) == [
        "new", "duplicate", "twice", "unsupported", "too_large", "empty", "identity", "attached", "archive",
    ]  # fmt: skip
    assert checking.check(collection, files, user=None).counts["new"] == 1


@pytest.mark.parametrize("odd", ["a\ud800.png", "a\0.png"])
def test_a_name_that_no_database_takes_is_compared_as_it_is_shown(collection, odd):
    """Half of a character is what a name in another coding than the system's becomes; PostgreSQL takes no NUL either."""
    added(collection, picture(), name=odd)
    checked = one(collection, NewFile(odd, 5))
    assert (checked.verdict, checked.text) == ("new", "Another file of this name is there already; both are kept.")
    files = [NewFile(odd, 5, "1" * 64), NewFile("b.png", 5, "1" * 64), NewFile(f"c.x{odd[1]}", 5)]
    upload = ingest.start_upload(user=None, collection=collection, source="api", files=files)
    assert all(text.isprintable() for row in upload.items.values_list("name", "reason_text") for text in row)


def test_a_duplicate_names_the_image_that_it_repeats(collection):
    image = stored(collection, picture())
    assert one(collection, NewFile("b.png", 10, sha(picture()))).image == image.pk


def test_what_failed_or_lies_in_the_trash_is_no_duplicate(collection):
    added(collection, b"broken")
    run_tasks()
    trashed = stored(collection, picture())
    Image.objects.filter(pk=trashed.pk).update(state=State.TRASHED)
    assert verdicts(collection, NewFile("a.png", 6, sha(b"broken")), NewFile("b.png", 9, sha(picture()))) == ["new", "new"]


def test_a_copy_in_another_collection_is_told_to_whoever_sees_it(collection, team_a, alice):
    other = Collection.objects.create(team=team_a, name="Hearts", visibility=Visibility.TEAM)
    added(other, picture())
    checked = one(collection, NewFile("a.png", 10, sha(picture())), user=alice)
    assert (checked.verdict, checked.text) == ("new", "Also in Hearts.")


def test_another_teams_copy_is_never_told(collection, foreign_collection, alice):
    unknown = one(collection, NewFile("field.png", 10, sha(picture())), user=alice)
    added(foreign_collection, picture())
    assert one(collection, NewFile("field.png", 10, sha(picture())), user=alice) == unknown
    assert one(collection, NewFile("field.png", len(picture())), user=alice).text == ""


def test_a_copy_that_is_held_elsewhere_is_told_to_its_reviewers_only(collection, team_a, alice, bob):
    other = Collection.objects.create(team=team_a, name="Hearts", visibility=Visibility.TEAM)
    Image.objects.filter(pk=stored(other, picture()).pk).update(state=State.HELD)
    file = NewFile("a.png", 10, sha(picture()))
    assert (one(collection, file, user=bob).text, one(collection, file, user=alice).text) == ("", "Also in Hearts.")


def test_a_file_of_the_same_name_is_remarked_on(collection):
    image = stored(collection, picture())
    assert "name and size" in one(collection, NewFile("x/field.png", image.bytes)).text
    assert "both are kept" in one(collection, NewFile("field.png", 5, "2" * 64)).text


def test_what_looks_like_a_patient_is_held_and_only_the_patterns_name_is_told(collection):
    checked = one(collection, NewFile("Doe MRN 123456.png", 10))
    assert checked.held
    assert "record number" in checked.text
    assert "123456" not in checked.text


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("A.JPEG", "new"), ("1.2.840.113619.2.5", "new"), ("IM000001", "new"), ("scan.0001", "new"), ("a.svs", "new"),
        ("a.svg", "unsupported"), ("a.html", "unsupported"), ("a.csv", "unsupported"), ("lonely.txt", "unsupported"),
        (".png", "new"), ("a.PNG.exe", "unsupported"), ("c:\\x\\y.tif", "new"), ("folder.png/", "new"), ("x.Zip", "archive"),
    ],
)  # fmt: skip
def test_a_name_says_what_is_worth_sending(collection, name, verdict):
    assert verdicts(collection, NewFile(name, 10)) == [verdict]


def test_words_are_a_sidecar_only_beside_their_image(collection):
    names = ["f/a.jpg", "f/a.txt", "f/a.jpg.json", "g/a.txt", "f/b.txt"]
    found = verdicts(collection, *(NewFile(name, 5) for name in names))
    assert found == ["new", "attached", "attached", "unsupported", "unsupported"]


def test_a_table_and_its_files_are_compared_both_ways(collection):
    said = table(b"file,caption\nx/a.png,A\nb.png,B\ngone.png,C\n")
    files = [NewFile("x/a.png", 5), NewFile("y/b.png", 5), NewFile("c.png", 5)]
    told = checking.check(collection, files, user=None, said=said)
    assert (told.rows_without_file, told.rows_for_archives) == ([(4, "gone.png")], 0)
    assert told.files_without_row == ["c.png"]


def test_rows_may_be_about_what_is_in_an_archive_that_nobody_has_opened_yet(collection):
    said = table(b"file,caption\na.png,A\ngone.png,C\n")
    told = checking.check(collection, [NewFile("a.png", 5), NewFile("d.zip", 5)], user=None, said=said)
    assert (told.rows_without_file, told.rows_for_archives, told.files_without_row) == ([], 1, [])
    empty = checking.check(collection, [NewFile("a.png", 5), NewFile("d.zip", 0)], user=None, said=said)
    assert (empty.rows_without_file, empty.rows_for_archives) == ([(3, "gone.png")], 0)


def test_what_a_check_refuses_has_ended_when_the_upload_starts(collection):
    image = stored(collection, picture())
    files = [NewFile("a.exe", 5), NewFile("b.png", 5, image.sha256), NewFile("c.png", 5, "3" * 64), NewFile("d.png", 5, "3" * 64)]
    items = ingest.start_upload(user=None, collection=collection, source="api", files=files).items.order_by("pk")
    assert [(item.state, item.reason) for item in items] == [
        ("failed", "unsupported_type"), ("duplicate", "duplicate"), ("pending", ""), ("duplicate", "duplicate"),
    ]  # fmt: skip
    assert items[1].image == image


def test_the_second_of_two_alike_is_linked_with_the_first_when_that_has_come(collection):
    data = picture("brown")
    files = [NewFile("a.png", len(data), sha(data)), NewFile("b.png", len(data), sha(data))]
    upload = ingest.start_upload(user=None, collection=collection, source="api", files=files)
    ingest.accept(upload.items.order_by("pk")[0], io.BytesIO(data))
    assert upload.items.order_by("pk")[1].image == Image.objects.get()


def test_a_tables_words_are_kept_with_their_item(collection, alice):
    said = table(b"file,organ\na.png,heart\n")
    upload = ingest.start_upload(user=alice, collection=collection, source="api", files=[NewFile("a.png", 5)], said=said)
    assert upload.items.get().metadata == {"organ": "heart"}


def test_kinds_are_kept_with_their_items(collection):
    files = [NewFile(name, 5) for name in ("a.png", "a.txt", "b.zip")]
    upload = ingest.start_upload(user=None, collection=collection, source="api", files=files)
    assert list(upload.items.order_by("pk").values_list("kind", flat=True)) == [Kind.FILE, Kind.SIDECAR, Kind.ARCHIVE]


def test_thousands_of_files_are_checked_with_a_handful_of_questions(collection, alice, django_assert_max_num_queries):
    files = [NewFile(f"{number}.png", 100, f"{number:064x}") for number in range(2000)]
    with django_assert_max_num_queries(30):
        checking.check(collection, files, user=alice)
    with django_assert_max_num_queries(50):
        ingest.start_upload(user=alice, collection=collection, source="api", files=files)


# --- the page's address -----------------------------------------------------------------------------------------------


def ask(browser, collection, files, **also):
    part = SimpleUploadedFile("files.json", json.dumps(files).encode())
    return browser.post(f"/collections/{collection.pk}/check", {"files": part, **also})


def test_a_page_is_told_in_json_and_nothing_is_written(signed_in, alice, collection):
    image = stored(collection, picture())
    Upload.objects.all().delete()
    table = SimpleUploadedFile("captions.csv", b"file,caption\na.png,A\nz.png,Z\n")
    told = ask(signed_in(alice), collection, [["a.png", 9, ""], ["b.png", 9, image.sha256]], table=table).json()
    assert told["files"][0] == {
        "name": "a.png", "bytes": 9, "verdict": "new", "text": "", "image": None, "held": False,
    }  # fmt: skip
    assert told["files"][1]["image"] == f"/images/{image.pk}"
    assert (told["rows_without_file"], told["files_without_row"]) == ([{"row": 3, "key": "z.png"}], ["b.png"])
    assert (told["counts"], told["refusal"]) == ({"new": 1, "duplicate": 1}, "")
    assert not Upload.objects.exists()


def test_why_nothing_may_start_is_told(signed_in, alice, collection, settings):
    settings.MAX_FILES_AN_UPLOAD = 1
    files = [["a.png", 9, ""], ["b.png", 9, ""]]
    assert "MAX_FILES_AN_UPLOAD" in ask(signed_in(alice), collection, files).json()["refusal"]
    refused = signed_in(alice).post(f"/collections/{collection.pk}/announce", {"files": json.dumps(files)})
    assert (refused.status_code, refused.json()["reason"]) == (413, "too_many_files")


@pytest.mark.parametrize(
    "files",
    [7, {}, [], [["a"]], [["", 5]], [["a", -1]], [["a", True]], [["a", 2**60]], [["a", 1.5]], [["a", 5, "xyz"]], [[5, 5, ""]]],
)
def test_a_list_that_is_none_is_refused_in_a_sentence(signed_in, alice, collection, files):
    answer = ask(signed_in(alice), collection, files)
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_a_list_of_deep_brackets_is_refused(signed_in, alice, collection):
    part = SimpleUploadedFile("files.json", b"[" * 100_000)
    assert signed_in(alice).post(f"/collections/{collection.pk}/check", {"files": part}).status_code == 422


def test_a_table_that_cannot_be_read_is_told(signed_in, alice, collection):
    answer = ask(signed_in(alice), collection, [["a.png", 9, ""]], table=SimpleUploadedFile("t.csv", b""))
    assert (answer.status_code, bool(answer.json()["detail"])) == (422, True)


def test_checking_is_for_editors(signed_in, client, bob, charlie, collection):
    for person in (bob, charlie):
        assert ask(signed_in(person), collection, [["a.png", 9, ""]]).status_code == 404
    client.logout()
    assert ask(client, collection, [["a.png", 9, ""]]).status_code == 302
