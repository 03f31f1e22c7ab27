"""Signing somebody in who has not been through the door: a new account, and the demo's user."""

from __future__ import annotations

from allauth.account.internal.flows.login import record_authentication
from django.contrib.auth import login
from django.http import HttpRequest

from webapp.accounts.models import User
from webapp.accounts.passwords import BACKEND


def enter(request: HttpRequest, user: User, *, by: str) -> None:
    """``by``: what let them in, for the audit trail."""
    record_authentication(request, user, by)
    login(request, user, backend=BACKEND)
