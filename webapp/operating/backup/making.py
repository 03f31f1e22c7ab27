"""A backup, while the site runs."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from search import VectorIndex
from search.errors import IndexMissing
from webapp.library import index
from webapp.library.files import sync_folder
from webapp.library.upkeep import Progress, unheard
from webapp.operating.backup import databases, manifest
from webapp.operating.backup.copying import Copier
from webapp.operating.backup.manifest import BackupUnusable
from webapp.running import read_running

LOCK = ".lock"


@dataclass(frozen=True, kw_only=True)
class Made:
    """``copied`` of all ``files`` are new since the backup before; ``removed``: older backups."""

    backup: str
    files: int
    bytes: int
    copied: int
    copied_bytes: int
    removed: int


def back_up(folder: Path, *, with_index: bool = False, keep: int = 0, progress: Progress = unheard) -> Made:
    """A new backup in ``folder``; of all in it the newest ``keep`` stay (0: all).

    Raises BackupUnusable, databases.DatabaseFailed, search.errors, OSError; then nothing of it is left.
    """
    if with_index:
        _require_own_index()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        remove_cut_off(folder)
        place = folder / datetime.now(UTC).strftime(manifest.NAME)
        if place.exists():
            raise BackupUnusable(f"{place} is there already: two backups within a second.")
        draft = folder / f".{place.name}.part"
        draft.mkdir(mode=0o700)
        try:
            copier = _fill(draft, manifest.newest(folder), with_index=with_index, progress=progress)
            os.sync()  # once for all its files
            draft.rename(place)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(folder)
        removed = _remove_older(folder, keep)
    return Made(
        backup=str(place),
        files=len(copier.sums),
        bytes=copier.bytes,
        copied=copier.copied,
        copied_bytes=copier.copied_bytes,
        removed=removed,
    )


def _fill(draft: Path, before: Path | None, *, with_index: bool, progress: Progress) -> Copier:
    """Files before the database and after it: what is deleted meanwhile was copied already, and what is new has its row."""
    copier = Copier(draft, before, manifest.read_sums(before) if before else {})
    copier.take_new(progress, what="files")
    progress("database", 0, 1)
    database = manifest.DATABASES[connection.vendor]
    databases.dump(draft / database)
    (draft / database).chmod(0o600)
    progress("database", 1, 1)
    copier.take_new(progress, what="new files")
    copier.add(database)
    _write_key(draft / manifest.SECRET_KEY)
    copier.add(manifest.SECRET_KEY)
    snapshots = _snapshots(draft, copier) if with_index else {}
    sums = manifest.write_sums(draft, copier.sums)
    manifest.write(draft, manifest.describe(files=len(copier.sums), size=copier.bytes, sums=sums, snapshots=snapshots))
    return copier


def _write_key(path: Path) -> None:
    path.touch(mode=0o600)
    path.write_text(settings.SECRET_KEY, encoding="utf-8")


# --- the index --------------------------------------------------------------------------------------------------------


def _require_own_index() -> None:
    """Raises BackupUnusable where another process has the index."""
    if settings.QDRANT_URL:
        raise BackupUnusable("A Qdrant server keeps its snapshots itself; without --index the index is made anew when restoring.")
    if read_running():
        raise BackupUnusable(
            "The running site holds the index: stop it, or leave --index out; then it is made anew when restoring."
        )


def _snapshots(draft: Path, copier: Copier) -> dict[str, dict[str, Any]]:
    """Index name -> what its snapshot says of itself."""
    made = {name: told for name, each in index.both().items() if (told := _snapshot(each, draft, name))}
    for told in made.values():
        copier.add(told["location"])
    return made


def _snapshot(each: VectorIndex, draft: Path, name: str) -> dict[str, Any] | None:
    """None where there is nothing in it yet."""
    try:
        taken = each.snapshot(str(draft / manifest.INDEX / name))
    except IndexMissing:
        return None
    return asdict(taken) | {"location": Path(taken.location).relative_to(draft).as_posix()}


# --- the folder -------------------------------------------------------------------------------------------------------


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The lock ends with the process, however that ends. Raises BackupUnusable."""
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise BackupUnusable(f"Another backup into {folder} is running.") from exc
        yield


def remove_cut_off(folder: Path) -> None:
    for left in folder.glob(".*.part"):
        shutil.rmtree(left)


def _remove_older(folder: Path, keep: int) -> int:
    older = manifest.made(folder)[:-keep] if keep else []
    for backup in older:
        hidden = backup.with_name(f".{backup.name}.part")  # half a backup must not look like one
        backup.rename(hidden)
        shutil.rmtree(hidden)
    return len(older)
