"""Uploading by browser: all files in one form, or checked and announced first and then sent one by one (tus_views.py)."""

from __future__ import annotations

import uuid
from typing import BinaryIO, cast

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.library import announcing, checking, quotas
from webapp.library.editable import editable_collection, uploads_of
from webapp.library.forms import UploadDefaults
from webapp.library.ingest import accept, start_upload
from webapp.library.kinds import NewFile
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, Upload, UploadItem
from webapp.library.sent_table import UNNAMED, SentTable
from webapp.library.tables import BadTable
from webapp.library.tus_views import status_of
from webapp.library.upload_page import UploadPage

WITH = ("upload__collection__team", "upload__user")  # what accept() asks of an item


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The form; and without script, all files in one request."""
    user = signed_in(request)
    collection = editable_collection(user, pk)
    form = UploadDefaults(request.POST or None, request.FILES or None)
    files = request.FILES.getlist("files")
    table = _table_of(request, form, collection)
    told: dict[str, object] = {"form": form, "collection": collection, "no_files": form.is_bound and not files}
    told["page"] = UploadPage.of(collection, user)
    if not form.is_valid() or not files:
        return render(request, "library/upload.html", told, status=422 if form.is_bound else 200)
    try:
        announced = [NewFile(str(file.name), file.size) for file in files]
        started = _start(request, collection, announced, form.metadata, table)
    except quotas.NoRoom as full:
        return render(request, "library/upload.html", told | {"refusal": full.text}, status=status_of(full))
    for item, file in zip(started.items.select_related(*WITH).order_by("pk"), files, strict=True):
        accept(item, cast("BinaryIO", file))
    return redirect("receipt", started.pk)


def _table_of(request: HttpRequest, form: UploadDefaults, collection: Collection) -> SentTable | None:
    """What is wrong with it is said at the form's field."""
    try:
        table = SentTable.of(request, collection)
        if table is not None and not table.names_files:
            raise BadTable("The table has no column that names the file: call one of them «file».")
    except BadTable as bad:
        form.add_error("table", str(bad))
        return None
    return table


@require_POST
def check(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Names, sizes and checksums -> what would become of each file. Nothing is written."""
    user = signed_in(request)
    collection = editable_collection(user, pk)
    try:
        _, files, table = _told(request, collection)
    except announcing.BadList as bad:
        return JsonResponse({"detail": str(bad)}, status=422)
    judged = checking.check(collection, files, user=user, said=table.said if table and table.names_files else None)
    shape = announcing.check_shape(judged, image_address=lambda image: reverse("image", args=[image]))
    return JsonResponse(shape | {"table": table.shape() if table else None})


@require_POST
def announce(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The same parts -> one row a file, and the addresses for the bytes of those that are to be sent."""
    user = signed_in(request)
    collection = editable_collection(user, pk)
    try:
        defaults, files, table = _told(request, collection)
        if table is not None and not table.names_files:
            raise announcing.BadList(UNNAMED)
        started = _start(request, collection, files, defaults, table)
    except announcing.BadList as bad:
        return JsonResponse({"detail": str(bad)}, status=422)
    except quotas.NoRoom as full:
        return JsonResponse({"detail": full.text, "reason": full.reason}, status=status_of(full))
    told = {"upload": started.pk, "receipt": reverse("receipt", args=[started.pk])}
    return JsonResponse(told | {"items": announcing.to_send(started, _address)}, status=201)


def _told(request: HttpRequest, collection: Collection) -> tuple[Metadata, list[NewFile], SentTable | None]:
    """(defaults, files, table). Raises announcing.BadList."""
    defaults, files = announcing.defaults(request), announcing.file_list(request)
    table = announcing.table(request, collection)
    return defaults, files, table and table.among([file.name for file in files])


def _start(
    request: HttpRequest, collection: Collection, files: list[NewFile], defaults: Metadata, table: SentTable | None
) -> Upload:
    """Raises quotas.NoRoom."""
    user = signed_in(request)
    source = "admin" if user.is_staff and request.POST.get("source") == "admin" else "form"
    said = table.said if table else None
    started = start_upload(user=user, collection=collection, source=source, files=files, defaults=defaults, said=said)
    if table is not None:
        table.keep(started)
    record(user, "upload", started, files=len(files))
    return started


def _address(item: UploadItem) -> str:
    return reverse("tus-item", args=[item.key])


@require_safe
def pending(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Files that have not arrived, and how much of each has: for going on after a reload."""
    response = JsonResponse({"items": announcing.still_to_send(get_object_or_404(uploads_of(request.user), pk=pk), _address)})
    response.headers["Cache-Control"] = "no-store"
    return response
