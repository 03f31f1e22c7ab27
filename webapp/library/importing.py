"""Files from folders on this machine that an operator allows: read in place, by the job, and never written to.

A path is always one of settings.IMPORT_FOLDERS and a way below it. Links that lead out of the folder are not followed, also not
those that somebody puts there while a file is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from webapp.accounts import limits
from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.library import checking, files, jobs
from webapp.library.archives import ending, names, tables
from webapp.library.archives.refusal import Damaged, Refused
from webapp.library.archives.taking import Found, table_inside, take_all
from webapp.library.archives.unpacking import NOTHING_LEFT, check_room, received, refuse, sentence
from webapp.library.kinds import NewFile
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, ItemState, Kind, Upload, UploadItem
from webapp.library.tables import Said

MOST_SHOWN = 1000  # of one folder, to choose from
NAME_LETTERS = 1024  # of a path that is written down
MOST_VISITED = 1_000_000  # names in all folders of one import
SOURCE = "import"


class NotThere(Exception):
    """No such folder, or not below an allowed one: which of the two is not told."""


@dataclass(frozen=True)
class Folder:
    """One of settings.IMPORT_FOLDERS. ``number``: its place there."""

    number: int
    path: Path

    @property
    def name(self) -> str:
        return self.path.name or str(self.path)


@dataclass(frozen=True)
class Shown:
    """One line to choose from. ``path``: below the folder, with slashes; ``bytes`` None for a folder."""

    name: str
    path: str
    bytes: int | None


@dataclass(frozen=True)
class Listing:
    """What is directly in one place, folders first. ``above``: the ways to it, each (name, path); ``unshown``: how many more."""

    folder: Folder
    path: str
    above: list[tuple[str, str]]
    lines: list[Shown]
    unshown: int


def folders() -> list[Folder]:
    """Those that are there now; none where imports are switched off."""
    allowed = [Folder(number, path) for number, path in enumerate(settings.IMPORT_FOLDERS)]
    return [folder for folder in allowed if folder.path.is_dir()]


def folder(number: int) -> Folder:
    """Raises NotThere."""
    for each in folders():
        if each.number == number:
            return each
    raise NotThere


def browse(of: Folder, path: str = "") -> Listing:
    """Raises NotThere."""
    place = _real(of, path)
    if not place.is_dir():
        raise NotThere
    lines = sorted(_lines(of, place), key=lambda line: (line.bytes is not None, line.name.casefold()))
    here = _below(of, place)
    parts = [part for part in here.split("/") if part]
    above = [(part, "/".join(parts[: n + 1])) for n, part in enumerate(parts)]
    return Listing(of, here, above, lines[:MOST_SHOWN], max(0, len(lines) - MOST_SHOWN))


def check(user: User, collection: Collection, of: Folder, path: str, *, said: Said | None = None) -> checking.Check:
    """What would become of the files there: nothing is written, and none but a table among them is read. Raises NotThere."""
    try:
        found, _ = find(of, path)
    except Refused as refused:
        return checking.Check([], refusal=refused.text, reason=refused.reason)
    table, inside, wrong = table_inside(found, partial(_opened, of), collection)
    judged = checking.check(collection, [NewFile(each.name, each.size) for each in found], user=user, said=said or inside)
    return replace(
        judged, files=[_about_table(each, wrong) if table and each.name == table.name else each for each in judged.files]
    )


def _about_table(checked: checking.Checked, wrong: str) -> checking.Checked:
    if wrong:
        return replace(checked, verdict=checking.Verdict.UNSUPPORTED, text=wrong)
    return replace(checked, verdict=checking.Verdict.ATTACHED, text="Read as the table about the others.")


def start(
    user: User,
    collection: Collection,
    of: Folder,
    path: str,
    *,
    defaults: Metadata | None = None,
    said: Said | None = None,
) -> Upload:
    """One row for the place; the job writes one for each file, before it reads the first.

    Raises NotThere, PermissionDenied, limits.TooMany.
    """
    if not Collection.objects.editable_by(user).filter(pk=collection.pk).exists():
        raise PermissionDenied
    here = _below(of, _real(of, path))
    if not _is_text(here) or len(here) > NAME_LETTERS:
        raise NotThere
    limits.count("upload", user)
    told = (defaults or Metadata()).as_dict()
    with transaction.atomic():
        upload = Upload.objects.create(collection=collection, user=user, source=SOURCE, defaults=told)
        place = UploadItem.objects.create(
            upload=upload, name=here or of.name, kind=Kind.ARCHIVE, state=ItemState.RECEIVED, received_at=timezone.now()
        )  # fmt: skip
        if said is not None:
            tables.keep(upload, said)
        record(user, "import", upload)
        arguments = {"item": place.pk, "folder": str(of.path), "all": not here}
        jobs.start(ending.IMPORT, user=user, collection=collection, upload=upload, arguments=arguments)
    return upload


@jobs.runner(ending.IMPORT)
def run_import(job: jobs.Work) -> str:
    item = received(job.arguments["item"])
    if item is None:
        return NOTHING_LEFT
    try:
        of = _still_allowed(job.arguments["folder"])
        found, left_out = find(of, "" if job.arguments["all"] else item.name)
        _fail_those_gone(item, found)
        check_room(item, sum(each.size for each in found), len(found))
        take_all(job, item, found, lambda wanted: _opened(of, wanted))
    except NotThere:
        refuse(item, Refused("folder_lost", "The folder is not there any more, or no longer one that may be imported from."))
    except Refused as refused:
        refuse(item, refused)
    except jobs.Cancelled:
        ending.end(item, ItemState.CANCELLED)
        raise
    told = sentence(len(found), left_out, verb="taken in")
    ending.finish(item, told)
    return told


def _still_allowed(path: str) -> Folder:
    for each in folders():
        if str(each.path) == path:
            return each
    raise NotThere


# --- what is there ------------------------------------------------------------------------------------------------------


def find(of: Folder, path: str) -> tuple[list[Found], int]:
    """(every file there and in folders below, how many were left out): hidden ones, systems' notes, links and special files.

    In the order of their names, which are paths below the place. Raises NotThere, Refused for too many.
    """
    place = _real(of, path)
    if place.is_file():
        return [Found(_storable(place.name), place.stat().st_size, os.fsencode(_below(of, place)))], 0
    found: list[Found] = []
    left_out = 0
    for visited, entry in enumerate(_walk(place)):
        if visited > MOST_VISITED:
            raise Refused("too_many_files", f"The folder holds more than {MOST_VISITED:,} names: import a part of it.")
        if entry is None:
            left_out += 1
            continue
        below = Path(entry.path).relative_to(place).as_posix()
        found.append(
            Found(_storable(below), entry.stat(follow_symlinks=False).st_size, os.fsencode(_below(of, Path(entry.path))))
        )
        if len(found) > settings.MAX_ARCHIVE_FILES:
            limit = f"{settings.MAX_ARCHIVE_FILES:,} files (MAX_ARCHIVE_FILES)"
            raise Refused("too_many_files", f"The folder holds more than the limit of {limit}: import a part of it.")
    return found, left_out


def _walk(place: Path) -> Iterator[os.DirEntry[str] | None]:
    """Files, and None for each that is left out. Folders that may not be read count among those."""
    waiting = [place]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError:
            yield None
            continue
        for entry in entries:
            if entry.name.startswith(".") or names.is_left_out(entry.name) or entry.is_symlink():
                yield None
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            else:
                yield entry if entry.is_file(follow_symlinks=False) else None


def _lines(of: Folder, place: Path) -> Iterator[Shown]:
    try:
        with os.scandir(place) as scanned:
            for entry in scanned:
                if entry.name.startswith(".") or names.is_left_out(entry.name) or entry.is_symlink() or not _is_text(entry.name):
                    continue  # what is no text is taken in with its folder, and cannot be picked
                path = _below(of, Path(entry.path))
                if entry.is_dir(follow_symlinks=False):
                    yield Shown(entry.name, path, None)
                elif entry.is_file(follow_symlinks=False):
                    yield Shown(entry.name, path, entry.stat(follow_symlinks=False).st_size)
    except OSError as exc:
        raise NotThere from exc


def _fail_those_gone(item: UploadItem, found: list[Found]) -> None:
    """Of a run that was cut off: files that have vanished since."""
    if not item.members.exists():
        return
    there = {each.key(item) for each in found}
    waiting = item.members.filter(state=ItemState.PENDING).values_list("pk", "key")
    for gone in [pk for pk, key in waiting if key not in there]:
        told = {"reason": "unreadable", "reason_text": "The file is not in its folder any more."}
        UploadItem.objects.filter(pk=gone, state=ItemState.PENDING).update(state=ItemState.FAILED, **told)


# --- paths --------------------------------------------------------------------------------------------------------------


def _real(of: Folder, path: str) -> Path:
    """Where ``path`` leads, links followed; below the folder, or it is not there at all. Raises NotThere."""
    if "\0" in path or path.startswith("/"):
        raise NotThere
    root = of.path.resolve()
    try:
        place = (root / path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as exc:  # ValueError: letters that no file system writes
        raise NotThere from exc
    if not place.is_relative_to(root):
        raise NotThere
    return place


def _below(of: Folder, place: Path) -> str:
    """Empty for the folder itself."""
    below = place.relative_to(of.path.resolve()).as_posix()
    return "" if below == "." else below


def _is_text(name: str) -> bool:
    return _storable(name) == name


def _storable(name: str) -> str:
    """Names are bytes to a file system; what is no text is shown so."""
    return os.fsencode(name).decode(errors="replace")


@contextmanager
def _opened(of: Folder, wanted: Found) -> Iterator[BinaryIO]:
    """Raises Damaged where it cannot be read: it alone fails."""
    try:
        file = files.open_below(of.path.resolve(), os.fsdecode(wanted.mark))
    except OSError as exc:
        raise Damaged("unreadable", f"The file cannot be read: {exc.strerror or exc}.") from exc
    with file:
        yield file
