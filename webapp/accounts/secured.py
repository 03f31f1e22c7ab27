"""allauth's views of an account, limited.

Guesses are counted by user. Pages about mail are only there where the site sends any. And the demo's user, whom every visitor is,
has nothing to guard, and must not be taken away by one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import views as engine
from allauth.mfa.base import views as factors
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as apps
from allauth.mfa.webauthn import views as passkeys
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from webapp.accounts import demo, limits
from webapp.accounts.caller import signed_in

View = Callable[..., HttpResponse]
METHODS = ["GET", "HEAD", "POST"]


def _guarded(view: Any) -> View:
    """A page of somebody signed in."""

    @wraps(view)
    @require_http_methods(METHODS)
    @sensitive_post_parameters()
    def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        user = signed_in(request)
        if user.username == demo.NAME:
            raise Http404
        if request.method == "POST":
            limits.count("sign-in", user)
        answer: HttpResponse = view(request, *arguments, **named)
        return answer

    return guarded


def _of_own_passkey(view: View) -> View:
    """Before anything else is asked: a foreign one and one that never was are answered alike."""

    @wraps(view)
    @require_http_methods(METHODS)
    def of_own_passkey(request: HttpRequest, pk: int) -> HttpResponse:
        get_object_or_404(Authenticator, pk=pk, user=signed_in(request).pk, type=Authenticator.Type.WEBAUTHN)
        return view(request, pk=pk)

    return of_own_passkey


def _mailing(view: View) -> View:
    @wraps(view)
    @require_http_methods(METHODS)
    def mailing(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        if not settings.MAILS:
            raise Http404
        return view(request, *arguments, **named)

    return mailing


@login_not_required
@require_http_methods(METHODS)
def forgotten(request: HttpRequest) -> HttpResponse:
    """A sentence where the site sends no mail."""
    if not settings.MAILS:
        return render(request, "account/password_reset.html", {"mails": False})
    if request.method == "POST":
        limits.count("sign-in", limits.address_of(request))
    answer: HttpResponse = engine.password_reset(request)
    return answer


@login_not_required
@require_http_methods(METHODS)
@sensitive_post_parameters()
def new_password(request: HttpRequest, uidb36: str, key: str) -> HttpResponse:
    limits.count("sign-in", limits.address_of(request))
    answer: HttpResponse = engine.password_reset_from_key(request, uidb36=uidb36, key=key)
    return _missing(answer) if _context(answer).get("token_fail") else answer


@login_not_required
@require_http_methods(METHODS)
def confirm_email(request: HttpRequest, key: str) -> HttpResponse:
    limits.count("sign-in", limits.address_of(request))
    answer: HttpResponse = engine.confirm_email(request, key=key)
    return _missing(answer) if "confirmation" in _context(answer) and not _context(answer)["confirmation"] else answer


def _context(answer: HttpResponse) -> dict[str, Any]:
    """What a page was made of; nothing of an answer that leads elsewhere."""
    return getattr(answer, "context_data", None) or {}


def _missing(answer: HttpResponse) -> HttpResponse:
    """The page says that the link opens nothing; so does its status."""
    answer.status_code = 404
    return answer


confirm_password = _guarded(engine.reauthenticate)
confirm_code = _guarded(factors.reauthenticate)
confirm_passkey = _guarded(passkeys.reauthenticate_webauthn)
change_password = _guarded(engine.password_change)
set_password = _guarded(engine.password_set)
change_email = _mailing(_guarded(engine.email))
add_app = _guarded(apps.activate_totp)
remove_app = _guarded(apps.deactivate_totp)
add_passkey = _guarded(passkeys.add_webauthn)
rename_passkey = _of_own_passkey(_guarded(passkeys.edit_webauthn))
remove_passkey = _of_own_passkey(_guarded(passkeys.remove_webauthn))
recovery_codes = _guarded(codes.view_recovery_codes)
new_recovery_codes = _guarded(codes.generate_recovery_codes)
