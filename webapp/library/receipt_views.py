"""An upload's own page, its tables, and what is done with the upload as a whole. Receipts name files: they are for editors."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.library import bulk_jobs, cancelling, receipts
from webapp.library.archives import ending
from webapp.library.bulk_jobs import Which
from webapp.library.csv_answers import csv_answer, errors_answer
from webapp.library.editable import collection_named, uploads_of
from webapp.library.models import Upload
from webapp.library.receipt_pages import Asked, ReceiptPage, lines_page, parents, unsent

LAST = 286  # htmx takes it as the last answer and stops asking


def _upload(request: HttpRequest, pk: uuid.UUID) -> Upload:
    return get_object_or_404(uploads_of(request.user).select_related("collection__team", "user"), pk=pk)


# --- looking ----------------------------------------------------------------------------------------------------------


@require_safe
def show_receipt(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    shown = _upload(request, pk)
    page = ReceiptPage.of(shown)
    told = {
        "receipt": page,
        "lines": lines_page(shown, page.receipt, Asked.of(request.GET.dict())),
        "parents": parents(shown),
        "refused": unsent(shown) if page.receipt.counts["failed"] else 0,
    }
    return render(request, "library/receipt.html", told)


@require_safe
def receipt_state(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Asked for every 2 s; the list fetches itself again where a count has changed since ``seen``."""
    page = ReceiptPage.of(_upload(request, pk))
    told = {"receipt": page, "renewed": True}
    response = render(request, "library/_receipt.html", told, status=LAST if page.settled else 200)
    changed = page.digest != request.GET.get("seen", page.digest)
    if events := ["receipt-changed"] * changed + ["receipt-settled"] * page.settled:
        response.headers["HX-Trigger"] = ", ".join(events)
    return response


@require_safe
def receipt_actions(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What can be done now that it has settled."""
    shown = _upload(request, pk)
    if not getattr(request, "htmx", False):
        return redirect("receipt", pk)
    page = ReceiptPage.of(shown)
    refused = unsent(shown) if page.receipt.counts["failed"] else 0
    return render(request, "library/_receipt_actions.html", {"receipt": page, "refused": refused})


@require_safe
def receipt_parents(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Fetched again with the counts: an archive's line says how far it is."""
    shown = _upload(request, pk)
    if not getattr(request, "htmx", False):
        return redirect("receipt", pk)
    return render(request, "library/_receipt_parents.html", {"upload": shown, "parents": parents(shown)})


@require_safe
def receipt_lines(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    shown = _upload(request, pk)
    if not getattr(request, "htmx", False):
        return redirect(f"{request.path.removesuffix('/lines')}?{request.GET.urlencode()}")
    told = lines_page(shown, receipts.receipt(shown), Asked.of(request.GET.dict()))
    return render(request, "library/_receipt_lines.html", {"lines": told, "upload": shown})


# --- tables -----------------------------------------------------------------------------------------------------------


@require_safe
def failures_csv(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    shown = _upload(request, pk)
    headings, name = ("file", "reason", "why"), f"failures-{str(pk)[:8]}"
    return csv_answer(headings, receipts.failures(shown), name=name, user=signed_in(request))


@require_safe
def errors_csv(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """Rows of the upload's table that were not taken, and why."""
    return errors_answer(_upload(request, pk).table_errors, name=f"errors-{str(pk)[:8]}", user=signed_in(request))


# --- acting -----------------------------------------------------------------------------------------------------------


@require_POST
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    upload = _upload(request, pk)
    ended = cancelling.cancel(upload)
    record(signed_in(request), "upload-cancelled", upload, files=ended)
    messages.success(request, f"Cancelled: {ended:,} file{'' if ended == 1 else 's'} will not come in. What has come in stays.")
    return redirect("receipt", pk)


@require_POST
def retry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    upload = _upload(request, pk)
    ending.resume(upload)  # archives that a full disk or a dying worker has stopped
    return _started(request, upload, bulk_jobs.RETRY)


@require_POST
def reembed(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _started(request, _upload(request, pk), bulk_jobs.REEMBED)


@require_POST
def throw_away(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Nothing more comes in either: what is thrown away is the whole upload."""
    upload = _upload(request, pk)
    cancelling.cancel(upload)
    return _started(request, upload, bulk_jobs.THROW_AWAY)


@require_POST
def move(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user, upload = signed_in(request), _upload(request, pk)
    target = collection_named(user, request.POST.get("into", ""))
    if target is None:
        messages.error(request, "Choose a collection to move them to.")
        return redirect("receipt", pk)
    return _started(request, upload, bulk_jobs.MOVE, **bulk_jobs.move_arguments(upload, target))


def _started(request: HttpRequest, upload: Upload, kind: str, **arguments: Any) -> HttpResponse:
    user = signed_in(request)
    job = Which(upload=upload).start(kind, user=user, **arguments)
    record(user, f"job-{kind}", upload, job=str(job.pk), **arguments)
    return redirect("receipt", upload.pk)
