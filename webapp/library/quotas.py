"""How much more is taken: a team's bytes and files, the room on the disk, the files of one upload.

A team's use is counted when an upload is announced, and what was announced is held for it until it has come: files then arrive
without being counted again. Whatever is refused names its limit and the setting behind it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce

from webapp.accounts.models import Team
from webapp.library import files
from webapp.library.models import Image, ItemState, Kind, UploadItem

UNITS = ("bytes", "kB", "MB", "GB", "TB")


class NoRoom(Exception):
    """Nothing of this is taken. ``reason``: team_bytes, team_files, no_space or too_many_files; ``text`` is for people."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason, self.text = reason, text


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a team has, and what is on its way to it."""

    bytes: int
    files: int


def use(team: Team, *, besides: UploadItem | None = None) -> Use:
    """Of all its collections, the trash included: its files lie on the disk until they are deleted for good.

    ``besides``: an archive whose own bytes go once it is unpacked.
    """
    held = _sum(Image.objects.order_by().filter(collection__team=team))
    coming = UploadItem.objects.order_by().filter(
        upload__collection__team=team, state__in=[ItemState.PENDING, ItemState.RECEIVED]
    )  # fmt: skip
    if besides is not None:
        coming = coming.exclude(pk=besides.pk)
    announced = _sum(coming)
    return Use(bytes=held[0] + announced[0], files=held[1] + announced[1])


def _sum(rows: object) -> tuple[int, int]:
    told = rows.aggregate(bytes=Coalesce(Sum("bytes"), 0), n=Count("pk"))  # type: ignore[attr-defined]
    return told["bytes"], told["n"]


def check(team: Team, *, bytes: int, files: int, besides: UploadItem | None = None) -> None:  # noqa: A002
    """Raises NoRoom where so many bytes in so many files are more than the team may have."""
    most_bytes, most_files = limits(team)
    if not (most_bytes or most_files):
        return
    now = use(team, besides=besides)
    if most_bytes and now.bytes + bytes > most_bytes:
        raise NoRoom("team_bytes", _too_much("bytes", now.bytes, bytes, most_bytes))
    if most_files and now.files + files > most_files:
        raise NoRoom("team_files", _too_much("files", now.files, files, most_files))


def limits(team: Team) -> tuple[int, int]:
    """(bytes, files); 0: as many as there is room for."""
    own = (team.max_bytes, team.max_files)
    site = (settings.TEAM_MAX_BYTES, settings.TEAM_MAX_FILES)
    return tuple(ours if theirs is None else theirs for theirs, ours in zip(own, site, strict=True))  # type: ignore[return-value]


def _too_much(what: str, have: int, more: int, most: int) -> str:
    told = (size(have), size(more), size(most)) if what == "bytes" else (f"{have:,}", f"{more:,}", f"{most:,}")
    noun, setting = ("", "TEAM_MAX_BYTES") if what == "bytes" else (" files", "TEAM_MAX_FILES")
    return f"The team has {told[0]}{noun}; {told[1]} more would exceed its limit of {told[2]}{noun} ({setting})."


def check_disk(wanted: int = 0) -> None:
    """Raises NoRoom before the disk is so full that work on what is there would fail."""
    files.root().mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(files.root())
    floor = min(settings.FREE_SPACE_SHARE * disk.total, settings.FREE_SPACE_BYTES)
    if disk.free - wanted < floor:
        text = "The archive's disk is nearly full: nothing more is taken until there is room."
        if wanted:
            text = f"The archive's disk has {size(disk.free)} free; {size(wanted)} more would leave too little."
        raise NoRoom("no_space", f"{text} {size(round(floor))} stay free (FREE_SPACE_BYTES, FREE_SPACE_SHARE).")


def largest(kind: Kind) -> tuple[int, str]:
    """(bytes that one file of this kind may have, the setting that says so)"""
    if kind == Kind.ARCHIVE:
        return settings.MAX_ARCHIVE_BYTES, "MAX_ARCHIVE_BYTES"
    if kind == Kind.SIDECAR:
        return settings.MAX_SIDECAR_BYTES, "MAX_SIDECAR_BYTES"
    return settings.MAX_FILE_BYTES, "MAX_FILE_BYTES"


def check_count(n: int) -> None:
    """Raises NoRoom for more files than one upload may have."""
    if n > settings.MAX_FILES_AN_UPLOAD:
        limit = f"{settings.MAX_FILES_AN_UPLOAD:,} files (MAX_FILES_AN_UPLOAD)"
        raise NoRoom("too_many_files", f"These are {n:,} files; one upload has at most {limit}. Send them in parts.")


def size(n: int) -> str:
    """Bytes for people: 1.2 GB."""
    number, unit = float(n), 0
    while number >= 999.5 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{n:,} bytes" if unit == 0 else f"{number:.3g} {UNITS[unit]}"
