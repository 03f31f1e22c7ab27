"""Who asks: a token of a user, in the header ``Authorization: Bearer cnv_…``; never in an address, never a session."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from webapp.accounts.limits import count
from webapp.accounts.models import ApiToken, Scope, User
from webapp.accounts.tokens import digest
from webapp.library import terms

USE_NOTED_EVERY = timedelta(minutes=1)  # a busy program must not write a row a request


class TokenAuth(HttpBearer):
    """``scope``: what the token must allow; where none is named, to read for what only reads, and to write for the rest."""

    def __init__(self, scope: Scope | None = None) -> None:
        super().__init__()
        self._scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> Any | None:
        """The user, who is also ``request.user`` from here on; None for a token that is unknown, expired or of somebody inactive.

        Raises PermissionDenied for a token that does not allow this, TooMany.
        """
        held = ApiToken.objects.select_related("user").filter(sha256=digest(token), user__is_active=True).first()
        if held is None or held.expired:
            return None
        needed = self._scope or (Scope.READ if request.method in ("GET", "HEAD", "OPTIONS") else Scope.WRITE)
        if needed not in held.scopes:
            raise PermissionDenied(f"This token does not allow to {needed.label}.")
        if not terms.accepted(held.user):
            raise PermissionDenied(terms.MISSING)
        count("api", held.user)
        _note_use(held)
        request.user = held.user
        return held.user


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.used_at is None or now - token.used_at > USE_NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(used_at=now)


def caller(request: HttpRequest) -> User:
    """Whose rights hold; every operation of the API has been through TokenAuth."""
    if not isinstance(request.user, User):
        raise TypeError("an operation of the API was reached without a token")
    return request.user
