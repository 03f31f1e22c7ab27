"""The job that takes an archive's files out of it, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO

from webapp.library import files, jobs, quotas
from webapp.library.archives import ending, safety
from webapp.library.archives.limits import Limits
from webapp.library.archives.members import stream
from webapp.library.archives.receiving import UNPACK
from webapp.library.archives.refusal import Refused
from webapp.library.archives.taking import Found, take_all
from webapp.library.models import ItemState, UploadItem
from webapp.library.tables import SUFFIXES

NOTHING_LEFT = "There is nothing left to unpack."
LOST = Refused("archive_lost", "The archive is no longer in the data folder: send it again.")


@jobs.runner(UNPACK)
def unpack(job: jobs.Work) -> str:
    item = received(job.arguments["item"])
    if item is None:
        return NOTHING_LEFT
    try:
        with safety.opened(files.archive(item.key)) as file:
            contents = safety.contents(file, Limits.of(item.upload), beat=partial(job.step, 0))
            check_room(item, contents.bytes, len(contents.files))
            _unpack(job, item, file, contents)
    except FileNotFoundError:
        refuse(item, LOST)
    except Refused as refused:
        refuse(item, refused)
    except jobs.Cancelled:
        ending.end(item, ItemState.CANCELLED)
        raise
    told = sentence(len(contents.files), contents.left_out)
    ending.finish(item, told)
    return told


def received(pk: int) -> UploadItem | None:
    """The archive's or folder's row, where there is still something to do."""
    rows = UploadItem.objects.select_related("upload__collection__team", "upload__user")
    return rows.filter(pk=pk, state=ItemState.RECEIVED).first()


def check_room(item: UploadItem, size: int, count: int) -> None:
    """The team's and the disk's, for all of it, before the first row. Raises Refused."""
    if item.members.exists():
        return  # room was there when it began, and is held by the rows since
    try:
        quotas.check(item.upload.collection.team, bytes=size, files=count, besides=item)
        quotas.check_disk(size)
    except quotas.NoRoom as full:
        raise Refused(full.reason, full.text) from full


def refuse(item: UploadItem, refused: Refused) -> None:
    """Raises jobs.Refused with the same sentence."""
    ending.end(item, ItemState.FAILED, reason=refused.reason, text=refused.text)
    raise jobs.Refused(refused.text) from refused


def sentence(taken: int, left_out: int, *, verb: str = "taken out") -> str:
    told = f"{taken:,} {'file' if taken == 1 else 'files'} {verb}."
    if left_out:
        told += f" {left_out:,} {'entry' if left_out == 1 else 'entries'} left out: folders, and what systems lay beside files."
    return told


def _unpack(job: jobs.Work, item: UploadItem, file: BinaryIO, contents: safety.Contents) -> None:
    members = {entry.name: entry.member for entry in contents.files}
    found = [Found(entry.name, entry.member.size, entry.member.raw) for entry in contents.files]

    @contextmanager
    def opened(wanted: Found) -> Iterator[BinaryIO]:
        yield stream(file, members[wanted.name], may_be_archive=wanted.name.lower().endswith(SUFFIXES))

    take_all(job, item, found, opened)
