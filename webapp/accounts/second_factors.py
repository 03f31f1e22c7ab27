"""Second factors: an authenticator app, passkeys and recovery codes. Their secrets lie encrypted, with a key from SECRET_KEY.

SECOND_FACTOR says whose accounts must have one: nobody's, those of staff, or everybody's.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from webapp.accounts import demo
from webapp.accounts.models import User
from webapp.outages import Outage

COUNTING = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)  # recovery codes alone are none
UNREADABLE = "They were stored with another SECRET_KEY. Whoever runs the site can name that one in SECRET_KEY_FALLBACKS."


class SecondFactorAdapter(DefaultMFAAdapter):
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This code is not right, or was used already.",
        "cannot_delete_authenticator": "Your account must have a second factor: set another one up first.",
    }

    def encrypt(self, text: str) -> str:
        return _keys(settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Raises Outage where the key is another one."""
        try:
            return _keys(settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS).decrypt(encrypted_text.encode()).decode()
        except InvalidToken as exc:
            raise Outage("Second factors cannot be checked.", detail=UNREADABLE) from exc

    def get_totp_label(self, user: Any) -> str:
        return str(user.get_username())

    def generate_authenticator_name(self, user: Any, type: Any) -> str:  # noqa: A002  allauth's own name
        """Where somebody left it empty."""
        n = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {n + 1}"

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        user: User = authenticator.user
        return not is_required(user) or factors_of(user).exclude(pk=authenticator.pk).exists()


def factors_of(user: User) -> Any:
    return Authenticator.objects.filter(user=user.pk, type__in=COUNTING)


def is_required(user: User) -> bool:
    """Of the account; a demo's user needs nothing to come in."""
    if settings.SECOND_FACTOR == "optional" or user.username == demo.NAME:
        return False
    return settings.SECOND_FACTOR == "everyone" or user.is_staff


def is_missing(user: User) -> bool:
    return is_required(user) and not factors_of(user).exists()


def take_away(user: User) -> int:
    """All of them, recovery codes too: for somebody who lost them. How many there were."""
    return int(Authenticator.objects.filter(user=user.pk).delete()[0])


@cache
def _keys(*secrets: str) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(secret))) for secret in secrets])


def _derived(secret: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"conchive second factors").derive(secret.encode())
