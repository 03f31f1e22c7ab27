"""Taking in what lies in a folder of the site's own machine: to look around there, the dry run, and the start.

Only below settings.IMPORT_FOLDERS, and only for whoever may change the collection. What is not there and what is not allowed are
told alike.
"""

from __future__ import annotations

import uuid

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts.caller import signed_in
from webapp.accounts.models import User
from webapp.library import announcing, importing
from webapp.library.editable import editable_collection
from webapp.library.forms import UploadDefaults
from webapp.library.models import Collection
from webapp.library.sent_table import UNNAMED
from webapp.library.upload_page import UploadPage

GONE = "There is no such folder or file, or it is not one that may be taken in."


@require_safe
def browse(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What lies directly in ``folder``, below it in ``path``."""
    editable_collection(signed_in(request), pk)
    try:
        listing = importing.browse(_folder(request.GET.get("folder", "")), request.GET.get("path", ""))
    except importing.NotThere:
        return JsonResponse({"detail": GONE}, status=422)
    return JsonResponse(
        {
            "path": listing.path,
            "above": [{"name": name, "path": path} for name, path in listing.above],
            "lines": [vars(line) for line in listing.lines],
            "unshown": listing.unshown,
        }
    )


@require_POST
def check(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """As for files that would be sent. Nothing is written, and no file is opened."""
    user = signed_in(request)
    collection = editable_collection(user, pk)
    try:
        announcing.defaults(request)
        table = announcing.table(request, collection)
        said = table.said if table and table.names_files else None
        judged = importing.check(user, collection, _folder(request.POST.get("folder", "")), _path(request), said=said)
    except (announcing.BadList, importing.NotThere) as bad:
        return JsonResponse({"detail": _sentence(bad)}, status=422)
    shape = announcing.check_shape(judged, image_address=lambda image: reverse("image", args=[image]))
    return JsonResponse(shape | {"table": table.shape() if table else None})


@require_POST
def take_in(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Starts the job; a script is answered with the receipt's address, a form with the receipt."""
    user = signed_in(request)
    collection = editable_collection(user, pk)
    try:
        defaults, table = announcing.defaults(request), announcing.table(request, collection)
        if table is not None and not table.names_files:
            raise announcing.BadList(UNNAMED)
        of, said = _folder(request.POST.get("folder", "")), table.said if table else None
        with transaction.atomic():  # the job starts when all that it reads is kept
            started = importing.start(user, collection, of, _path(request), defaults=defaults, said=said)
            if table is not None:
                table.keep(started)
    except (announcing.BadList, importing.NotThere) as bad:
        return _refused(request, user, collection, _sentence(bad))
    if _wants_json(request):
        return JsonResponse({"receipt": reverse("receipt", args=[started.pk])}, status=201)
    return redirect("receipt", started.pk)


def _refused(request: HttpRequest, user: User, collection: Collection, sentence: str) -> HttpResponse:
    if _wants_json(request):
        return JsonResponse({"detail": sentence}, status=422)
    told = {
        "form": UploadDefaults(request.POST),
        "collection": collection,
        "page": UploadPage.of(collection, user),
        "path_refused": sentence,
        "chosen_folder": request.POST.get("folder", ""),
        "chosen_path": request.POST.get("path", ""),
    }
    return render(request, "library/upload.html", told, status=422)


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def _sentence(bad: Exception) -> str:
    return GONE if isinstance(bad, importing.NotThere) else str(bad)


def _folder(told: str) -> importing.Folder:
    """Raises NotThere."""
    if not told.isdecimal() or len(told) > 4:
        raise importing.NotThere
    return importing.folder(int(told))


def _path(request: HttpRequest) -> str:
    return request.POST.get("path", "").strip().strip("/")
