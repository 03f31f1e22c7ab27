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
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as apps
from allauth.mfa.webauthn import views as passkeys
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters

from webapp.accounts import demo, limits
from webapp.accounts.caller import signed_in

View = Callable[..., HttpResponse]


def _guarded(view: Any) -> View:
    """A page of somebody signed in."""

    @wraps(view)
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


def _mailing(view: View) -> View:
    @wraps(view)
    def mailing(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        if not settings.MAILS:
            raise Http404
        return view(request, *arguments, **named)

    return mailing


@login_not_required
def forgotten(request: HttpRequest) -> HttpResponse:
    """A sentence where the site sends no mail."""
    if not settings.MAILS:
        return render(request, "account/password_reset.html", {"mails": False})
    if request.method == "POST":
        limits.count("sign-in", limits.address_of(request))
    answer: HttpResponse = engine.password_reset(request)
    return answer


@login_not_required
@sensitive_post_parameters()
def new_password(request: HttpRequest, uidb36: str, key: str) -> HttpResponse:
    limits.count("sign-in", limits.address_of(request))
    answer: HttpResponse = engine.password_reset_from_key(request, uidb36=uidb36, key=key)
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
rename_passkey = _guarded(passkeys.edit_webauthn)
remove_passkey = _guarded(passkeys.remove_webauthn)
recovery_codes = _guarded(codes.view_recovery_codes)
new_recovery_codes = _guarded(codes.generate_recovery_codes)
