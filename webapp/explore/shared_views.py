"""Opening a shared link: /q/<token> leads on at once to an address without the token, which then asks for rights itself.

Whoever is not signed in learns nothing: known and unknown tokens lead to the same sign-in, and from there on by the token's hash.
"""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from webapp.accounts import limits
from webapp.accounts.caller import signed_in
from webapp.accounts.models import User
from webapp.accounts.tokens import digest
from webapp.explore import frozen, guests, saving, sharing
from webapp.explore.guest_views import let_in
from webapp.explore.models import LinkMode
from webapp.explore.shown_link import Shared


@login_not_required
@require_safe
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """Always a redirect: no page has the token in its address."""
    sha256 = digest(token)
    onward, pk = reverse("shared-by", args=[sha256]), sharing.by_digest(sha256)
    if isinstance(request.user, User):
        for_guests = None if sharing.is_seen(pk, request.user) else guests.link_for_guests(pk)
        return redirect(onward) if for_guests is None else let_in(for_guests)
    limits.count("link", limits.address_of(request))
    for_guests = guests.link_for_guests(pk)
    return redirect_to_login(onward) if for_guests is None else let_in(for_guests)


@require_safe
def open_by_digest(request: HttpRequest, sha256: str) -> HttpResponse:
    """By the hash of a token, for members: it opens nothing for guests."""
    user = signed_in(request)
    limits.count("link", user)
    opened = sharing.open_link(sharing.by_digest(sha256), user)
    if opened.is_open:
        sharing.note_opened(opened.link, user)
    return redirect("shared", opened.link.pk)


@require_safe
def shared(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The page of an open link: a live one's is the search page itself, with a header about the link."""
    user = signed_in(request)
    opened = sharing.open_link(pk, user)
    link = opened.link
    if not opened.is_open:
        return render(request, "explore/link_ended.html", {"link": link, "state": opened.state}, status=410)
    if link.mode == LinkMode.LIVE:
        address, lost = saving.opened(link.query, user)
        if lost:
            rest = " The rest of it is asked." if address else " Nothing is left of it to ask."
            messages.warning(request, f"The picture of this search is gone, or not yours to see.{rest}")
        return redirect(f"{address}&{urlencode({'link': str(link.pk)})}" if address else "saved")
    parts = saving.in_words(link.query.address)
    told = {"shared": Shared.of(link, user), "compared": frozen.compared(link, user), "parts": parts}
    return render(request, "explore/frozen.html", told)
