"""The letter to somebody who forgot a password. Sent by a worker: how long it takes must not tell whose address is known."""

from __future__ import annotations

import logging

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import send_mail
from django.urls import reverse

from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.accounts.passwords import person_with

log = logging.getLogger(__name__)


def mail(email: str) -> None:
    """To the one open account of this address that has a password; nobody else gets one."""
    user = person_with(email)
    if user is None or not user.is_active or not user.has_usable_password():
        return
    try:
        send_mail("A new password for Conchive", _text(user), None, [email])
    except OSError as exc:  # of which smtplib's errors are
        log.warning("the letter for a new password could not be mailed (%s)", type(exc).__name__)
        return
    record(user, "password-forgotten", user)


def _text(user: User) -> str:
    key = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    link = settings.CONCHIVE_URL + reverse("account_reset_password_from_key", kwargs=key)
    return (
        f"Somebody, you most likely, asked for a new password of the account “{user.username}” of a Conchive image archive.\n\n"
        f"{link}\n\n"
        "The link works once, for three days. If you did not ask for it, do nothing: your password stays as it is.\n"
    )
