"""The terms of the encoder's weights: each user reads and accepts them once before the first use, and again when they change.

Only weights that others own have terms (CONCH). Signing in, the account and the terms themselves stay open without them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse

from webapp.accounts import operator
from webapp.accounts.audit import record
from webapp.accounts.models import LicenceAcceptance, User
from webapp.library.licences import CONCH

OPEN = frozenset({"terms", "sign-in", "sign-out", "enter-demo", "account", "open-link"})  # names of addresses
OPEN_BELOW = ("/static/", "/admin/", "/account/", "/api/")  # the API asks for itself, once it knows whose the token is
MISSING = "The terms of the encoder’s weights are not accepted yet: sign in to the site once and read them."


@dataclass(frozen=True)
class Terms:
    encoder: str
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


ALL = {"conch": Terms("conch", "CONCH", CONCH)}


def terms() -> Terms | None:
    """Of the encoder that this site uses; None where nobody else's terms apply."""
    return ALL.get(settings.CONCHIVE_ENCODER)


def accepted(user: User) -> bool:
    """True also where there is nothing to accept. The site's own commands run for whoever installed the weights."""
    asked = terms()
    if asked is None or user.username == operator.NAME:
        return True
    return LicenceAcceptance.objects.filter(user=user, encoder=asked.encoder, terms_sha256=asked.sha256).exists()


def accept(user: User) -> None:
    asked = terms()
    if asked is None:
        return
    _, new = LicenceAcceptance.objects.get_or_create(user=user, encoder=asked.encoder, terms_sha256=asked.sha256)
    if new:
        record(user, "terms-accepted", encoder=asked.encoder, terms=asked.sha256[:16])


class TermsMiddleware:
    """Leads whoever has not accepted yet to the terms, and from there to where they were going.

    A shared link itself only leads on to an address without its secret: that one asks, so that the secret is no other's "next".
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, arguments: Any, named: Any) -> HttpResponse | None:
        del view, arguments, named
        open_to_all = request.path.startswith(OPEN_BELOW) or getattr(request.resolver_match, "url_name", "") in OPEN
        if terms() is None or open_to_all or not isinstance(request.user, User) or accepted(request.user):
            return None
        if request.method in ("GET", "HEAD"):
            return redirect(f"{reverse('terms')}?{urlencode({'next': request.get_full_path()})}")
        return JsonResponse({"detail": MISSING, "reason": "terms"}, status=403)
