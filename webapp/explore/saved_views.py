"""Saved searches: the list, saving, renaming, deleting and opening one."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.explore import saving, watch_views, watching
from webapp.explore.asking import BadQuery
from webapp.explore.forms import RenameSearch, SaveSearch
from webapp.explore.models import SavedQuery

A_PAGE = 40


@require_safe
def saved(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    words = request.GET.get("find", "").strip()[:200]
    page = Paginator(saving.found(user, words), A_PAGE).get_page(request.GET.get("page"))
    told = {
        "page": page,
        "saved": saving.told(list(page), user),
        "watched": watching.watched_ids(user, page),
        "find": words,
        "back": request.get_full_path(),
    }
    return render(request, "explore/saved.html", told)


@require_http_methods(["GET", "HEAD", "POST"])
def save(request: HttpRequest) -> HttpResponse:
    """The form for a search, whose address comes as this page's own query-string; htmx shows it in a dialog."""
    user = signed_in(request)
    if request.method == "POST":
        form = SaveSearch(request.POST, user=user)
        if form.is_valid():
            made = form.save()
            record(user, "search-saved", made, team=made.team)
            if form.cleaned_data["watch"]:
                watch_views.begin(request, made)
            link = format_html('Saved as <a href="{}">{}</a>.', "/saved", made.name)
            messages.success(request, link)
            return redirect(f"/?{made.address}")
        return render(request, "explore/save.html", {"form": form, "address": form["address"].value() or ""}, status=422)
    try:
        address = saving.kept_address(request.META.get("QUERY_STRING", ""))
    except BadQuery as refused:
        messages.error(request, str(refused))
        return redirect("search")
    form = SaveSearch(initial={"name": saving.suggested_name(address), "address": address}, user=user)
    told = {"form": form, "address": address, "parts": saving.in_words(address)}
    part = getattr(request, "htmx", False)
    response = render(request, "explore/_save_form.html" if part else "explore/save.html", told)
    response.headers["Vary"] = "HX-Request"
    return response


@require_safe
def open_saved(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """On to its results, which are those of whoever opens it."""
    user = signed_in(request)
    query = get_object_or_404(SavedQuery.objects.visible_to(user), pk=pk)
    address, lost = saving.opened(query, user)
    if lost:
        rest = " The rest of it is asked." if address else " Nothing is left of it to ask."
        messages.warning(request, f"The picture of this search is gone, or not yours to see.{rest}")
    return redirect(address or "saved")


@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    query = get_object_or_404(SavedQuery.objects.editable_by(user), pk=pk)
    form = RenameSearch(request.POST or None, instance=query)
    if not form.is_valid():
        told = {"form": form, "query": query, "parts": saving.in_words(query.address)}
        return render(request, "explore/rename.html", told, status=422 if form.is_bound else 200)
    record(user, "search-renamed", form.save(), fields=form.changed_data)
    messages.success(request, "Saved.")
    return redirect("saved")


@require_POST
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The list's dialog has asked before."""
    user = signed_in(request)
    query = get_object_or_404(SavedQuery.objects.editable_by(user), pk=pk)
    record(user, "search-deleted", query)
    query.delete()
    messages.success(request, f"Deleted “{query.name}”.")
    return redirect("saved")


@require_POST
def fork(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One's own version, to be changed without changing the team's."""
    user = signed_in(request)
    query = get_object_or_404(SavedQuery.objects.visible_to(user), pk=pk)
    made = saving.fork(query, user)
    record(user, "search-forked", made, origin=str(query.pk))
    messages.success(request, f"“{made.name}” is now also a search of your own.")
    return redirect("rename-saved", made.pk)
