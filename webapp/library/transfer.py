"""A file that arrives in pieces: kept under its item's key until it is whole, then taken in like any other.

The size of the piece on disk is how far it has come: nothing else is written down, so nothing can disagree with it after a crash.
Bytes are only ever added at the end, under a lock of the operating system that dies with its holder, and are forced onto the disk
before anybody is told that they are there. What was added by a request that was cut off stays: the sender asks where to go on.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from webapp.library import files, ingest, quotas
from webapp.library.models import ItemState, Kind, Upload, UploadItem
from webapp.library.slicing import slices

PIECE_BYTES = 1 << 20
FRESH = ("state", "reason", "reason_text", "bytes", "sha256", "metadata")  # of an item, once it is ours alone


class Trouble(Exception):
    """A piece is not taken. ``status``: as HTTP and tus say it; ``reason`` is a stable code, ``text`` for people."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        super().__init__(text)
        self.status, self.reason, self.text = status, reason, text
        self.offset: int | None = None  # how far the file has come, where that is what was wrong


class Source(Protocol):
    """Bytes as they come from the sender."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Checksum:
    """Of one piece."""

    sha256: bytes


def offset(item: UploadItem) -> int:
    """Bytes that have arrived; all of them where the item has been taken in."""
    if item.state != ItemState.PENDING:
        return item.bytes or 0
    with suppress(FileNotFoundError):
        return files.transfer(item.key).stat().st_size
    return 0


def offsets(items: QuerySet[UploadItem]) -> Iterator[tuple[UploadItem, int]]:
    """The same of many items, with one look at the folder."""
    begun = {key for key, _ in files.listed(files.TRANSFERS)}
    for item in items:
        yield item, offset(item) if item.key in begun or item.state != ItemState.PENDING else 0


def expires_at() -> datetime:
    """Until when a transfer that is touched now may be resumed."""
    return datetime.now(UTC) + timedelta(hours=settings.TUS_EXPIRES_H)


def append(item: UploadItem, source: Source, *, at: int, size: int, checksum: Checksum | None = None) -> int:
    """Adds ``size`` bytes behind the first ``at``; returns how many have arrived. The item is taken in with its last byte.

    Fewer bytes, where the sender breaks off, are kept unless there is a checksum. Raises Trouble, and OSError where this machine
    cannot write.
    """
    _check_open(item)
    with _locked(item.key) as file:
        item.refresh_from_db(fields=FRESH)
        _check_open(item)
        _check_fits(item, file, at=at, size=size)
        digest = _write(file, source, size=size, checksum=checksum)
        now = file.tell()
        if now == item.bytes:
            _finish(item, file, digest if at == 0 else None)
        return now


def tell_length(item: UploadItem, size: int) -> None:
    """Of a file that was announced without one. Raises Trouble where there is no room for so much."""
    most, setting = quotas.largest(Kind(item.kind))
    if size > most:
        raise Trouble(413, "too_many_bytes", f"The file has {quotas.size(size)}; the limit is {quotas.size(most)} ({setting}).")
    try:
        quotas.check(item.upload.collection.team, bytes=size, files=0)
    except quotas.NoRoom as full:
        raise Trouble(429, full.reason, full.text) from full
    UploadItem.objects.filter(pk=item.pk, bytes=None).update(bytes=size)
    item.refresh_from_db(fields=["bytes"])


def _check_open(item: UploadItem) -> None:
    """Raises Trouble for an item that takes no bytes."""
    if item.state == ItemState.PENDING and not Upload.objects.filter(pk=item.upload_id, cancelled_at__isnull=False).exists():
        return
    if item.state in (ItemState.PENDING, ItemState.CANCELLED):
        raise Trouble(410, "cancelled", "This upload was cancelled: nothing more of it is taken.")
    if item.state == ItemState.FAILED:
        raise Trouble(410, item.reason, item.reason_text)
    raise Trouble(409, "offset", "The file has arrived already.")


def _check_fits(item: UploadItem, file: FileIO, *, at: int, size: int) -> None:
    """Raises Trouble."""
    have = file.seek(0, os.SEEK_END)
    if at != have:
        raise Trouble(409, "offset", f"{have:,} bytes have arrived, so the next piece begins there and not at {at:,}.")
    if item.bytes is None:
        raise Trouble(400, "length", "How long the file is has not been told: send Upload-Length.")
    if at + size > item.bytes:
        raise Trouble(413, "too_many_bytes", f"The file was announced with {item.bytes:,} bytes, and this would be more.")
    try:
        quotas.check_disk(size)
    except quotas.NoRoom as full:
        raise Trouble(507, full.reason, full.text) from full


def _write(file: FileIO, source: Source, *, size: int, checksum: Checksum | None) -> str:
    """Returns the piece's sha256. Raises Trouble where it is not the one that was promised, or the disk is full."""
    start, digest = file.tell(), hashlib.sha256()
    try:
        for some in _read(source, size):
            digest.update(some)
            _write_all(file, some)
        if checksum is not None and digest.digest() != checksum.sha256:
            raise Trouble(460, "checksum", "The piece was damaged on its way: send it again.")
        files.force(file)
    except (Trouble, OSError) as exc:
        full = isinstance(exc, OSError) and exc.errno in ingest.DISK_FULL
        if checksum is not None or full:  # nothing of a piece that was promised whole; and give back the room that it took
            file.truncate(start)
        if not full:
            raise
        text = "The archive's disk is full. What has arrived is kept: go on when there is room."
        raise Trouble(507, "no_space", text) from exc
    return digest.hexdigest()


def _read(source: Source, size: int) -> Iterator[bytes]:
    left = size
    while left and (some := source.read(min(PIECE_BYTES, left))):
        left -= len(some)
        yield some


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _finish(item: UploadItem, file: FileIO, digest: str | None) -> None:
    """``digest``: of the whole file, where it came in one piece; else it is read once more. An archive that nobody announced a
    checksum of is not: its members are compared, not itself, and reading 20 GB would hold up the answer for a minute.
    """
    if digest is None and item.kind == Kind.ARCHIVE and not item.sha256:
        digest = ""
    elif digest is None:
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path = files.transfer(item.key)
    ingest.accept_draft(item, path, sha256=digest, bytes=item.bytes or 0)
    if item.state != ItemState.PENDING:
        path.unlink(missing_ok=True)  # of a duplicate or a refused file; what was kept has been renamed


@contextmanager
def _locked(key: UUID) -> Iterator[FileIO]:
    """The piece on disk, for this writer alone; made where there is none. Raises Trouble."""
    path = files.transfer(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, files.MODE), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(423, "locked", "Another connection is sending this file: try again in a moment.") from None
        if not _is_still(path, file):  # taken in between our opening and our lock: what we hold may be an image's original now
            raise Trouble(423, "locked", "The file was just taken in: ask for its state.")
        yield file


def _is_still(path: Path, file: FileIO) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    return False


def drop(item: UploadItem) -> None:
    """The sender does not want it any more: the item ends cancelled, its bytes go. Raises Trouble while somebody sends."""
    with _locked(item.key):
        ingest.cancel(item)
        files.transfer(item.key).unlink(missing_ok=True)


# --- upkeep -------------------------------------------------------------------------------------------------------------


def finish_whole() -> int:
    """Takes in files whose last byte came just before their process died; how many."""
    begun = {key: path for key, path in files.listed(files.TRANSFERS) if key is not None}
    done = 0
    for item in _open_items(list(begun)):
        if item.bytes and begun[item.key].stat().st_size == item.bytes:
            with suppress(Trouble, FileNotFoundError), _locked(item.key) as file:
                _finish(item, file, None)
                done += 1
    return done


def _open_items(keys: list[UUID]) -> Iterator[UploadItem]:
    for some in slices(keys):
        yield from UploadItem.objects.filter(key__in=some, state=ItemState.PENDING).select_related("upload__collection__team")


def active_uploads() -> set[UUID]:
    """Uploads of which a piece has come within TUS_EXPIRES_H."""
    begun = {key: path for key, path in files.listed(files.TRANSFERS) if key is not None}
    return {item.upload_id for item in _open_items([key for key, path in begun.items() if not _is_old(path)])}


def remove_abandoned() -> None:
    """Pieces that nobody has added to for TUS_EXPIRES_H, and those of items that have ended otherwise."""
    begun = dict(files.listed(files.TRANSFERS))
    wanted = {item.key for item in _open_items([key for key in begun if key is not None])}
    for key, path in begun.items():
        if key not in wanted or _is_old(path):
            path.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    """Also where it is gone."""
    try:
        return path.stat().st_mtime < time.time() - settings.TUS_EXPIRES_H * 3600
    except FileNotFoundError:
        return True
