"""A table over images that are there: sent, its columns chosen, looked at, imported by a job, taken back by another."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.accounts.caller import signed_in
from webapp.library import jobs, table_drafts, table_import, table_plan
from webapp.library.csv_answers import errors_answer
from webapp.library.editable import editable_collection
from webapp.library.job_views import ENDED
from webapp.library.models import Collection, Job
from webapp.library.receipt_views import LAST
from webapp.library.table_drafts import Draft
from webapp.library.table_forms import HowItIsRead, TableFile
from webapp.library.tables import BadTable, Mapping, Sheet, guessed, mapping_for, validated

DRAFTS = "tables"  # in the session: the tables that it has sent and not imported, number -> collection
MOST_DRAFTS = 5
ERRORS_SHOWN = 100
KINDS = (table_import.IMPORT, table_import.TAKE_BACK)


# --- sent -------------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def import_table(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    collection = editable_collection(signed_in(request), pk)
    form = TableFile(request.POST or None, request.FILES or None)
    if form.is_valid():
        file = form.cleaned_data["table"]
        try:
            return _sent(request, collection, file)
        except BadTable as bad:
            form.add_error("table", str(bad))
    told = {"form": form, "collection": collection, "recent": _jobs(collection).order_by("-made_at")[:5]}
    told["definitions"] = collection.field_definitions.all()
    return render(request, "library/import_table.html", told, status=422 if form.is_bound else 200)


def _sent(request: HttpRequest, collection: Collection, file: Any) -> HttpResponse:
    """Read once before it is kept, so that what is no table is told at once."""
    if file.size > settings.TABLE_MAX_BYTES:
        raise BadTable(f"The table is larger than {settings.TABLE_MAX_BYTES // 2**20:,} MB.")
    draft = table_drafts.keep(file.read(), str(file.name))
    try:
        draft.opened()
    except BadTable:
        table_drafts.forget(draft.number)
        raise
    sent = request.session.get(DRAFTS, {}) | {str(draft.number): str(collection.pk)}
    for number in list(sent)[:-MOST_DRAFTS]:
        table_drafts.forget(uuid.UUID(number))
        del sent[number]
    request.session[DRAFTS] = sent
    return redirect("map-table", collection.pk, draft.number)


# --- its columns chosen -----------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def map_table(request: HttpRequest, pk: uuid.UUID, draft: uuid.UUID) -> HttpResponse:
    """The columns and what comes of them; with «import» the job, with «forget» nothing."""
    collection = editable_collection(signed_in(request), pk)
    found = _draft(request, collection, draft)
    if "forget" in request.POST:
        table_drafts.forget(found.number)
        messages.info(request, "The table is forgotten; nothing was changed.")
        return redirect("collection", collection.pk)
    try:
        return _mapped(request, collection, found)
    except BadTable as bad:
        messages.error(request, str(bad))
    except table_drafts.Gone:
        messages.error(request, "The table is not there any more: send it again.")
    return redirect("import-table", collection.pk)


def _draft(request: HttpRequest, collection: Collection, number: uuid.UUID) -> Draft:
    """This session's own only."""
    if request.session.get(DRAFTS, {}).get(str(number)) != str(collection.pk):
        raise Http404("There is no such table.")
    try:
        return table_drafts.load(number)
    except table_drafts.Gone as exc:
        raise Http404("There is no such table.") from exc


def _mapped(request: HttpRequest, collection: Collection, draft: Draft) -> HttpResponse:
    sheet = draft.opened()
    wanted = request.POST.get("sheet", "")
    other_sheet = wanted not in ("", sheet.name)
    if other_sheet:  # it has other columns: what was chosen for the one before is forgotten
        draft = replace(draft, sheet=wanted)
        sheet = draft.opened()
        table_drafts.write(draft)
    mapping, refused = guessed(collection, sheet), ""
    told = request.POST if request.method == "POST" and not other_sheet else None
    form = HowItIsRead(told, sheet=sheet, mapping=mapping, collection=collection)
    if form.is_valid():
        try:
            mapping = mapping_for(collection, sheet, form.wanted)
        except BadTable as bad:
            refused = str(bad)
    usable = bool(mapping.key_column) and not refused and not form.errors
    seen = _seen(mapping)
    if usable and "import" in request.POST and request.POST.get("seen") == seen:
        return _import(request, collection, replace(draft, wanted=mapping.as_dict()))
    about = {"form": form, "collection": collection, "sheet": sheet, "mapping": mapping, "draft": draft, "refused": refused}
    about |= {"seen": seen, "again": usable and "import" in request.POST}
    if usable:
        about |= _looked_at(request, collection, sheet, mapping)
    return render(request, "library/map_table.html", about, status=422 if refused or form.errors else 200)


def _seen(mapping: Mapping) -> str:
    """Of what was looked at: nothing else is imported."""
    return hashlib.sha256(json.dumps(mapping.as_dict(), sort_keys=True).encode()).hexdigest()[:16]


def _looked_at(request: HttpRequest, collection: Collection, sheet: Sheet, mapping: Mapping) -> dict[str, Any]:
    said = validated(sheet, mapping, collection, required=False)
    plan = table_plan.plan(collection, said, user=signed_in(request))
    wrong = sorted([*plan.errors, *plan.strangers], key=lambda each: each.row)
    rows_wrong = len({each.row for each in wrong})
    return {
        "plan": plan,
        "preview": table_plan.preview(plan.planned),
        "wrong": wrong[:ERRORS_SHOWN],
        "more_wrong": max(0, len(wrong) - ERRORS_SHOWN),
        "rows_wrong": rows_wrong,
    }


def _import(request: HttpRequest, collection: Collection, draft: Draft) -> HttpResponse:
    job = table_import.start(draft, user=signed_in(request), collection=collection)
    sent = request.session.get(DRAFTS, {})
    sent.pop(str(draft.number), None)
    request.session[DRAFTS] = sent
    return redirect("table-job", collection.pk, job.pk)


# --- imported ---------------------------------------------------------------------------------------------------------


@require_safe
def show_job(request: HttpRequest, pk: uuid.UUID, job: uuid.UUID) -> HttpResponse:
    return render(request, "library/table_job.html", _told(request, pk, job))


@require_safe
def job_state(request: HttpRequest, pk: uuid.UUID, job: uuid.UUID) -> HttpResponse:
    """Polled every second; 286 tells htmx that nothing will change any more."""
    told = _told(request, pk, job)
    response = render(request, "library/_table_job.html", told, status=200 if told["open"] else LAST)
    if not told["open"]:
        response.headers["HX-Trigger"] = ENDED
    return response


def _told(request: HttpRequest, pk: uuid.UUID, job: uuid.UUID) -> dict[str, Any]:
    collection = editable_collection(signed_in(request), pk)
    shown = get_object_or_404(_jobs(collection).select_related("user"), pk=job)
    is_open = shown.state in jobs.OPEN
    undone = shown.kind == table_import.IMPORT and not is_open
    return {
        "collection": collection,
        "job": shown,
        "open": is_open,
        "is_import": shown.kind == table_import.IMPORT,
        "report": shown.report[:ERRORS_SHOWN],
        "more": max(0, len(shown.report) - ERRORS_SHOWN),
        "standing": table_import.standing(shown, user=signed_in(request)) if undone else 0,
    }


@require_safe
def job_errors(request: HttpRequest, pk: uuid.UUID, job: uuid.UUID) -> HttpResponseBase:
    found = get_object_or_404(_jobs(editable_collection(signed_in(request), pk)), pk=job)
    return errors_answer(found.report, name=f"errors-{str(job)[:8]}", user=signed_in(request))


@require_POST
def take_back(request: HttpRequest, pk: uuid.UUID, job: uuid.UUID) -> HttpResponse:
    collection = editable_collection(signed_in(request), pk)
    imported = get_object_or_404(_jobs(collection), pk=job, kind=table_import.IMPORT)
    if imported.state in jobs.OPEN:
        messages.error(request, "The import has not ended yet: cancel it first.")
        return redirect("table-job", collection.pk, imported.pk)
    undoing = table_import.take_back(imported, user=signed_in(request))
    return redirect("table-job", collection.pk, undoing.pk)


def _jobs(collection: Collection) -> Any:
    return Job.objects.filter(collection=collection, kind__in=KINDS)
