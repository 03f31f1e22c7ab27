"""Files from folders on this machine: only from allowed ones, read in place, each accounted for."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied

from tests.webapp import hostile_zips as made
from tests.webapp.conftest import picture, run_jobs
from tests.webapp.test_api import Program
from webapp.library import checking, importing, ingest
from webapp.library.archives import tables
from webapp.library.metadata import Metadata
from webapp.library.models import Image, ItemState, Job, Kind, Upload

pytestmark = pytest.mark.django_db


@pytest.fixture
def drop(settings, tmp_path: Path) -> Path:
    """The one folder that may be imported from, with two images, hidden things and a folder of more."""
    folder = tmp_path / "drop"
    (folder / "2024" / "deep").mkdir(parents=True)
    (folder / "a.png").write_bytes(picture(seed=1))
    (folder / "2024" / "b.png").write_bytes(picture(seed=2))
    (folder / "2024" / "deep" / "c.png").write_bytes(picture(seed=3))
    (folder / ".hidden.png").write_bytes(picture(seed=4))
    (folder / "2024" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "secret.png").write_bytes(picture(seed=5))
    settings.IMPORT_FOLDERS = [folder]
    return folder


def imported(user, collection, path: str = "", **more) -> Upload:
    upload = importing.start(user, collection, importing.folder(0), path, **more)
    run_jobs()
    return upload


def states(upload: Upload) -> dict[str, str]:
    return {row.name: row.state for row in upload.items.exclude(parent=None)}


def test_without_the_setting_there_is_nothing_to_import_from(settings):
    assert importing.folders() == []
    with pytest.raises(importing.NotThere):
        importing.folder(0)


def test_a_folder_that_is_not_mounted_now_is_not_offered(settings, drop):
    settings.IMPORT_FOLDERS = [drop / "gone", drop]
    assert [(each.number, each.name) for each in importing.folders()] == [(1, "drop")]


def test_one_browses_down_to_files_and_back_up(drop):
    told = importing.browse(importing.folder(0))
    assert [(line.name, line.path, line.bytes is None) for line in told.lines] == [
        ("2024", "2024", True),
        ("a.png", "a.png", False),
    ]
    below = importing.browse(importing.folder(0), "2024/deep")
    assert below.above == [("2024", "2024"), ("deep", "2024/deep")]
    assert [line.path for line in below.lines] == ["2024/deep/c.png"]


@pytest.mark.parametrize(
    "path", ["..", "../secret.png", "2024/../../secret.png", "/etc", "a\0b", "gone", "2024/../..", "\ud800", "a/" * 3000]
)
def test_no_path_leads_out_of_the_folder(drop, path):
    with pytest.raises(importing.NotThere):
        importing.browse(importing.folder(0), path)
    with pytest.raises(importing.NotThere):
        importing.find(importing.folder(0), path)


def test_links_lead_nowhere(drop, tmp_path, alice, collection):
    (drop / "out").symlink_to(tmp_path)
    (drop / "out.png").symlink_to(tmp_path / "secret.png")
    (drop / "loop").symlink_to(drop)
    with pytest.raises(importing.NotThere):
        importing.browse(importing.folder(0), "out")
    assert "out" not in [line.name for line in importing.browse(importing.folder(0)).lines]
    assert set(states(imported(alice, collection))) == {"a.png", "2024/b.png", "2024/deep/c.png"}


def test_a_folder_that_becomes_a_link_while_it_is_imported_is_not_followed(drop, tmp_path, alice, collection):
    upload = importing.start(alice, collection, importing.folder(0), "")
    real = importing.find(importing.folder(0), "")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b.png").write_bytes(picture(seed=9))
    (drop / "2024").rename(tmp_path / "away")
    (drop / "2024").symlink_to(tmp_path / "outside")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(importing, "find", lambda *_: real)
        run_jobs()
    assert states(upload) == {"a.png": ItemState.ACCEPTED, "2024/b.png": ItemState.FAILED, "2024/deep/c.png": ItemState.FAILED}


def test_every_file_of_a_folder_is_taken_in_and_stays_where_it_is(drop, alice, collection):
    (drop / "notes.docx").write_bytes(b"x")
    upload = imported(alice, collection, defaults=Metadata(stain="PAS"))
    taken = ["a.png", "2024/b.png", "2024/deep/c.png"]
    assert states(upload) == dict.fromkeys(taken, ItemState.ACCEPTED) | {"notes.docx": ItemState.FAILED}
    assert {image.stain for image in Image.objects.all()} == {"PAS"}
    assert (drop / "a.png").exists()
    assert "2 entries left out" in Job.objects.get().message
    assert upload.items.get(parent=None).state == ItemState.UNPACKED


def test_a_part_of_a_folder_is_named_from_there(drop, alice, collection):
    assert set(states(imported(alice, collection, "2024"))) == {"b.png", "deep/c.png"}


def test_a_single_file_may_be_picked(drop, alice, collection):
    assert states(imported(alice, collection, "2024/b.png")) == {"b.png": ItemState.ACCEPTED}


def test_archives_in_a_folder_are_unpacked_as_well(drop, alice, collection):
    (drop / "2024" / "more.zip").write_bytes(made.packed({"x.png": picture(seed=20)}))
    upload = imported(alice, collection)
    assert states(upload) == states(upload) | {"2024/more.zip": ItemState.UNPACKED, "x.png": ItemState.ACCEPTED}
    assert (drop / "2024" / "more.zip").exists()


def test_tables_and_words_in_a_folder_are_read(drop, alice, collection):
    (drop / "captions.csv").write_text("file,organ\n2024/b.png,kidney\n")
    (drop / "a.txt").write_text("A tubule")
    upload = imported(alice, collection)
    assert states(upload) == states(upload) | {"captions.csv": ItemState.ATTACHED, "a.txt": ItemState.ATTACHED}
    assert Image.objects.get(name="b.png").organ == "kidney"
    assert Image.objects.get(name="a.png").captions.get().text == "A tubule"


def test_a_table_that_was_given_with_it_is_read(drop, alice, collection):
    said = tables.said_by(b"file,organ\nb.png,liver\n", "t.csv", collection, ["2024/b.png"])
    imported(alice, collection, said=said)
    assert Image.objects.get(name="b.png").organ == "liver"


def test_a_check_tells_what_would_become_of_the_files_and_writes_nothing(drop, alice, collection):
    (drop / "notes.docx").write_bytes(b"x")
    told = importing.check(alice, collection, importing.folder(0), "")
    assert {each.name: each.verdict for each in told.files} == {
        "a.png": checking.Verdict.NEW, "2024/b.png": checking.Verdict.NEW, "2024/deep/c.png": checking.Verdict.NEW,
        "notes.docx": checking.Verdict.UNSUPPORTED,
    }  # fmt: skip
    assert not Upload.objects.exists()


def test_a_check_reads_the_table_among_the_files(drop, alice, collection):
    (drop / "captions.csv").write_text("file,organ\n2024/b.png,kidney\ngone.png,liver\n")
    told = importing.check(alice, collection, importing.folder(0), "")
    assert {each.verdict for each in told.files if each.name == "captions.csv"} == {checking.Verdict.ATTACHED}
    assert told.rows_without_file == [(3, "gone.png")]
    (drop / "captions.csv").write_bytes(bytes(1000))
    told = importing.check(alice, collection, importing.folder(0), "")
    assert {each.verdict for each in told.files if each.name == "captions.csv"} == {checking.Verdict.UNSUPPORTED}


def test_programs_look_around_check_and_import(drop, alice, bob, charlie, collection):
    program, at = Program(alice), f"/collections/{collection.pk}/imports"
    assert program.get(at).json() == [{"number": 0, "name": "drop"}]
    assert [line["path"] for line in program.get(f"{at}/0?path=2024").json()["lines"]] == ["2024/deep", "2024/b.png"]
    assert program.post(f"{at}/check", {"folder": 0, "path": "2024"}).json()["counts"] == {"new": 2}
    answer = program.post(at, {"folder": 0, "path": "2024", "defaults": {"stain": "PAS"}})
    assert answer.status_code == 201
    run_jobs()
    assert {image.stain for image in Image.objects.all()} == {"PAS"}
    for path in ("../..", "gone"):
        assert program.get(f"{at}/0?path={path}").status_code == 404
        assert program.post(at, {"folder": 0, "path": path}).status_code == 404
    assert program.get(f"{at}/7").status_code == 404
    assert Program(bob).post(at, {"folder": 0}).status_code == 403
    assert Program(charlie).get(at).status_code == 404


def test_too_many_files_are_refused_before_the_first(drop, alice, collection, settings):
    settings.MAX_ARCHIVE_FILES = 2
    assert "limit of 2 files" in importing.check(alice, collection, importing.folder(0), "").refusal
    place = imported(alice, collection).items.get()
    assert (place.state, place.reason) == (ItemState.FAILED, "too_many_files")


def test_only_those_who_may_add_may_import(drop, bob, charlie, collection):
    for user in (bob, charlie):
        with pytest.raises(PermissionDenied):
            importing.start(user, collection, importing.folder(0), "")


def test_a_folder_that_is_no_longer_allowed_is_not_read(drop, alice, collection, settings):
    upload = importing.start(alice, collection, importing.folder(0), "")
    settings.IMPORT_FOLDERS = []
    run_jobs()
    assert upload.items.get().reason == "folder_lost"


class Killed(BaseException):
    """As SIGKILL."""


def test_an_import_that_is_killed_goes_on_where_it_was(drop, alice, collection, monkeypatch):
    accept, calls = ingest.accept, [0]

    def dies(row, source, metadata=None):
        calls[0] += 1
        if calls[0] == 2:
            raise Killed
        return accept(row, source, metadata)

    monkeypatch.setattr(ingest, "accept", dies)
    upload = importing.start(alice, collection, importing.folder(0), "")
    with suppress(Killed):
        run_jobs()
    (drop / "2024" / "deep" / "c.png").unlink()
    Job.objects.update(lease_until=None, lease_token=None)
    run_jobs()
    assert states(upload) == {"a.png": ItemState.ACCEPTED, "2024/b.png": ItemState.ACCEPTED, "2024/deep/c.png": ItemState.FAILED}
    assert Image.objects.count() == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_fails_alone(drop, alice, collection):
    (drop / "a.png").chmod(0)
    upload = imported(alice, collection)
    assert states(upload) == states(upload) | {"a.png": ItemState.FAILED, "2024/b.png": ItemState.ACCEPTED}


def test_names_that_are_no_text_are_shown_and_read(drop, alice, collection):
    (Path(os.fsdecode(os.fsencode(drop) + b"/caf\xe9.png"))).write_bytes(picture(seed=30))
    assert states(imported(alice, collection)) == states(Upload.objects.get()) | {"caf�.png": ItemState.ACCEPTED}


def test_a_folder_whose_name_is_no_text_is_not_offered_and_cannot_be_named(drop, alice, collection):
    odd = os.fsdecode(b"caf\xe9")
    (drop / odd).mkdir()
    assert odd not in [line.name for line in importing.browse(importing.folder(0)).lines]
    with pytest.raises(importing.NotThere):
        importing.start(alice, collection, importing.folder(0), odd)


def test_the_place_is_a_line_of_its_own_without_a_count(drop, alice, collection):
    place = imported(alice, collection, "2024").items.get(parent=None)
    assert (place.name, place.kind) == ("2024", Kind.ARCHIVE)
