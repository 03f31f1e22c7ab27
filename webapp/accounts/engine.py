"""How django-allauth behaves on this site: names, mail, and when one has to say again who one is."""

from __future__ import annotations

import logging
import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import render
from django.urls import reverse

from webapp.accounts import demo, limits
from webapp.accounts.locking import address_of
from webapp.accounts.models import User
from webapp.accounts.reserved import is_reserved
from webapp.outages import Outage

log = logging.getLogger(__name__)

CONFIRM_BY = {
    "reauthenticate": "Use your password",
    "mfa_reauthenticate": "Use a code",
    "mfa_reauthenticate:webauthn": "Use a passkey",
}
UNKNOWN_ADDRESS = "::"  # of a client that came by a socket in the file system: the column takes addresses only


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "duplicate_email": "This is the address of your account already.",
        "enter_current_password": "This is not your present password.",
        "incorrect_code": "This code is not right, or was used already.",
        "incorrect_password": "The password is not right.",
        "username_blacklisted": "This name cannot be taken.",
        "username_password_mismatch": "The name or the password is not right.",
        "email_password_mismatch": "The name or the password is not right.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        del request
        return bool(settings.SIGN_UP)

    def clean_username(self, username: str, shallow: bool = False) -> str:
        if is_reserved(username) or "@" in username:  # which would be taken for an e-mail address
            raise self.validation_error("username_blacklisted")
        return str(super().clean_username(username, shallow=shallow))

    def get_client_ip(self, request: HttpRequest) -> str:
        return address_of(request) or UNKNOWN_ADDRESS

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        del request
        return reverse("account")

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """By the site's own address: a request may name another host."""
        del request
        return settings.CONCHIVE_URL + reverse("account_confirm_email", args=[emailconfirmation.key])

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        del email_address
        return reverse("account")

    def send_confirmation_mail(self, request: HttpRequest, emailconfirmation: Any, signup: bool) -> None:
        """Raises TooMany, Outage."""
        limits.count("mail", emailconfirmation.email_address.user)
        limits.count("mail", f"to {emailconfirmation.email_address.email}")
        super().send_confirmation_mail(request, emailconfirmation, signup)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Raises Outage."""
        try:
            super().send_mail(template_prefix, email, context | {"site_address": settings.CONCHIVE_URL})
        except OSError as exc:  # of which smtplib's errors are
            raise Outage("The mail could not be sent.", detail="The mail server does not answer. Try again later.") from exc

    def send_notification_mail(self, *arguments: Any, **named: Any) -> None:
        """What was done to the account is done, whether its letter goes out or not."""
        try:
            super().send_notification_mail(*arguments, **named)
        except Outage as outage:
            log.warning("a letter about a change to an account could not be mailed (%s)", type(outage.__cause__).__name__)

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        return [each | {"description": CONFIRM_BY[each["id"]]} for each in super().get_reauthentication_methods(user)]

    def is_reauthentication_required(self, *, app: str, **named: Any) -> bool:
        """Whoever has neither a password nor a second factor here can only show it by signing in anew."""
        del app, named
        request = context.request
        if not isinstance(request.user, User) or self.get_reauthentication_methods(request.user):
            return True
        if demo.may_enter(request) or signed_in_lately(request, request.user):
            return False
        raise ImmediateHttpResponse(render(request, "accounts/sign_in_again.html", status=403))


def signed_in_lately(request: HttpRequest, user: User) -> bool:
    records = get_authentication_records(request, user)
    return bool(records) and time.time() - records[-1]["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
