"""A backup is whole, cheap to make again, refused where it is damaged, and a site comes back from it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from celery import current_app

from tests.webapp.conftest import on_disk
from tests.webapp.rehearsal import Rehearsal
from webapp.library import files
from webapp.library.models import Image
from webapp.operating.backup import BackupUnusable, SiteInUse, back_up, databases, restore, restoring
from webapp.running import Running

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Rehearsal:
    """With 24 images and a backup. Tests leave it as they found it."""
    made = Rehearsal(tmp_path_factory.mktemp("site"))
    made.make()
    made.back_up("--index")
    return made


def newest(site: Rehearsal) -> Path:
    return max(site.backups.glob("2*"))


def elsewhere(site: Rehearsal, folder: Path) -> Rehearsal:
    """An empty site that restores from the same backups."""
    other = Rehearsal(folder)
    other.backups = site.backups
    return other


@pytest.mark.parametrize("index", ["restored", "made anew"])
def test_a_lost_site_comes_back_with_the_same_answers(site, tmp_path, index):
    before = site.ask()
    back = elsewhere(site, tmp_path)
    if index == "restored":
        site.back_up("--index")  # the newest one may be another test's
    else:
        back.backups = without_snapshots(newest(site), tmp_path / "backup")
    told = back.restore()
    assert told["index"] == index
    assert told["secret_key"] == "restored"
    assert told["verify"]["clean"] is True
    assert told["set_aside"] == []
    assert back.ask() == before
    assert (back.data / "secret_key").read_text() == (site.data / "secret_key").read_text()


def without_snapshots(backup: Path, copy: Path) -> Path:
    subprocess.run(["cp", "-a", str(backup), str(copy)], check=True)
    told = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(told | {"snapshots": {}}))
    return copy


def test_sha256sum_can_check_a_backup_without_this_program(site):
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=newest(site), check=True)


def test_the_next_backup_copies_what_is_new_and_links_the_rest(site):
    first = newest(site)
    told = site.back_up()
    second = Path(told["backup"])
    assert told["copied"] == 2  # the database and the key
    for path in (path for path in first.rglob("files/originals/*/*") if path.is_file()):
        assert path.samefile(second / path.relative_to(first))


def test_keep_removes_the_oldest_and_leaves_the_others_whole(site, tmp_path):
    backups = tmp_path / "backups"
    some = Rehearsal(tmp_path)
    some.data, some.backups = site.data, backups
    first = Path(some.back_up()["backup"])
    second = Path(some.back_up("--keep", "1")["backup"])
    assert not first.exists()
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=second, check=True)


def test_the_key_and_the_database_are_their_owners_alone(site):
    backup = newest(site)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (backup / "secret_key", backup / "database.sqlite3", backup)}
    assert set(modes.values()) == {0o600, 0o700}


def test_a_site_that_is_not_empty_is_left_alone_without_force(site):
    before = sorted(path.relative_to(site.data) for path in site.data.rglob("*"))
    said = site.manage("restore", str(site.backups), status=1)
    assert "24 images" in said
    assert "--force" in said
    assert sorted(path.relative_to(site.data) for path in site.data.rglob("*")) == before


def test_force_sets_aside_what_was_there(site, tmp_path):
    back = elsewhere(site, tmp_path)
    back.make(images=2)
    told = back.restore("--force")
    assert told["verify"]["clean"] is True
    aside = [Path(each) for each in told["set_aside"]]
    assert all(path.exists() for path in aside)
    assert len([path for path in aside if path.name.startswith("conchive.sqlite3.replaced-")]) == 1
    assert len([file for path in aside if path.name == "originals" for file in path.rglob("*") if file.is_file()]) == 2


def test_a_database_that_cannot_be_read_is_set_aside_and_not_lost(site, tmp_path):
    back = elsewhere(site, tmp_path)
    back.data.mkdir()
    (back.data / "conchive.sqlite3").write_bytes(b"no database at all" * 1000)
    assert "cannot be read" in back.manage("restore", str(back.backups), status=1)
    told = back.restore("--force")
    assert told["verify"]["clean"] is True
    assert Path(told["set_aside"][0]).read_bytes().startswith(b"no database at all")


def test_what_the_backup_before_has_lost_is_copied_again(site, tmp_path):
    some = Rehearsal(tmp_path)
    some.data, some.backups = site.data, tmp_path / "backups"
    first = Path(some.back_up()["backup"])
    lost = next(path for path in first.rglob("files/originals/*/*") if path.is_file())
    lost.unlink()
    second = Path(some.back_up()["backup"])
    assert (second / lost.relative_to(first)).is_file()


def damaged(site: Rehearsal, folder: Path) -> Path:
    return without_snapshots(newest(site), folder / "damaged")


@pytest.mark.django_db
def test_a_damaged_backup_is_refused_before_anything_is_changed(site, tmp_path, data_folder):
    backup = damaged(site, tmp_path)
    victim = next(path for path in backup.rglob("files/originals/*/*"))
    data = victim.read_bytes()
    victim.unlink()  # a link to the good ones
    victim.write_bytes(data[:-1] + b"x")
    with pytest.raises(BackupUnusable, match="damaged"):
        restore(backup)
    assert not any(file.is_file() for file in (data_folder / "files").rglob("*"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine": "postgresql"}, "postgresql database"),
        ({"migrations": ["library.9999_from_the_future"]}, "newer Conchive"),
        ({"format": 2}, "another version"),
        ({"sums": "0" * 64}, "not the one"),
        ({"more": 1}, "damaged"),
    ],
)
def test_a_backup_of_another_kind_is_refused(site, tmp_path, changes, said):
    backup = damaged(site, tmp_path)
    told = json.loads((backup / "manifest.json").read_text())
    (backup / "manifest.json").write_text(json.dumps(told | changes))
    with pytest.raises(BackupUnusable, match=said):
        restore(backup)


@pytest.mark.django_db
def test_a_path_that_leads_out_of_the_backup_is_refused(site, tmp_path):
    backup = damaged(site, tmp_path)
    sums = (backup / "SHA256SUMS").read_bytes() + b"0" * 64 + b"  ../../etc/passwd\n"
    (backup / "SHA256SUMS").write_bytes(sums)
    told = json.loads((backup / "manifest.json").read_text())
    (backup / "manifest.json").write_text(json.dumps(told | {"sums": hashlib.sha256(sums).hexdigest()}))
    with pytest.raises(BackupUnusable, match="leads out"):
        restore(backup)


def test_a_folder_without_a_whole_backup_says_so(tmp_path):
    (tmp_path / ".2026-01-01T000000Z.part").mkdir()
    with pytest.raises(BackupUnusable, match="no whole backup"):
        restore(tmp_path)


@pytest.mark.django_db
def test_a_running_site_is_left_alone(site, monkeypatch):
    running = Running(url="http://127.0.0.1:8000", pid=7, token="")
    monkeypatch.setattr(restoring, "read_running", lambda: running)
    with pytest.raises(SiteInUse, match="stop it first"):
        restore(site.backups, force=True)


@pytest.mark.django_db
def test_workers_that_run_are_to_be_stopped_first(site, settings, monkeypatch):
    settings.EMBEDDED = False
    monkeypatch.setattr(current_app.control, "ping", lambda timeout: [{"embed@gpu1": {"ok": "pong"}}])
    with pytest.raises(SiteInUse, match="embed@gpu1"):
        restore(site.backups)


@pytest.mark.django_db
def test_two_backups_at_once_exclude_each_other(tmp_path):
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupUnusable, match="Another backup"):
            back_up(tmp_path)


@pytest.mark.django_db
def test_nothing_is_left_of_a_backup_that_failed(tmp_path, monkeypatch):
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(databases, "dump", full)
    with pytest.raises(OSError, match="No space"):
        back_up(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.django_db
def test_what_is_deleted_and_what_comes_while_the_database_is_read_is_there(make_image, tmp_path, monkeypatch):
    """In an order that makes rows without files impossible, whatever happens between."""
    gone = make_image("brown")

    def dump(path: Path) -> None:
        path.write_bytes(b"a database")
        on_disk(files.original(gone.pk)).unlink()
        make_image("pink")

    monkeypatch.setattr(databases, "dump", dump)
    backup = Path(back_up(tmp_path).backup)
    kept = {path.name for path in (backup / "files" / "originals").rglob("*") if path.is_file()}
    assert kept == {str(pk) for pk in Image.objects.values_list("pk", flat=True)}
    assert str(gone.pk) in kept
