"""Uploads: check files, announce them, send each, read the receipt; or all in one request. The receipt always adds up."""

from __future__ import annotations

import json
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import File, Form, Query, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import Field

from webapp.accounts.models import User
from webapp.api.auth import caller
from webapp.api.transfers import address
from webapp.explore.asking import BadQuery
from webapp.library import announcing
from webapp.library.checking import ByName, check
from webapp.library.editable import uploads_of
from webapp.library.ingest import accept, start_upload
from webapp.library.kinds import NewFile
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, ItemState, Upload, UploadItem
from webapp.library.receipts import STATES, Receipt, ReceiptItem, item_receipt, lines, lines_in, receipt
from webapp.library.sent_table import UNNAMED, SentTable

router = Router(tags=["uploads"])


class FileAnnounced(Schema):
    """``sha256``: in hexadecimal, where it is known; what is there already need not be sent then. ``metadata``: as in defaults,
    over them.
    """

    name: str = Field(min_length=1, max_length=4096)
    bytes: int | None = Field(None, ge=0, lt=2**53)
    sha256: str = Field("", pattern="^([0-9a-f]{64})?$")
    metadata: dict[str, Any] = Field(default_factory=dict)


class NewUpload(Schema):
    """``defaults``: caption, stain, organ, finding, case, slide, mpp, tags and more, for files that say nothing else."""

    collection: UUID
    files: list[FileAnnounced]
    defaults: dict[str, Any] = Field(default_factory=dict)
    source: str = Field("api", max_length=10)


class ItemOut(Schema):
    """``state``: pending, running, ready, duplicate, attached, held, failed, cancelled, deleted. ``image``: the new one, or the
    one it duplicates. ``address``: where a pending file's bytes go to by tus.
    """

    id: int
    name: str
    state: str
    step: str
    reason: str
    reason_text: str
    image: UUID | None
    done: bool
    address: str | None = None


class CheckedOut(Schema):
    """``verdict``: new, archive, attached, identity (sent, and held for review), or why it is not sent: duplicate, twice,
    unsupported, too_large, empty. ``image``: what a duplicate repeats.
    """

    name: str
    bytes: int | None
    verdict: str
    text: str
    image: str | None
    held: bool


class CheckOut(Schema):
    """``refusal``: why none of it may start. The rest is about a table: what it names that is not there, and the other way.
    ``rows_for_archives``: how many rows name no chosen file; with an archive among them, they are compared when it is unpacked.
    """

    files: list[CheckedOut]
    rows_without_file: list[dict[str, Any]]
    rows_for_archives: int
    files_without_row: list[str]
    counts: dict[str, int]
    refusal: str
    table: dict[str, Any] | None


class ToSend(Schema):
    name: str
    address: str
    bytes: int | None


class AnnouncedOut(Schema):
    upload: UUID
    receipt: str
    items: list[ToSend]


class PendingItem(ToSend):
    sha256: str
    offset: int


class PendingOut(Schema):
    items: list[PendingItem]


class ReceiptOut(Schema):
    """``items``: a page of them, in the order in which they were announced; ``next_after`` null: the last page."""

    id: UUID
    collection: UUID
    done: bool
    total: int
    counts: dict[str, int]
    items: list[ItemOut]
    next_after: int | None = None


class WhichItems(Schema):
    """``after``: the last item of the page before. ``state``: only items in it; ``find``: in their names."""

    after: int | None = None
    size: int = Field(1000, ge=0, le=1000)
    state: str = ""
    find: str = Field("", max_length=200)


@router.post("/collections/{collection_id}/check", response=CheckOut)
def check_files(request: HttpRequest, collection_id: UUID) -> dict[str, Any]:
    """What would become of files; nothing is written. Multipart: ``files``, a part with JSON [[name, bytes, sha256 or ""], …],
    and where there is one the ``table`` beside them.
    """
    user = caller(request)
    collection = editable_collection(user, collection_id)
    files, table = _sent(request, collection)
    judged = check(collection, files, user=user, said=table.said if table and table.names_files else None)
    return announcing.check_shape(judged, image_address=str) | {"table": table.shape() if table else None}


@router.post("/collections/{collection_id}/announce", response={201: AnnouncedOut})
def announce_files(request: HttpRequest, collection_id: UUID, defaults: Form[str] = "{}") -> Status[dict[str, Any]]:
    """The same parts, and ``defaults``, a JSON object for files that say nothing else -> a row a file, and where each that is to
    be sent goes to.
    """
    user = caller(request)
    collection = editable_collection(user, collection_id)
    files, table = _sent(request, collection)
    if table is not None and not table.names_files:
        raise announcing.BadList(UNNAMED)
    told, said = Metadata.from_mapping(_object(defaults)), table.said if table else None
    upload = start_upload(user=user, collection=collection, source="api", files=files, defaults=told, said=said)
    if table is not None:
        table.keep(upload)
    where = reverse("api:show_upload", args=[upload.pk])
    return Status(201, {"upload": upload.pk, "receipt": where, "items": announcing.to_send(upload, address)})


@router.get("/uploads/{upload_id}/pending", response=PendingOut)
def show_pending(request: HttpRequest, upload_id: UUID) -> dict[str, Any]:
    """Files that have not arrived, and how much of each has."""
    return {"items": announcing.still_to_send(get_object_or_404(uploads_of(caller(request)), pk=upload_id), address)}


@router.post("/uploads", response={201: ReceiptOut})
def announce(request: HttpRequest, given: NewUpload) -> Status[dict[str, Any]]:
    """One row a file before the first byte moves. Send each to /uploads/{upload}/items/{item}, or by tus to its address."""
    user = caller(request)
    upload = start_upload(
        user=user,
        collection=editable_collection(user, given.collection),
        source=given.source,
        files=[NewFile(file.name, file.bytes, file.sha256) for file in given.files],
        defaults=Metadata.from_mapping(given.defaults),
        said=ByName({file.name: Metadata.from_mapping(file.metadata) for file in given.files}),
    )
    return Status(201, _shape(upload))


@router.post("/uploads/{upload_id}/items/{item_id}", response=ItemOut)
def send_file(
    request: HttpRequest, upload_id: UUID, item_id: int, file: File[UploadedFile], metadata: Form[str] = "{}"
) -> dict[str, Any]:  # fmt: skip
    """``metadata``: a JSON object, over the upload's defaults. Sending an item twice changes nothing."""
    item = get_object_or_404(uploads_of(caller(request)), pk=upload_id).items.filter(pk=item_id).select_related("upload")
    accepted = accept(get_object_or_404(item), _opened(file), metadata=Metadata.from_mapping(_object(metadata)))
    return _item_shape(item_receipt(accepted), accepted)


@router.post("/uploads/files", response={201: ReceiptOut})
def send_files(
    request: HttpRequest,
    files: File[list[UploadedFile]],
    collection: Form[UUID],
    defaults: Form[str] = "{}",
    metadata: Form[str] = "{}",
) -> Status[dict[str, Any]]:
    """Several files at once. ``defaults``: a JSON object; ``metadata``: a JSON object of such objects, by file name."""
    user, told = caller(request), _object(metadata)
    upload = start_upload(
        user=user,
        collection=editable_collection(user, collection),
        source="api",
        files=[NewFile(file.name or "", file.size) for file in files],
        defaults=Metadata.from_mapping(_object(defaults)),
    )
    for item, file in zip(upload.items.select_related("upload"), files, strict=True):
        accept(item, _opened(file), metadata=Metadata.from_mapping(_object(told.get(file.name or "", {}))))
    return Status(201, _shape(upload))


@router.get("/uploads/{upload_id}", response=ReceiptOut)
def show_upload(request: HttpRequest, upload_id: UUID, which: Query[WhichItems]) -> dict[str, Any]:
    """How many files are in which state, and a page of them; ``size`` 0 asks for the counts alone."""
    upload = get_object_or_404(uploads_of(caller(request)), pk=upload_id)
    if which.state and which.state not in STATES:
        raise BadQuery("state", f"state is one of {', '.join(STATES)}.")
    rows = lines_in(upload, which.state) if which.state else lines(upload)
    if which.find:
        rows = rows.filter(name__icontains=which.find)
    if which.after is not None:
        rows = rows.filter(pk__gt=which.after)
    told = receipt(upload)  # before the lines: where it says that all is done, none of them is still in work
    found = list(rows.select_related("image").order_by("pk")[: which.size + 1]) if which.size else []
    shown = found[: which.size]
    return _told(told) | {
        "items": [_item_shape(item_receipt(row), row) for row in shown],
        "next_after": shown[-1].pk if len(found) > which.size else None,
    }


def _sent(request: HttpRequest, collection: Collection) -> tuple[list[NewFile], SentTable | None]:
    """Raises BadList."""
    files = announcing.file_list(request)
    table = announcing.table(request, collection)
    return files, table and table.among([file.name for file in files])


def editable_collection(user: User, collection_id: UUID) -> Collection:
    """Raises Http404 where ``user`` may not see it, PermissionDenied where they may not add to it."""
    collection = get_object_or_404(Collection.objects.visible_to(user), pk=collection_id)
    if not Collection.objects.editable_by(user).filter(pk=collection.pk).exists():
        raise PermissionDenied("You may not add images to this collection.")
    return collection


def _opened(file: UploadedFile) -> BinaryIO:
    if file.file is None:
        raise BadQuery("no_file", "There is no file in this request.")
    return cast("BinaryIO", file.file)


def _object(given: object) -> dict[str, Any]:
    """A JSON object, as text or already read. Raises BadQuery."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as exc:
            raise BadQuery("metadata", "Metadata is a JSON object.") from exc
    if not isinstance(given, dict):
        raise BadQuery("metadata", "Metadata is a JSON object.")
    return given


def _item_shape(item: ReceiptItem, row: UploadItem | None) -> dict[str, Any]:
    pending = row is not None and row.state == ItemState.PENDING
    return vars(item) | {"done": item.done, "address": address(row) if pending and row is not None else None}


def _shape(upload: Upload) -> dict[str, Any]:
    told = receipt(upload)
    pending = {row.pk: row for row in upload.items.filter(state=ItemState.PENDING, parent=None)}
    return _told(told) | {"items": [_item_shape(item, pending.get(item.id)) for item in told.items]}


def _told(told: Receipt) -> dict[str, Any]:
    return {
        "id": told.upload.pk,
        "collection": told.upload.collection_id,
        "done": told.done,
        "total": told.total,
        "counts": dict(told.counts),
    }
