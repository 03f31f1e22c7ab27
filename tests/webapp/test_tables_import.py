"""A table over images that are there: looked at, imported by a job, taken back."""

from __future__ import annotations

import io
import os
import re
import time
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from openpyxl import Workbook

from tests.webapp.conftest import add, picture, run_tasks
from webapp.library import editing, files, jobs, table_drafts, table_import
from webapp.library.models import (
    Collection,
    FieldDefinition,
    FieldKind,
    Image,
    ImageChange,
    Job,
    JobState,
    Source,
    TableMapping,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def pictures(collection, alice) -> dict[str, Image]:
    """Three images as one upload of a folder brought them: f/a.png, f/b.png, g/a.png."""
    names = ["f/a.png", "f/b.png", "g/a.png"]
    upload = add(collection, {name: picture(seed=n) for n, name in enumerate(names)}, user=alice, stain="H&E")
    return {item.name: item.image for item in upload.items.select_related("image") if item.image}


@pytest.fixture
def browser(signed_in, alice):
    return signed_in(alice)


def told(answer) -> str:
    return str(answer.getvalue().decode())


def send(browser, collection, data: bytes | str, name: str = "table.csv"):
    file = SimpleUploadedFile(name, data.encode() if isinstance(data, str) else data)
    return browser.post(f"/collections/{collection.pk}/table", {"table": file})


def filled_in(page: str, **chosen: str) -> dict[str, str]:
    """The form as the page offers it, as a browser without script would send it."""
    form = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', page))
    for name, options in re.findall(r'<select name="([\w-]+)".*?>(.*?)</select>', page, re.DOTALL):
        form[name] = (re.findall(r'<option value="([^"]*)" selected', options) or [""])[0]
    return {name: value for name, value in form.items() if name != "csrfmiddlewaretoken"} | chosen


def imported(browser, collection, data: bytes | str, **chosen: str) -> Job:
    """Sent, looked at, confirmed and done."""
    address = send(browser, collection, data)["Location"]
    page = told(browser.get(address))
    if chosen:
        page = told(browser.post(address, filled_in(page, look="yes", **chosen)))
    answer = browser.post(address, filled_in(page, **{"import": "yes"}))
    job = Job.objects.get(pk=answer["Location"].rpartition("/")[2])
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def test_a_table_changes_what_it_names_and_nothing_else(browser, collection, pictures):
    job = imported(browser, collection, "path;Staining;caption;Depth\nf/a.png;PAS;Pink muscle;3\nf/b.png;;;\n")
    assert (job.state, job.message) == (JobState.DONE, "1 image changed. 1 other that the table names stayed as before.")
    image = Image.objects.get(pk=pictures["f/a.png"].pk)
    assert (image.stain, image.metadata, image.captions.get().text) == ("PAS", {"depth": "3"}, "Pink muscle")
    assert set(Image.objects.exclude(pk=image.pk).values_list("stain", flat=True)) == {"H&E"}
    change = image.changes.get()
    assert (change.source, change.evidence) == (Source.TABLE, {"job": str(job.pk), "row": 2})
    assert "changed from a table" in told(browser.get(f"/images/{image.pk}"))


def test_the_page_shows_what_would_change_before_anything_does(browser, collection, pictures):
    address = send(browser, collection, "path,stain\nf/a.png,PAS\nf/b.png,H&E\nx.png,PAS\nf/c.png,\n")["Location"]
    page = told(browser.get(address))
    assert "change 1 image<" in page
    assert re.search(r"<del>H&amp;E</del>.*?<ins>PAS</ins>", page, re.DOTALL)
    assert "No image of this collection is called «x.png»." in page
    assert not ImageChange.objects.exists()
    assert not Job.objects.exists()


def test_what_was_not_looked_at_is_not_imported(browser, collection, pictures):
    address = send(browser, collection, "path,stain,other\nf/a.png,PAS,x\n")["Location"]
    page = told(browser.get(address))
    answer = browser.post(address, filled_in(page, **{"import": "yes", "column-2": "organ"}))
    assert "The columns were changed" in told(answer)
    assert not Job.objects.exists()


def test_columns_are_chosen_and_remembered(browser, collection, pictures):
    imported(browser, collection, "bild,farbe\nf/a.png,PAS\n", key_column="bild", match="path", **{"column-1": "stain"})
    assert Image.objects.get(pk=pictures["f/a.png"].pk).stain == "PAS"
    assert TableMapping.objects.get().columns == {"farbe": "stain"}
    imported(browser, collection, "farbe,bild\nMasson,f/a.png\n")
    assert Image.objects.get(pk=pictures["f/a.png"].pk).stain == "Masson"


def test_a_column_that_names_no_file_has_to_be_chosen(browser, collection, pictures):
    address = send(browser, collection, "x,stain\n1,PAS\n")["Location"]
    page = told(browser.get(address))
    assert "Choose the column that names the images" in page
    assert browser.post(address, filled_in(page, look="yes")).status_code == 422


def test_images_are_named_by_id_as_an_exported_table_does(browser, collection, pictures):
    image = pictures["g/a.png"]
    job = imported(browser, collection, f'"id","collection","stain","tags","file"\n"{image.pk}","Kidneys","PAS","x; y","a.png"\n')
    image.refresh_from_db()
    assert (job.report, image.stain, image.tags, image.metadata) == ([], "PAS", ["x", "y"], {})


def test_one_name_of_two_images_is_an_error(browser, collection, pictures):
    job = imported(browser, collection, "file,stain\na.png,PAS\nb.png,PAS\n")
    assert [(row["row"], row["text"]) for row in job.report] == [
        (2, "«a.png» is the name of 2 images: write it with its path, or its id.")
    ]
    assert Image.objects.get(stain="PAS").name == "b.png"


def test_pages_of_one_file_are_meant_together(browser, collection, pictures):
    for page, image in enumerate((pictures["f/a.png"], pictures["g/a.png"]), 1):
        Image.objects.filter(pk=image.pk).update(page=page)
    imported(browser, collection, "file,stain\na.png,PAS\n")
    assert Image.objects.filter(stain="PAS").count() == 2


def test_an_image_that_came_twice_has_one_row(browser, collection, pictures):
    add(collection, {"again/c.png": picture(seed=0)})
    job = imported(browser, collection, "path,stain\nf/a.png,PAS\nagain/c.png,Masson\n")
    assert {row["row"] for row in job.report} == {2, 3}
    assert not Image.objects.exclude(stain="H&E").exists()


def test_wrong_rows_are_listed_and_can_be_sent_again_alone(browser, collection, pictures):
    FieldDefinition.objects.create(collection=collection, name="stain", kind=FieldKind.CHOICE, choices=["H&E", "PAS"])
    job = imported(browser, collection, "path,stain,note\nf/a.png,PSA,=1+1\nf/b.png,PAS,x\n")
    listed = browser.get(f"/collections/{collection.pk}/table-jobs/{job.pk}/errors.csv")
    corrected = told(listed)
    assert "«PAS»?" in corrected
    assert '"\'=1+1"' in corrected
    assert listed["Content-Type"].startswith("text/csv")
    again = imported(browser, collection, corrected.replace("PSA", "pas"))
    assert again.report == []
    assert Image.objects.get(pk=pictures["f/a.png"].pk).metadata == {"note": "=1+1"}


def test_tags_and_captions_are_added_and_empty_cells_leave_what_is_there(browser, collection, pictures, alice):
    image = pictures["f/a.png"]
    editing.edit(image.pk, {"tags": ["old"], "captions": ["Old words"], "organ": "colon"}, user=alice)
    imported(browser, collection, "path,tags,caption,organ\nf/a.png,new;old,Old words | New words,\n")
    image.refresh_from_db()
    assert (image.tags, image.organ) == (["old", "new"], "colon")
    assert [each.text for each in image.captions.all()] == ["Old words", "New words"]


def test_an_import_that_runs_again_changes_nothing_twice(browser, collection, pictures):
    address = send(browser, collection, "path,stain,caption\nf/a.png,PAS,Pink\nx.png,PAS,\n")["Location"]
    answer = browser.post(address, filled_in(told(browser.get(address)), **{"import": "yes"}))
    job = Job.objects.get(pk=answer["Location"].rpartition("/")[2])
    table = files.table(job.pk).read_bytes(), files.table(job.pk).with_suffix(".json").read_bytes()
    jobs.run(job.pk)
    files.table(job.pk).write_bytes(table[0])
    files.table(job.pk).with_suffix(".json").write_bytes(table[1])
    Job.objects.update(state=JobState.WAITING)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, len(job.report), ImageChange.objects.count()) == (JobState.DONE, 1, 1)
    Job.objects.update(state=JobState.WAITING)  # and once more, as if it had died between its last step and its end
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.message[:15]) == (JobState.DONE, "1 image changed")


def test_the_table_lies_nowhere_when_the_job_is_done(browser, collection, pictures, data_folder):
    job = imported(browser, collection, "path,stain\nf/a.png,Sentinel Doe\n")
    assert not list((data_folder / "files" / "tables").iterdir())
    assert "Sentinel" not in str(job.arguments)


def test_a_table_that_is_given_up_is_forgotten(browser, collection, pictures, data_folder):
    address = send(browser, collection, "path,stain\nf/a.png,PAS\n")["Location"]
    browser.post(address, {"forget": "yes"})
    assert not list((data_folder / "files" / "tables").iterdir())
    assert browser.get(address).status_code == 404


def test_old_tables_are_forgotten_and_those_of_open_jobs_are_not(browser, collection, pictures, data_folder, alice):
    send(browser, collection, "path,stain\nf/a.png,PAS\n")
    job = jobs.start(table_import.IMPORT, user=alice, collection=collection)
    table_drafts.hand_over(table_drafts.keep(b"file\na.png\n", "t.csv"), job)
    for path in (data_folder / "files" / "tables").iterdir():
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    assert table_drafts.forget_old() == 2
    assert {path.name.removesuffix(".json") for path in (data_folder / "files" / "tables").iterdir()} == {str(job.pk)}


# --- taken back -------------------------------------------------------------------------------------------------------


def take_back(browser, collection, job: Job) -> Job:
    answer = browser.post(f"/collections/{collection.pk}/table-jobs/{job.pk}/undo")
    undoing = Job.objects.get(pk=answer["Location"].rpartition("/")[2])
    jobs.run(undoing.pk)
    undoing.refresh_from_db()
    return undoing


def test_an_import_is_taken_back_whole(browser, collection, pictures):
    job = imported(browser, collection, "path,stain,tags,caption,depth,mpp\nf/a.png,PAS,x,Pink,3,0.5\nf/b.png,PAS,,,,\n")
    undoing = take_back(browser, collection, job)
    assert (undoing.state, undoing.message) == (JobState.DONE, "Taken back for 2 images.")
    image = Image.objects.get(pk=pictures["f/a.png"].pk)
    assert (image.stain, image.tags, image.metadata, image.mpp, image.captions.count()) == ("H&E", [], {}, None, 0)
    assert take_back(browser, collection, job).message == "Taken back for 0 images."


def test_what_somebody_changed_since_stays_and_is_told(browser, collection, pictures, alice):
    job = imported(browser, collection, "path,stain\nf/a.png,PAS\nf/b.png,PAS\n")
    editing.edit(pictures["f/a.png"].pk, {"stain": "Masson"}, user=alice)
    undoing = take_back(browser, collection, job)
    assert undoing.message == "Taken back for 1 image. 1 had been changed since and stayed as before."
    assert [row["value"] for row in undoing.report] == ["a.png"]
    assert Image.objects.get(pk=pictures["f/a.png"].pk).stain == "Masson"


def test_what_is_taken_back_was_right_when_it_was_said(browser, collection, pictures):
    job = imported(browser, collection, "path,stain\nf/a.png,PAS\n")
    FieldDefinition.objects.create(collection=collection, name="stain", kind=FieldKind.CHOICE, choices=["PAS"])
    take_back(browser, collection, job)
    assert Image.objects.get(pk=pictures["f/a.png"].pk).stain == "H&E"


def test_a_running_import_is_cancelled_and_not_taken_back(browser, collection, pictures, alice, data_folder):
    job = jobs.start(table_import.IMPORT, user=alice, collection=collection)
    page = f"/collections/{collection.pk}/table-jobs/{job.pk}"
    assert browser.post(f"{page}/undo")["Location"] == page
    table_drafts.hand_over(table_drafts.keep(b"file\na.png\n", "t.csv"), job)
    assert browser.post(f"/jobs/{job.pk}/cancel", {"back": page})["Location"] == page
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert "Cancelled" in told(browser.get(page))
    table_drafts.forget_old()
    assert not list((data_folder / "files" / "tables").iterdir())


# --- who may, and what goes wrong -------------------------------------------------------------------------------------


def test_a_right_that_ended_meanwhile_ends_the_import(browser, collection, pictures, alice, team_a):
    address = send(browser, collection, "path,stain\nf/a.png,PAS\n")["Location"]
    browser.post(address, filled_in(told(browser.get(address)), **{"import": "yes"}))
    alice.memberships.all().delete()
    job = Job.objects.get()
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.message) == (JobState.FAILED, "You may not change this collection any more.")
    assert not ImageChange.objects.exists()


def test_other_collections_images_are_not_named(browser, collection, foreign_collection, pictures, charlie):
    add(foreign_collection, {"z.png": picture(seed=77)})
    foreign = Image.objects.get(collection=foreign_collection)
    job = imported(browser, collection, f"id,stain\n{foreign.pk},PAS\n")
    assert job.report[0]["text"] == f"No image of this collection is called «{foreign.pk}»."
    foreign.refresh_from_db()
    assert foreign.stain == ""


def test_importing_needs_an_editor(signed_in, client, alice, bob, charlie, collection, pictures):
    address = send(signed_in(alice), collection, "path,stain\nf/a.png,PAS\n")["Location"]
    job = imported(signed_in(alice), collection, "path,stain\nf/a.png,PAS\n")
    page = f"/collections/{collection.pk}/table-jobs/{job.pk}"
    addresses = [address, f"/collections/{collection.pk}/table", page, f"{page}/state", f"{page}/errors.csv"]
    client.logout()
    assert all(client.get(each).status_code == 302 for each in addresses)
    for person in (bob, charlie):
        assert {signed_in(person).get(each).status_code for each in addresses} == {404}
        assert {signed_in(person).post(f"{page}/{what}").status_code for what in ("undo", "cancel")} == {404}
        assert send(signed_in(person), collection, "path\nf/a.png\n").status_code == 404


def test_a_table_is_its_senders_own(signed_in, alice, carol, collection, pictures):
    address = send(signed_in(alice), collection, "path,stain\nf/a.png,PAS\n")["Location"]
    assert signed_in(carol).get(address).status_code == 404


def test_a_job_is_shown_in_its_own_collection_only(browser, alice, team_a, collection, pictures):
    job = imported(browser, collection, "path,stain\nf/a.png,PAS\n")
    other = Collection.objects.create(team=team_a, name="Other", made_by=alice, visibility="team")
    assert browser.get(f"/collections/{other.pk}/table-jobs/{job.pk}").status_code == 404


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n\0\0\0\0", b"PK\x03\x04", b"file\n", b'f\n"', bytes.fromhex("d0cf11e0a1b11ae1")]
)
def test_what_is_no_table_is_told_on_the_form(browser, collection, data, data_folder):
    answer = send(browser, collection, data)
    assert answer.status_code == 422
    assert 'class="errorlist"' in told(answer)
    assert not any((data_folder / "files").glob("tables/*"))


def test_no_more_than_a_few_tables_wait(browser, collection, pictures, data_folder):
    for _ in range(8):
        send(browser, collection, "path,stain\nf/a.png,PAS\n")
    assert len(list((data_folder / "files" / "tables").glob("*.json"))) == 5


def test_another_sheet_of_a_workbook_is_chosen(browser, collection, pictures):
    book = Workbook()
    for title, rows in {"Notes": [["hello"], ["world"]], "Images": [["path", "stain"], ["f/a.png", "PAS"]]}.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    del book["Sheet"]
    out = io.BytesIO()
    book.save(out)
    address = send(browser, collection, out.getvalue(), "table.xlsx")["Location"]
    page = told(browser.post(address, filled_in(told(browser.get(address)), look="yes", sheet="Images")))
    assert "change 1 image<" in page
    answer = browser.post(address, filled_in(page, **{"import": "yes"}))
    jobs.run(UUID(answer["Location"].rpartition("/")[2]))
    assert Image.objects.get(pk=pictures["f/a.png"].pk).stain == "PAS"


def test_a_long_table_is_imported_in_slices_with_few_queries_an_image(browser, collection, alice, django_assert_max_num_queries):
    Image.objects.bulk_create(
        Image(collection=collection, name=f"{n}.png", sha256=f"{n:064}", bytes=1, state="ready") for n in range(120)
    )
    with django_assert_max_num_queries(250):
        job = imported(browser, collection, "file,stain\n" + "".join(f"{n}.png,PAS\n" for n in range(120)))
    assert (job.done, job.total, Image.objects.filter(stain="PAS").count()) == (120, 120, 120)


def test_rows_that_look_like_a_patient_hold_their_images_for_review(browser, collection, pictures, patterns):
    run_tasks()
    imported(browser, collection, "file,caption\ng/a.png,jane.doe@example.org sent this\nf/b.png,Pink\n")
    states = [Image.objects.get(pk=pictures[name].pk).state for name in ("g/a.png", "f/b.png")]
    assert states == ["held", "ready"]
