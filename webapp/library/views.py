"""Pages about collections and the images in them."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.library import shelves, who_sees
from webapp.library.coverage import coverage
from webapp.library.forms import EditCollection, NewCollection
from webapp.library.models import Collection, Image, State

COLLECTIONS_A_PAGE, IMAGES_A_PAGE = 24, 60


@require_http_methods(["GET", "HEAD", "POST"])
def new_collection(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = NewCollection(request.POST or None, user=user)
    if not form.is_valid():
        return render(request, "library/new_collection.html", {"form": form}, status=422 if form.is_bound else 200)
    made = form.save()
    record(user, "collection-made", made, visibility=made.visibility)
    return redirect("collection", made.pk)


@require_safe
def collection(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    shown = get_object_or_404(Collection.objects.visible_to(user).select_related("team"), pk=pk)
    chosen = shelves.Tab.of(request.GET.get("show", ""))
    page = Paginator(shelves.images(shown, chosen, user), IMAGES_A_PAGE).get_page(request.GET.get("page"))
    may_edit = Collection.objects.editable_by(user).filter(pk=pk).exists()
    told = {
        "collection": shown,
        "may_edit": may_edit,
        "trashed": Image.objects.trash_of(user).filter(collection=pk).count() if may_edit else 0,
        "tabs": shelves.tabs(shown, chosen, user),
        "chosen": chosen,
        "page": page,
        "held_here": chosen is shelves.Tab.HELD and bool(page.object_list),
        "uploads": shown.uploads.all()[:5],
    }
    return render(request, "library/collection.html", told)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_collection(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    edited = get_object_or_404(Collection.objects.editable_by(user), pk=pk)
    form = EditCollection(request.POST or None, instance=edited)
    if not form.is_valid():
        told = {"form": form, "collection": edited, "choices": who_sees.choices(edited)}
        return render(request, "library/edit_collection.html", told, status=422 if form.is_bound else 200)
    record(user, "collection-changed", form.save(), fields=form.changed_data)
    messages.success(request, "Saved.")
    return redirect("collection", pk)


@require_safe
def not_searchable(request: HttpRequest) -> HttpResponse:
    """Which images cannot be found yet, or never, and why; ``reason`` narrows to one why."""
    user = signed_in(request)
    missing = Image.objects.visible_to(user).exclude(state=State.READY).select_related("collection").prefetch_related("captions")
    reason = request.GET.get("reason", "")[:40]
    if reason:
        missing = missing.filter(state=State.FAILED, reason=reason)
    page = Paginator(missing, IMAGES_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "library/not_searchable.html", {"page": page, "coverage": coverage(user), "reason": reason})
