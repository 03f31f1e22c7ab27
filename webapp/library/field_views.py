"""The fields that a collection defines for itself: listed, added, changed, taken away, by its editors."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.library.editable import editable_collection
from webapp.library.field_rules import CLOSABLE
from webapp.library.models import Collection, FieldDefinition
from webapp.library.table_forms import UNITS, DefineField


@require_safe
def list_fields(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    collection = editable_collection(signed_in(request), pk)
    told = {"collection": collection, "definitions": collection.field_definitions.all(), "own": CLOSABLE}
    return render(request, "library/fields.html", told)


@require_http_methods(["GET", "HEAD", "POST"])
def new_field(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _define(request, editable_collection(signed_in(request), pk), FieldDefinition())


@require_http_methods(["GET", "HEAD", "POST"])
def edit_field(request: HttpRequest, pk: uuid.UUID, field: int) -> HttpResponse:
    collection = editable_collection(signed_in(request), pk)
    return _define(request, collection, get_object_or_404(collection.field_definitions, pk=field))


def _define(request: HttpRequest, collection: Collection, definition: FieldDefinition) -> HttpResponse:
    new = definition.pk is None
    form = DefineField(request.POST or None, instance=definition, collection=collection)
    if not form.is_valid():
        told = {"form": form, "collection": collection, "new": new, "own": CLOSABLE, "units": UNITS}
        return render(request, "library/field.html", told, status=422 if form.is_bound else 200)
    saved = form.save()
    record(signed_in(request), "field-defined", collection, field=saved.pk, kind=saved.kind)
    messages.success(request, f"“{saved.name}” is {'added' if new else 'saved'}.")
    return redirect("fields", collection.pk)


@require_POST
def delete_field(request: HttpRequest, pk: uuid.UUID, field: int) -> HttpResponse:
    """The rule goes; what images say stays."""
    collection = editable_collection(signed_in(request), pk)
    definition = get_object_or_404(collection.field_definitions, pk=field)
    record(signed_in(request), "field-forgotten", collection, field=definition.pk, kind=definition.kind)
    definition.delete()
    messages.success(request, f"“{definition.name}” is no longer defined. What images say in it stays.")
    return redirect("fields", collection.pk)
