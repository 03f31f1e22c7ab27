"""People who sign in by another site (OpenID Connect): who may come in for the first time, and as whom.

An account belongs to the subject that the provider names, never to an e-mail address: the same one opens nobody's account. Its
owner links it, on the page of the account. New accounts come by SIGN_UP, or by an invitation, which is used up in the same act.
"""

from __future__ import annotations

import re
from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from webapp.accounts import invitations
from webapp.accounts.audit import record
from webapp.accounts.models import Invitation, User
from webapp.accounts.passwords import person_with

_JOINING = re.compile(r"/join/([A-Za-z0-9_-]+)")


class ProviderAdapter(DefaultSocialAccountAdapter):
    error_messages = DefaultSocialAccountAdapter.error_messages | {
        "no_password": "This is your only way to sign in: set a password first.",
        "connected_other": "This sign-in belongs to another account of this site.",
    }

    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[Any]:
        """Those of the settings: a row that somebody slips into the database signs nobody in."""
        return [app for app in super().list_apps(request, provider=provider, client_id=client_id) if app.pk is None]

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        told = sociallogin.account.extra_data
        subjects = {str(told[part].get("sub")) for part in ("userinfo", "id_token") if told.get(part)}
        if len(subjects) > 1:  # the one is signed, the other what the site goes by
            raise ImmediateHttpResponse(_refused(request, "other_subject"))
        sociallogin.email_addresses = [each for each in sociallogin.email_addresses if each.verified]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Raises ImmediateHttpResponse with the reason."""
        if any(person_with(each.email) for each in sociallogin.email_addresses):
            raise ImmediateHttpResponse(_refused(request, "email_taken", status=409))
        invitation = _invitation(sociallogin)
        if invitation and invitation.email and invitation.email.casefold() not in _emails(sociallogin):
            raise ImmediateHttpResponse(_refused(request, "other_email"))
        if not invitation and not settings.SIGN_UP:
            raise ImmediateHttpResponse(_refused(request, "not_invited"))
        return True

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Raises ImmediateHttpResponse where the invitation was used meanwhile: no account without what it was made for."""
        invitation = _invitation(sociallogin)
        sociallogin.user.email = next((each.email for each in sociallogin.email_addresses), "")
        try:
            with transaction.atomic():
                user: User = super().save_user(request, sociallogin, form)
                record(user, "account-made", user, team=invitation.team if invitation else None, by=sociallogin.account.provider)
                if invitation:
                    invitations.accept(invitation, user)
        except invitations.Refused as refused:
            raise ImmediateHttpResponse(_refused(request, "invitation", told=str(refused), status=409)) from refused
        if invitation:
            sociallogin.state["next"] = reverse("team", args=[invitation.team_id])
        return user

    def validate_disconnect(self, account: SocialAccount, accounts: Any) -> None:
        """Raises ValidationError for somebody's last way in."""
        others = accounts.exclude(pk=account.pk).exists()
        if not others and not account.user.has_usable_password():
            raise self.validation_error("no_password")


def offered(request: HttpRequest) -> list[Any]:
    """The providers of this site, each with its id and its name."""
    return list(ProviderAdapter(request).list_apps(request, provider="openid_connect"))


def _emails(sociallogin: SocialLogin) -> set[str]:
    return {each.email.casefold() for each in sociallogin.email_addresses}


def _invitation(sociallogin: SocialLogin) -> Invitation | None:
    """The one from whose page the provider was asked."""
    found = _JOINING.fullmatch(sociallogin.state.get("next") or "")
    return invitations.open_by(found[1]) if found else None


def _refused(request: HttpRequest, why: str, *, told: str = "", status: int = 403) -> HttpResponse:
    return render(request, "accounts/provider_refused.html", {"why": why, "told": told}, status=status)
