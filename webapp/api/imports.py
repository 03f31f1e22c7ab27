"""Imports: what lies in folders of the site's own machine, looked at, checked and taken in without being sent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from django.urls import reverse
from ninja import Field, Router, Schema, Status

from webapp.api.auth import caller
from webapp.api.uploads import CheckOut, editable_collection
from webapp.library import announcing, importing
from webapp.library.metadata import Metadata

router = Router(tags=["uploads"])


class FolderOut(Schema):
    number: int
    name: str


class LineOut(Schema):
    """``bytes`` null: a folder."""

    name: str
    path: str
    bytes: int | None


class ListingOut(Schema):
    """``unshown``: how many more lines there are."""

    path: str
    lines: list[LineOut]
    unshown: int


class Place(Schema):
    """``folder``: its number; ``path``: of a folder or file below it, with slashes; empty for all of it."""

    folder: int
    path: str = Field("", max_length=4096)


class NewImport(Place):
    """``defaults``: metadata for files that say nothing else."""

    defaults: dict[str, Any] = Field(default_factory=dict)


class StartedOut(Schema):
    upload: UUID
    receipt: str


@router.get("/collections/{collection_id}/imports", response=list[FolderOut])
def list_folders(request: HttpRequest, collection_id: UUID) -> list[dict[str, Any]]:
    """The folders that may be imported from; none where the operator allows none."""
    editable_collection(caller(request), collection_id)
    return [{"number": folder.number, "name": folder.name} for folder in importing.folders()]


@router.get("/collections/{collection_id}/imports/{int:folder}", response=ListingOut)
def browse_folder(request: HttpRequest, collection_id: UUID, folder: int, path: str = "") -> dict[str, Any]:
    """What lies directly there, at most 1,000 lines."""
    editable_collection(caller(request), collection_id)
    try:
        listing = importing.browse(importing.folder(folder), path)
    except importing.NotThere:
        raise Http404 from None
    return {"path": listing.path, "lines": [vars(line) for line in listing.lines], "unshown": listing.unshown}


@router.post("/collections/{collection_id}/imports/check", response=CheckOut)
def check_import(request: HttpRequest, collection_id: UUID, place: Place) -> dict[str, Any]:
    """What would become of the files there; nothing is written."""
    user = caller(request)
    collection = editable_collection(user, collection_id)
    try:
        judged = importing.check(user, collection, importing.folder(place.folder), place.path)
    except importing.NotThere:
        raise Http404 from None
    return announcing.check_shape(judged, image_address=str)


@router.post("/collections/{collection_id}/imports", response={201: StartedOut})
def start_import(request: HttpRequest, collection_id: UUID, place: NewImport) -> Status[dict[str, Any]]:
    """The files are read where they lie, by a worker; the receipt tells what became of each."""
    user = caller(request)
    collection, defaults = editable_collection(user, collection_id), Metadata.from_mapping(place.defaults)
    try:
        upload = importing.start(user, collection, importing.folder(place.folder), place.path, defaults=defaults)
    except importing.NotThere:
        raise Http404 from None
    return Status(201, {"upload": upload.pk, "receipt": reverse("api:show_upload", args=[upload.pk])})
