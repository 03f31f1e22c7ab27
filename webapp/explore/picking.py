"""Choosing an image of the archive to search with: the newest ones, or those whose caption or label holds a word."""

from __future__ import annotations

from django.core.exceptions import SuspiciousOperation
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from webapp.accounts.caller import signed_in
from webapp.accounts.models import User
from webapp.explore import addresses
from webapp.explore.addresses import Address
from webapp.library.models import Image
from webapp.library.models.images import ImageQuerySet

SHOWN = 24
LONGEST = 80  # characters of the word looked for
LABELS = ("captions__text", "organ", "stain", "finding", "case", "slide")


def pickable(user: User, word: str) -> ImageQuerySet:
    """Searchable images that ``user`` may see, newest first; by letters, not by meaning: this works while the encoder is away."""
    images = Image.objects.visible_to(user).ready()
    if not word:
        return images
    holds = Q()
    for label in LABELS:
        holds |= Q(**{f"{label}__icontains": word})
    return images.filter(pk__in=images.filter(holds).order_by().values("pk"))


def joined(address: str) -> str:
    """The rest of the search that a picked image joins, ready to be followed by it; "" where there is none, or too much of it."""
    try:
        rest = addresses.joined(Address.of(address))
    except SuspiciousOperation:
        return ""
    return rest.href.removeprefix("?") + "&" if rest.pairs else ""


@require_safe
def pick_image(request: HttpRequest) -> HttpResponse:
    """A page of its own, or its list alone where the bar's dialog asks for it."""
    word = request.GET.get("word", "").strip()[:LONGEST]
    images = pickable(signed_in(request), word).prefetch_related("captions")[:SHOWN]
    told = {"images": images, "word": word, "keep": joined(request.GET.get("keep", ""))}
    part = getattr(request, "htmx", False)
    response = render(request, "explore/_archive_list.html" if part else "explore/pick.html", told)
    response.headers["Vary"] = "HX-Request"
    return response
