"""Accounts that must have a second factor do nothing else before they have one. Asked at each request, like every right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect

from webapp.accounts import second_factors
from webapp.accounts.models import User

MISSING = "Your account must have a second factor: set one up first."

# names of addresses that lead to one, and out
OPEN = frozenset(
    {
        "second-factor",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_view_recovery_codes",
        "account_reauthenticate",
        "account_set_password",
        "sign-in",
        "sign-out",
    }
)


class SecondFactorMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, arguments: Any, named: Any) -> HttpResponse | None:
        del view, arguments, named
        name = getattr(request.resolver_match, "url_name", "")
        if name in OPEN or not isinstance(request.user, User) or not second_factors.is_missing(request.user):
            return None
        if request.headers.get("HX-Request"):
            return HttpResponse(status=204)  # a part of a page: another page must not be put in its place
        if request.method in ("GET", "HEAD"):
            return redirect("second-factor")
        return JsonResponse({"detail": MISSING, "reason": "second_factor"}, status=403)
