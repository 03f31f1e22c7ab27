"""Signing in and out, and what protects an account, is written down."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa import signals as factors
from allauth.mfa.models import Authenticator
from allauth.socialaccount import signals as providers
from allauth.usersessions.models import UserSession
from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from webapp.accounts import locking
from webapp.accounts.audit import record
from webapp.accounts.models import User


@receiver(user_logged_in)
def signed_in(user: User, request: HttpRequest, **_: Any) -> None:
    record(user, "sign-in", user, by=_ways(request, user))
    UserSession.objects.create_from_request(request, user=user)


@receiver(user_logged_out)
def signed_out(user: User | None, **_: Any) -> None:
    if user is not None:
        record(user, "sign-out", user)


@receiver(user_login_failed)
def refused(credentials: dict[str, Any], **_: Any) -> None:
    """Without the name that was tried: people type passwords there. A code is asked of somebody known."""
    if credentials.get("code"):
        user = User.objects.filter(username=credentials["username"]).first()
        record(user, "sign-in-refused", user, by="code")
    else:
        record(None, "sign-in-refused")


@receiver(user_locked_out)
def locked_out(request: HttpRequest, username: str, **_: Any) -> None:
    """Once, at the failure that locks, and not again at each attempt that comes later."""
    if getattr(request, "axes_failures_since_start", None) is None:
        return
    user = User.objects.filter(username=username.removeprefix(locking.CODES)).first()
    record(user, "locked-out", user, by="code" if username.startswith(locking.CODES) else "password")


@receiver(factors.authenticator_added)
def factor_added(user: User, authenticator: Authenticator, **_: Any) -> None:
    record(user, "second-factor-added", user, kind=str(authenticator.type))


@receiver(factors.authenticator_removed)
def factor_removed(user: User, authenticator: Authenticator, **_: Any) -> None:
    record(user, "second-factor-removed", user, kind=str(authenticator.type))


@receiver(factors.authenticator_reset)
def codes_made(user: User, **_: Any) -> None:
    record(user, "recovery-codes-made", user)


@receiver(account.password_changed)
@receiver(account.password_set)
@receiver(account.password_reset)
def password_changed(user: User, **_: Any) -> None:
    locking.unlock(user)
    record(user, "password-changed", user)


@receiver(account.email_changed)
def email_changed(user: User, **_: Any) -> None:
    record(user, "email-changed", user)


@receiver(providers.social_account_added)
def provider_linked(sociallogin: Any, **_: Any) -> None:
    record(sociallogin.user, "provider-linked", sociallogin.user, by=sociallogin.account.provider)


@receiver(providers.social_account_removed)
def provider_unlinked(socialaccount: Any, **_: Any) -> None:
    record(socialaccount.user, "provider-unlinked", socialaccount.user, by=socialaccount.provider)


def _ways(request: HttpRequest, user: User) -> str:
    """How somebody showed who they are: "password, totp", "webauthn", a provider's id; "" where nothing was asked."""
    records = get_authentication_records(request, user)
    return ", ".join(str(each.get("type") or each.get("provider") or each["method"]) for each in records)
