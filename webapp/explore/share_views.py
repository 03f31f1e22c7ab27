"""Sharing a search by a link, and the links that there are: until when, who opened them, extending and revoking."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.accounts.caller import signed_in
from webapp.accounts.models import User
from webapp.explore import saving, sharing
from webapp.explore.asking import MOST_JUDGED, BadQuery
from webapp.explore.encoding import PictureRefused
from webapp.explore.models import SavedQuery, ShareLink
from webapp.explore.share_forms import ExtendLink, ShareSearch
from webapp.library.choosing import BadChoice, asked, choose

A_PAGE = 40


@require_http_methods(["GET", "HEAD", "POST"])
def share(request: HttpRequest) -> HttpResponse:
    """The form for a search, whose address comes as this page's own query-string; htmx shows it in a dialog."""
    user = signed_in(request)
    if request.method == "POST":
        return _made(request, user, ShareSearch(request.POST, user=user))
    try:
        address = saving.kept_address(request.META.get("QUERY_STRING", ""))
    except BadQuery as refused:
        messages.error(request, str(refused))
        return redirect("search")
    form = ShareSearch(initial={"name": saving.suggested_name(address), "address": address}, user=user)
    return _form(request, user, form, address)


def _made(request: HttpRequest, user: User, form: ShareSearch) -> HttpResponse:
    """The link itself is in this one answer and nowhere else."""
    if not form.is_valid():
        return _form(request, user, form, str(form["address"].value() or ""), status=422)
    told = form.cleaned_data
    try:
        query = sharing.query_to_share(user, name=told["name"], note=told["note"], address=told["address"], team=told["team"])
        link, token = sharing.share(user, query, form.wish)
    except (BadQuery, PictureRefused) as refused:
        form.add_error(None, str(refused))
        return _form(request, user, form, told["address"], status=422)
    address = request.build_absolute_uri(sharing.address_of(token))
    renamed = (query.name, query.note) != (told["name"], told["note"])
    shown = {"link": link, "query": query, "address": address, "renamed": renamed}
    return render(request, "explore/link_made.html", shown)


def _form(request: HttpRequest, user: User, form: ShareSearch, address: str, *, status: int = 200) -> HttpResponse:
    """With the links that there are to the same question already: their addresses cannot be read again."""
    part = getattr(request, "htmx", False)
    told = {"form": form, "address": address, "parts": saving.in_words(address), "there": _there(user, address)}
    response = render(request, "explore/_share_form.html" if part else "explore/share.html", told, status=status)
    response.headers["Vary"] = "HX-Request"
    return response


def _there(user: User, address: str) -> list[sharing.Told]:
    queries = saving.same_by_anybody(user, address)
    links = ShareLink.objects.open().filter(query__in=[query.pk for query in queries]).select_related("query__team", "made_by")
    return sharing.told(links[:5], user)


@require_POST
def share_selected(request: HttpRequest) -> HttpResponse:
    """From the tray: a search for images like the selected ones, ready to be shared."""
    user = signed_in(request)
    try:
        chosen = choose(user, asked(request.POST))
    except BadChoice as refused:
        messages.error(request, str(refused))
        return redirect("tray")
    if len(chosen.images) > MOST_JUDGED:
        messages.error(request, f"A search is made of at most {MOST_JUDGED} images: select fewer to share one.")
        return redirect("tray")
    return redirect(f"{reverse('share')}?{urlencode([('like', str(image.pk)) for image in chosen.images])}")


# --- the links that there are -----------------------------------------------------------------------------------------


@require_safe
def links(request: HttpRequest) -> HttpResponse:
    """Those that one made, and all to searches of the teams that one owns."""
    user = signed_in(request)
    return _list(request, user, ShareLink.objects.managed_by(user), {})


@require_safe
def links_of(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    query = get_object_or_404(SavedQuery.objects.visible_to(user), pk=pk)
    return _list(request, user, query.links.all(), {"query": query, "parts": saving.in_words(query.address)})


def _list(request: HttpRequest, user: User, of_these: Any, more: dict[str, Any]) -> HttpResponse:
    page = Paginator(of_these.select_related("query__team", "made_by"), A_PAGE).get_page(request.GET.get("page"))
    told = {"page": page, "links": sharing.told(page, user), "extend": ExtendLink(auto_id=False), **more}
    return render(request, "explore/links.html", told)


@require_POST
def revoke(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The list has asked before."""
    user = signed_in(request)
    link = _managed(user, pk)
    sharing.revoke(user, link)
    messages.success(request, f"Revoked: the link to “{link.query.name}” opens nothing any more.")
    return _back(request, link)


@require_POST
def extend(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    link, form = _managed(user, pk), ExtendLink(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["days"])))
        return _back(request, link)
    try:
        sharing.extend(user, link, form.cleaned_data["days"])
    except BadQuery as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"The link to “{link.query.name}” opens for {form.cleaned_data['days']} more days from today.")
    return _back(request, link)


def _managed(user: User, pk: uuid.UUID) -> ShareLink:
    return get_object_or_404(ShareLink.objects.managed_by(user).select_related("query__team"), pk=pk)


def _back(request: HttpRequest, link: ShareLink) -> HttpResponse:
    return redirect("links-of", link.query_id) if request.POST.get("of_query") else redirect("links")
