"""«Your account»: one's name, ways to sign in, second factors, browsers that are signed in, and tokens for programs."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.mfa.models import Authenticator
from allauth.socialaccount.internal.flows.connect import disconnect, validate_disconnect
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts import browsers, demo, providers, second_factors
from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.accounts.forms import NewToken, YourName
from webapp.accounts.models import ApiToken, User


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _page(
    request: HttpRequest,
    *,
    name_form: YourName | None = None,
    token_form: NewToken | None = None,
    token: str = "",
    status: int = 200,
) -> HttpResponse:
    """``token``: one that was just made, which can be read this once."""
    user = signed_in(request)
    told = {
        "name_form": name_form or YourName(instance=user),
        "token_form": token_form or NewToken(user=user),
        "token": token,
        "tokens": user.api_tokens.order_by("-made_at"),
        "browsers": browsers.signed_in_browsers(user),
        "mails": settings.MAILS,
        "is_demo": user.username == demo.NAME,
        **_factors(user),
        **_providers(request, user),
    }
    return render(request, "accounts/account.html", told, status=status)


def _factors(user: User) -> dict[str, Any]:
    found = list(Authenticator.objects.filter(user=user.pk).order_by("created_at"))
    codes = next((each for each in found if each.type == Authenticator.Type.RECOVERY_CODES), None)
    return {
        "app": next((each for each in found if each.type == Authenticator.Type.TOTP), None),
        "passkeys": [each for each in found if each.type == Authenticator.Type.WEBAUTHN],
        "codes": codes,
        "codes_left": settings.MFA_RECOVERY_CODE_COUNT - codes.data["used_mask"].bit_count() if codes else 0,
        "must_have_factor": second_factors.is_required(user),
    }


def _providers(request: HttpRequest, user: User) -> dict[str, Any]:
    """``linked``: (row, name of the provider). One that is no longer in the settings keeps its row, and opens nothing."""
    names = {each.provider_id: each.name for each in providers.offered(request)}
    linked = [(each, names.get(each.provider, each.provider)) for each in SocialAccount.objects.filter(user=user.pk)]
    free = {key: name for key, name in names.items() if key not in {each.provider for each, _ in linked}}
    return {"linked": linked, "linkable": free}


@require_POST
def change_name(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if user.username == demo.NAME:
        raise Http404
    form = YourName(request.POST, instance=User.objects.get(pk=user.pk))  # a form that is refused must not rename the page's user
    if not form.is_valid():
        return _page(request, name_form=form, status=422)
    form.save()
    record(user, "name-changed", user)
    messages.success(request, "Your name is changed.")
    return redirect("account")


@require_POST
@reauthentication_required(app="allauth.account")
def make_token(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    form = NewToken(request.POST, user=user)
    if not form.is_valid():
        return _page(request, token_form=form, status=422)
    told = form.cleaned_data
    made, token = ApiToken.issue(user, told["name"], scopes=told["scopes"], days=told["days"])
    record(user, "token-made", made, scopes=made.scopes, days=told["days"])
    return _page(request, token=token)


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    user = signed_in(request)
    token = get_object_or_404(user.api_tokens, pk=pk)
    record(user, "token-revoked", token)
    token.delete()
    messages.success(request, "The token is revoked: programs that use it are refused from now on.")
    return redirect("account")


@require_POST
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    if not browsers.sign_out(request, signed_in(request), only=pk):
        raise Http404
    return redirect("account")


@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    n = browsers.sign_out(request, signed_in(request))
    messages.success(request, f"{n} other browser{' is' if n == 1 else 's are'} signed out.")
    return redirect("account")


@require_POST
def unlink_provider(request: HttpRequest, pk: int) -> HttpResponse:
    linked = get_object_or_404(SocialAccount, pk=pk, user=signed_in(request).pk)
    raise_if_reauthentication_required(request, app="allauth.socialaccount")
    try:
        validate_disconnect(request, linked)
    except ValidationError as refused:
        messages.error(request, " ".join(refused.messages))
    else:
        disconnect(request, linked)
    return redirect("account")


@require_safe
def second_factor(request: HttpRequest) -> HttpResponse:
    """Where whoever must have one, and has none, is led to."""
    if not second_factors.is_missing(signed_in(request)):
        return redirect("account")
    return render(request, "accounts/second_factor.html")
