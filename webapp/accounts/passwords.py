"""Signing in by a password: whose account a typed name means, and whether the password is right.

Every attempt costs one hash, whether the account is there or not: an answer that takes longer would tell that it is.
"""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.models import EmailAddress
from django.http import HttpRequest

from webapp.accounts.models import User

PASSWORD_HELP = "At least 8 characters, and no common one."  # noqa: S105  a sentence
BACKEND = "webapp.accounts.passwords.Passwords"


def person_by(told: str) -> User | None:
    """By user name or e-mail address, in whatever case; None where it is nobody's, or more than one's."""
    exactly = User.objects.filter(username=told).first()  # names that differ in case only were allowed once
    return exactly or _only(User.objects.filter(username__iexact=told)[:2]) or person_with(told)


def person_with(told: str) -> User | None:
    """By e-mail address alone; who confirmed it goes before those who only said so."""
    if "@" not in told:
        return None
    confirmed = EmailAddress.objects.filter(email__iexact=told, verified=True).values("user")
    return _only(User.objects.filter(pk__in=confirmed)[:2]) or _only(User.objects.filter(email__iexact=told)[:2])


def _only(found: Any) -> User | None:
    people = list(found)
    return people[0] if len(people) == 1 else None


class Passwords(AuthenticationBackend):
    def _authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        del request
        told = credentials.get("username") or credentials.get("email") or ""
        checked: User | None = self._check_password(person_by(told), credentials["password"])
        return checked
