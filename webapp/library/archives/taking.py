"""Many files that came as one: a row for each, so that all are accounted for, and then one after the other through accept().

May be cut off anywhere and run again: a file's row is known by a key that follows from the archive's own and the file's name,
and one that is pending no more is left as it is.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from django.conf import settings

from webapp.library import ingest, jobs, quotas, sidecars
from webapp.library.archives import tables
from webapp.library.archives.refusal import Damaged, Refused
from webapp.library.kinds import NewFile
from webapp.library.kinds import kinds as kinds_of
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, ItemState, Kind, Upload, UploadItem
from webapp.library.slicing import AT_ONCE, slices
from webapp.library.tables import Said

NO_ROOM = frozenset({"no_space"})
NO_LONGER_ALLOWED = "Whoever started this may no longer add images to the collection. What was done stays done."


@dataclass(frozen=True)
class Found:
    """``name`` as tables may call it and people see it; ``mark``: what tells it from the others, to the byte."""

    name: str
    size: int
    mark: bytes

    def key(self, parent: UploadItem) -> uuid.UUID:
        return uuid.uuid5(parent.key, self.mark.hex())


Opened = Callable[[Found], AbstractContextManager[BinaryIO]]


def take_all(job: jobs.Work, parent: UploadItem, found: Sequence[Found], opened: Opened) -> None:
    """Raises jobs.Cancelled; jobs.Refused where it cannot go on now, and what is left stays pending; Refused where it may not."""
    table = _Table.among(parent, found, opened)
    _write_rows(job, parent, found, table)
    table.attach(parent)
    _take(job, parent, found, opened)


# --- rows ---------------------------------------------------------------------------------------------------------------


def _write_rows(job: jobs.Work, parent: UploadItem, found: Sequence[Found], table: _Table) -> None:
    """A row for every file; those that nobody would take end at once, with the reason."""
    written = set(parent.members.values_list("key", flat=True))
    kinds = kinds_of([file.name for file in found])
    missing = [(file, kind) for file, kind in zip(found, kinds, strict=True) if file.key(parent) not in written]
    for some in slices(missing):
        rows = [_row(parent, file, Kind.TABLE if file is table.file else kind, table.of(file.name)) for file, kind in some]
        UploadItem.objects.bulk_create(rows, ignore_conflicts=True)
        job.step(0)
    if missing:
        _link_sidecars(job, parent, found)


def _row(parent: UploadItem, file: Found, kind: Kind, said: Metadata) -> UploadItem:
    row = ingest.new_item(parent.upload, NewFile(file.name, file.size), kind)
    row.parent, row.key, row.metadata = parent, file.key(parent), said.as_dict()
    return row


def _link_sidecars(job: jobs.Work, parent: UploadItem, found: Sequence[Found]) -> None:
    """Each to its image, while all names are at hand."""
    by_name = {file.name: file for file in found}
    for some in slices(sidecars.pair(by_name).items(), AT_ONCE // 2):
        keys = [by_name[name].key(parent) for pair in some for name in pair]
        sidecars.link(list(parent.members.filter(key__in=keys)))
        job.step(0)


@dataclass(frozen=True)
class _Table:
    """What is said of the files: by the table among them, and over it by the one that came beside them all."""

    file: Found | None
    inside: Said
    beside: Said
    wrong: str

    @classmethod
    def among(cls, parent: UploadItem, found: Sequence[Found], opened: Opened) -> _Table:
        beside = tables.kept(parent.upload).among([file.name for file in found])
        file, inside, wrong = table_inside(found, opened, parent.upload.collection)
        return cls(file, Said() if inside is None else inside, beside, wrong)

    def of(self, name: str) -> Metadata:
        if not (self.beside.rows or self.inside.rows):
            return Metadata()
        return self.beside.of(name).merged_over(self.inside.of(name))

    def attach(self, parent: UploadItem) -> None:
        """Its own row ends."""
        row = None if self.file is None else parent.members.filter(key=self.file.key(parent)).first()
        if row is None:
            return
        if self.wrong:
            ingest.refuse(row, "bad_table", self.wrong)
        else:
            tables.attach(row, self.inside)


def table_inside(found: Sequence[Found], opened: Opened, collection: Collection) -> tuple[Found | None, Said | None, str]:
    """(which file is the table about the others, what it says, why it cannot be read)"""
    names = [file.name for file in found]
    name = tables.table_among(names)
    file = next((each for each in found if each.name == name), None)
    if file is None:
        return None, None, ""
    try:
        with opened(file) as source:
            data = read_all(source, most=settings.TABLE_MAX_BYTES)
        return file, tables.said_by(data, file.name, collection, names), ""
    except (tables.BadTable, Damaged) as bad:
        return file, None, str(bad)


def read_all(source: BinaryIO, *, most: int) -> bytes:
    """One byte more than ``most`` where there is more: whoever gets it says that it is too large."""
    data = bytearray()
    while len(data) <= most and (piece := source.read(most + 1 - len(data))):
        data += piece
    return bytes(data)


# --- bytes --------------------------------------------------------------------------------------------------------------


def _take(job: jobs.Work, parent: UploadItem, found: Sequence[Found], opened: Opened) -> None:
    pending = parent.members.filter(state=ItemState.PENDING).count()
    job.count(len(found), done=len(found) - pending)
    for some in slices(found, 100):
        _check_may_go_on(job, parent.upload)
        by_key = {file.key(parent): file for file in some}
        for row in parent.members.filter(state=ItemState.PENDING, key__in=list(by_key)):
            row.upload, row.parent = parent.upload, parent
            _take_one(row, by_key[row.key], opened)
            job.step()
        job.step(0)


def _check_may_go_on(job: jobs.Work, upload: Upload) -> None:
    """Raises Refused, jobs.Refused, jobs.Cancelled. Where whoever started it is gone, nobody is left to be asked about."""
    if Upload.objects.filter(pk=upload.pk, cancelled_at__isnull=False).exists():
        jobs.cancel(job.job)
        raise jobs.Cancelled
    if upload.user is not None and not Collection.objects.editable_by(upload.user).filter(pk=upload.collection_id).exists():
        raise Refused("not_allowed", NO_LONGER_ALLOWED)
    try:
        quotas.check_disk()
    except quotas.NoRoom as full:
        raise jobs.Refused(f"{full.text} What is left can be resumed then.") from full


def _take_one(row: UploadItem, file: Found, opened: Opened) -> None:
    try:
        with opened(file) as source:
            ingest.accept(row, source)
    except Damaged as damaged:
        ingest.refuse(row, damaged.reason, damaged.text)
    if row.state == ItemState.FAILED and row.reason in NO_ROOM:  # the disk's fault, not the file's
        UploadItem.objects.filter(pk=row.pk).update(state=ItemState.PENDING, reason="", reason_text="")
        raise jobs.Refused(f"{row.reason_text} What is left can be resumed then.")
