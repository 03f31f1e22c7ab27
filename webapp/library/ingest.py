"""How a file becomes a row: received to the last byte, hashed on the way, compared, kept, and only then promised.

Whoever was told "accepted" finds the file on disk and its row in SQL, whatever dies next: the work on it begins from there.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from functools import partial
from pathlib import Path
from typing import BinaryIO

from django.db import DatabaseError, IntegrityError, InterfaceError, transaction
from django.utils import timezone

from webapp.accounts import limits
from webapp.accounts.models import Team, User
from webapp.library import archives, checking, files, identity, originals, quotas, sidecars, store
from webapp.library.checking import Checked, Said, Verdict
from webapp.library.kinds import NewFile, last_part, plain
from webapp.library.metadata import Metadata
from webapp.library.models import REPLACEABLE, Caption, Collection, Image, ItemState, Kept, Kind, Upload, UploadItem
from webapp.library.sending import send_prepare

__all__ = ["NewFile", "accept", "accept_draft", "new_item", "refuse", "start_upload"]

CHUNK_BYTES = 1 << 20
NAME_LENGTH, TEXT_LENGTH = 255, 300
DISK_FULL = frozenset({ENOSPC, EDQUOT})
REASONS = {Verdict.UNSUPPORTED: "unsupported_type", Verdict.TOO_LARGE: "too_many_bytes", Verdict.EMPTY: "empty"}


class _Refused(Exception):
    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason, self.text = reason, text


class _TakenMeanwhile(Exception):
    """Somebody else has taken the item in, or cancelled it, since it was read."""


@dataclass(frozen=True)
class _Received:
    draft: Path
    sha256: str
    bytes: int


# --- announcing ---------------------------------------------------------------------------------------------------------


def start_upload(
    *,
    user: User | None,
    collection: Collection,
    source: str,
    files: Sequence[NewFile],
    defaults: Metadata | None = None,
    said: Said | None = None,
) -> Upload:
    """One row a file before the first byte moves; ``upload.items`` are in the order of ``files``.

    Files that a check refuses end at once, the others are pending. ``user`` must already be known to be an editor of
    ``collection``. ``defaults``: for every file that says nothing else; ``said``: a table's words about each.
    Raises quotas.NoRoom where nothing may start, limits.TooMany where ``user`` has begun too many.
    """
    if user is not None:
        limits.count("upload", user)
    judged = checking.check(collection, files, user=user, said=said)
    if judged.refusal:
        raise quotas.NoRoom(judged.reason, judged.refusal)
    upload = Upload(collection=collection, user=user, source=source, defaults=(defaults or Metadata()).as_dict())
    items = [_item(upload, file, checked, said) for file, checked in zip(files, judged.files, strict=True)]
    with transaction.atomic():  # short: SQLite has one writer at a time, and a hundred thousand files take their time
        team = Team.objects.select_for_update().get(pk=collection.team_id)
        checking.check_room(team, judged.files)  # again, now that no other announcement can take the last room
        upload.save(force_insert=True)
        UploadItem.objects.bulk_create(items, batch_size=500)
        if any(item.kind == Kind.SIDECAR for item in items):
            sidecars.link(items)
        if said is not None and any(item.kind == Kind.ARCHIVE for item in items):
            archives.keep_table(upload, said)  # it may speak of files that nobody can see yet
    return upload


def _item(upload: Upload, file: NewFile, checked: Checked, said: Said | None) -> UploadItem:
    item = UploadItem(upload=upload, name=_shown(file.name, 1024), bytes=file.bytes, kind=checked.kind, sha256=file.sha256)
    item.metadata = said.of(file.name).as_dict() if said is not None else {}
    if checked.verdict in (Verdict.DUPLICATE, Verdict.TWICE):
        item.state, item.image_id, item.reason = ItemState.DUPLICATE, checked.image, "duplicate"
    elif not checked.is_sent:
        item.state, item.reason = ItemState.FAILED, REASONS[checked.verdict]
    if not checked.is_sent:
        item.reason_text = checked.text[:TEXT_LENGTH]
    return item


def new_item(upload: Upload, file: NewFile, kind: Kind) -> UploadItem:
    """The row, not saved yet, of a file that nobody has to send: one that nobody takes has ended."""
    verdict, text, image = checking.refused(file, kind) or (Verdict.NEW, "", None)
    return _item(upload, file, Checked(file.name, file.bytes, verdict, text, image, kind=kind), None)


# --- taking in ----------------------------------------------------------------------------------------------------------


def accept(item: UploadItem, source: BinaryIO | Path, metadata: Metadata | None = None) -> UploadItem:
    """Takes the file in: the item ends accepted, received (an archive), attached, duplicate, failed or cancelled.

    What is said of it, the later over the earlier: the upload's defaults, the item's own words, ``metadata``.
    Raises OSError where this machine cannot write (the item stays pending).
    """
    if item.state != ItemState.PENDING or _is_cancelled(item):
        return item
    try:
        with _received(item, source) as received:
            return _take(item, received, metadata)
    except _Refused as refused:
        return refuse(item, refused.reason, refused.text)


def accept_draft(item: UploadItem, draft: Path, *, sha256: str, bytes: int) -> UploadItem:  # noqa: A002
    """As accept(), for a file that lies on this disk already and was forced onto it: it is renamed, and copied only where it is
    to lie here encrypted.
    """
    if item.kind == Kind.FILE and originals.kept_at_first() != Kept.ORIGINAL:
        return accept(item, draft)
    if item.state != ItemState.PENDING or _is_cancelled(item):
        return item
    try:
        return _take(item, _Received(draft, sha256, bytes), None)
    except _Refused as refused:
        return refuse(item, refused.reason, refused.text)


def refuse(item: UploadItem, reason: str, text: str) -> UploadItem:
    """The file is not taken, and the receipt says why."""
    return _ended(item, ItemState.FAILED, reason=reason, reason_text=text[:TEXT_LENGTH])


def cancel(item: UploadItem) -> UploadItem:
    """Its sender does not want it any more; what has been taken in stays."""
    return _ended(item, ItemState.CANCELLED)


def _is_cancelled(item: UploadItem) -> bool:
    """Asked of the database: the upload may have been cancelled since the item was read. Then the item ends so, too."""
    if not Upload.objects.filter(pk=item.upload_id, cancelled_at__isnull=False).exists():
        return False
    cancel(item)
    return True


def _ended(item: UploadItem, state: ItemState, **told: object) -> UploadItem:
    """Whoever comes first decides what became of an item: one that is pending no more is read anew instead."""
    now = timezone.now()
    fields = {"state": state, "received_at": now, "bytes": item.bytes, "sha256": item.sha256} | told
    if UploadItem.objects.filter(pk=item.pk, state=ItemState.PENDING).update(**fields):
        for name, value in fields.items():
            setattr(item, name, value)
    else:
        item.refresh_from_db()
    return item


@contextmanager
def _received(item: UploadItem, source: BinaryIO | Path) -> Iterator[_Received]:
    """The bytes on this disk, forced onto it. Raises _Refused."""
    arriving = _Arriving(_chunks(source), Kind(item.kind))
    with _disk_told(), files.incoming() as (draft, file):
        quotas.check_disk()
        _lay_down(arriving, file)
        if not arriving.size:
            raise _Refused("empty", "The file is empty (0 bytes).")
        file.flush()
        files.force(file)
        yield _Received(draft, arriving.digest.hexdigest(), arriving.size)


class _Arriving:
    """A file that is counted and hashed while it is read. Raises _Refused past the limit."""

    def __init__(self, chunks: Iterator[bytes], kind: Kind) -> None:
        self._chunks, self._rest = chunks, b""
        self.kind = kind
        self._most, self._setting = quotas.largest(kind)
        self.digest, self.size = hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; none at the end."""
        if not self._rest and (chunk := next(self._chunks, b"")):
            self.size += len(chunk)
            if self.size > self._most:
                told = f"The file is larger than the limit of {quotas.size(self._most)} ({self._setting})."
                raise _Refused("too_many_bytes", told)
            self.digest.update(chunk)
            self._rest = chunk
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        return taken


def _lay_down(arriving: _Arriving, file: BinaryIO) -> None:
    """An image as its original is to lie here; what is read once and goes, as it comes."""
    if arriving.kind == Kind.FILE:
        originals.write(arriving, file)
        return
    while chunk := arriving.read():
        file.write(chunk)


@contextmanager
def _disk_told() -> Iterator[None]:
    """A full disk is a refusal with a reason; other errors of this machine are its own."""
    try:
        yield
    except quotas.NoRoom as full:
        raise _Refused(full.reason, full.text) from full
    except OSError as exc:
        if exc.errno not in DISK_FULL:
            raise
        raise _Refused("no_space", "The archive's disk is full: nothing more is taken until there is room.") from exc


def _chunks(source: BinaryIO | Path) -> Iterator[bytes]:
    if not isinstance(source, Path):
        yield from iter(partial(source.read, CHUNK_BYTES), b"")
        return
    try:
        with files.open_regular(source) as opened:
            yield from iter(partial(opened.read, CHUNK_BYTES), b"")
    except OSError as exc:
        raise _Refused("unreadable", f"The file cannot be read: {exc.strerror or exc}.") from exc


# --- keeping ------------------------------------------------------------------------------------------------------------


def _take(item: UploadItem, received: _Received, metadata: Metadata | None) -> UploadItem:
    _check_announced(item, received)
    if item.kind == Kind.ARCHIVE:
        return archives.receive(item, received.draft)
    if item.kind == Kind.SIDECAR:
        return sidecars.receive(item, received.draft.read_bytes())
    return _keep(item, received, metadata or Metadata())


def _check_announced(item: UploadItem, received: _Received) -> None:
    """Room was held for what was announced; what is more than that is asked for now. Raises _Refused."""
    if item.sha256 and item.sha256 != received.sha256:
        raise _Refused("checksum", "The bytes that arrived are not those that were announced: send the file again.")
    more = received.bytes - (item.bytes or 0)
    item.bytes, item.sha256 = received.bytes, received.sha256
    if more <= 0:
        return
    try:
        quotas.check(item.upload.collection.team, bytes=more, files=0)
    except quotas.NoRoom as full:
        raise _Refused(full.reason, full.text) from full


def _keep(item: UploadItem, received: _Received, told: Metadata) -> UploadItem:
    """The draft in its place first, the row after it. A crash in between, or a database that is lost while it commits, leaves a
    file without a row: `verify --repair` removes it, and nothing else does, since a database brought back from yesterday knows
    nothing of today's files either.
    """
    known = _same_bytes(item.upload.collection_id, received.sha256)
    if known is not None:
        return _duplicate(item, known)
    pk = uuid.uuid4()
    placed = originals.place(originals.kept_at_first(), pk)
    store.current().put(received.draft, placed)
    committing = False
    try:
        with transaction.atomic():
            _write(item, pk, received, told)
            committing = True
    except _TakenMeanwhile:
        store.current().delete(placed)
        item.refresh_from_db()
    except IntegrityError:
        store.current().delete(placed)
        known = _same_bytes(item.upload.collection_id, received.sha256)
        if known is None:
            raise
        return _duplicate(item, known)
    except (DatabaseError, InterfaceError):
        if not committing:  # else the row may be there for all that one knows
            store.current().delete(placed)
        raise
    return item


def _write(item: UploadItem, pk: uuid.UUID, received: _Received, told: Metadata) -> None:
    """The image and its item's end. The item is ours from here on: words that a file beside it brings now go to the image."""
    fresh = UploadItem.objects.select_for_update().get(pk=item.pk)
    if fresh.state != ItemState.PENDING:
        raise _TakenMeanwhile
    said = told.merged_over(Metadata.from_mapping(fresh.metadata)).merged_over(Metadata.from_mapping(item.upload.defaults))
    image = _image(item, pk, received, said)
    image.save(force_insert=True)
    if said.caption:
        Caption.objects.create(image=image, text=said.caption, made_by=item.upload.user)
    _ended(item, ItemState.ACCEPTED, image_id=pk)
    _name_the_first(item)
    transaction.on_commit(partial(send_prepare, [pk]))


def _name_the_first(item: UploadItem) -> None:
    """Files of the same upload that were announced with these bytes get their image to be linked with."""
    twice = UploadItem.objects.filter(upload=item.upload_id, state=ItemState.DUPLICATE, image=None, sha256=item.sha256)
    twice.update(image_id=item.image_id)


def _duplicate(item: UploadItem, known: Image) -> UploadItem:
    told = {"image_id": known.pk, "reason": "duplicate", "reason_text": "The same file is already in this collection."}
    return _ended(item, ItemState.DUPLICATE, **told)


def _same_bytes(collection: uuid.UUID, sha256: str) -> Image | None:
    """Within the collection only: whether the file lies in another one is not told, and each has its own copy to search."""
    return Image.objects.filter(collection_id=collection, sha256=sha256).exclude(state__in=REPLACEABLE).first()


def _image(item: UploadItem, pk: uuid.UUID, received: _Received, said: Metadata) -> Image:
    return Image(
        pk=pk,
        collection=item.upload.collection,
        added_by=item.upload.user,
        name=_shown(last_part(item.name), NAME_LENGTH),
        sha256=received.sha256,
        bytes=received.bytes,
        kept=originals.kept_at_first(),
        mpp=said.mpp,
        stain=said.stain,
        organ=said.organ,
        finding=said.finding,
        case=said.case,
        slide=said.slide,
        tags=list(said.tags),
        metadata=dict(said.extra),
        found_identity=identity.found_as_sent(item.name, said),
    )


def _shown(name: str, length: int) -> str:
    """Of a name that is too long the end is kept."""
    shown = plain(name)
    return shown if len(shown) <= length else "…" + shown[-(length - 1) :]
