"""The page of watched searches, with what came in since, and watching and no longer watching one."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.explore import saving, watching
from webapp.explore.models import SavedQuery, Watch
from webapp.requests import redirect_back, uuid_of


@require_safe
def watched(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    digests = watching.digests(user)
    told = {
        "digests": [(digest, saving.in_words(digest.query.address)) for digest in digests],
        "news": sum(digest.count for digest in digests),
        "rhythm": _rhythm(settings.WATCH_EVERY_S),
        "mails": settings.MAILS,
        "address": user.email,
    }
    return render(request, "explore/watched.html", told)


def _rhythm(seconds: int) -> str:
    """ "about …", as a person says it."""
    minutes = round(seconds / 60)
    return f"every {seconds} seconds" if minutes < 1 else "once a minute" if minutes == 1 else f"every {minutes} minutes"


@require_POST
def watch(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """From now on; what is there already is no news."""
    user = signed_in(request)
    query = get_object_or_404(SavedQuery.objects.visible_to(user), pk=pk)
    if not Watch.objects.filter(user=user, query=query).exists():
        begin(request, query)
    messages.success(request, f"You will be told when new images match “{query.name}”.")
    return _back(request)


def begin(request: HttpRequest, query: SavedQuery) -> None:
    user = signed_in(request)
    watching.watch(user, query)
    record(user, "watch-begun", query, team=query.team)


@require_POST
def unwatch(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Also of a search that one does not see any more."""
    user = signed_in(request)
    held = get_object_or_404(Watch.objects.filter(user=user).select_related("query__team"), query=pk)
    seen = SavedQuery.objects.visible_to(user).filter(pk=pk).exists()
    held.delete()
    watching.forget_news(user)
    record(user, "watch-ended", held.query, team=held.query.team)
    messages.success(request, f"“{held.query.name}” is not watched any more." if seen else "It is not watched any more.")
    return _back(request)


@require_POST
def mark_seen(request: HttpRequest) -> HttpResponse:
    """Of one watched search, or of all where none is named."""
    user = signed_in(request)
    told = request.POST.get("query", "")
    held = get_object_or_404(Watch.objects.filter(user=user), query=uuid_of(told)) if told else None
    watching.mark_seen(user, held)
    watching.forget_news(user)
    return _back(request)


@require_POST
def mail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """On or off: the other of the two."""
    user = signed_in(request)
    held = get_object_or_404(Watch.objects.filter(user=user, query__in=SavedQuery.objects.visible_to(user)), query=pk)
    held.by_mail = request.POST.get("by_mail") == "on"
    held.save(update_fields=["by_mail"])
    messages.success(request, "You get news by mail, once a day at most." if held.by_mail else "No mail about it any more.")
    return _back(request)


def _back(request: HttpRequest) -> HttpResponseRedirect:
    return redirect_back(request, otherwise=reverse("watched"))
