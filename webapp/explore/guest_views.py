"""What guests see of a frozen link.

A signed cookie, of that one page's address, says that they came by the link; the link itself is asked every time.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from webapp.accounts import limits
from webapp.explore import guests, sharing
from webapp.explore.models import ShareLink
from webapp.explore.share_forms import GuestPassword
from webapp.library import files
from webapp.library.sent_files import opened, sent

COOKIE, SALT = "guest-link", "webapp.explore.guests"
KEPT_S = 3600
TO_PROVE = "password"  # came by the link, has not told its password yet


def let_in(link: ShareLink) -> HttpResponse:
    """On to the guests' page, with the cookie that opens it for an hour."""
    if not link.password:
        sharing.note_opened(link, None)
    return _with_cookie(redirect("guest", link.pk), link, TO_PROVE if link.password else guests.proof(link))


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def guest_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    link = _link(request, pk)
    if _proved(request, link):
        return render(request, "explore/guest.html", {"link": link, "hits": guests.hits(link)})
    form = GuestPassword(request.POST or None)
    if request.method == "POST":
        limits.count("link", limits.address_of(request))
        if form.is_valid() and guests.knows(link, form.cleaned_data["password"]):
            sharing.note_opened(link, None)
            return _with_cookie(redirect("guest", link.pk), link, guests.proof(link))
        if form.is_valid():
            form.add_error("password", "This is not the password of this link.")
    return render(request, "explore/guest_password.html", {"form": form}, status=403 if form.is_bound else 200)


@login_not_required
@require_safe
def guest_picture(request: HttpRequest, pk: uuid.UUID, rank: int) -> HttpResponseBase:
    """The small picture of one hit, named by its place."""
    link = _link(request, pk)
    image = guests.image_at(link, rank) if _proved(request, link) else None
    if image is None:
        raise Http404("There is no such picture.")
    return sent(request, opened(files.thumbnail(image.pk)), tag=uuid.uuid4().hex, content_type="image/jpeg")


def _link(request: HttpRequest, pk: uuid.UUID) -> ShareLink:
    """Raises Http404 for whoever did not come by the link, and for a link that is none for guests (any more)."""
    link = guests.link_for_guests(pk)
    if link is None or _told(request, link) == "":
        raise Http404("There is no such link.")
    return link


def _told(request: HttpRequest, link: ShareLink) -> str:
    try:
        return request.get_signed_cookie(COOKIE, "", salt=f"{SALT}.{link.pk}", max_age=KEPT_S) or ""
    except signing.BadSignature:
        return ""


def _proved(request: HttpRequest, link: ShareLink) -> bool:
    return _told(request, link) == guests.proof(link)


def _with_cookie(response: HttpResponse, link: ShareLink, said: str) -> HttpResponse:
    response.set_signed_cookie(
        COOKIE,
        said,
        salt=f"{SALT}.{link.pk}",
        max_age=KEPT_S,
        path=reverse("guest", args=[link.pk]),
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )
    return response
