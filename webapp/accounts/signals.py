"""Signing in and out is written down."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

from webapp.accounts.audit import record
from webapp.accounts.models import User


@receiver(user_logged_in)
def signed_in(user: User, **_: Any) -> None:
    record(user, "sign-in", user)


@receiver(user_logged_out)
def signed_out(user: User | None, **_: Any) -> None:
    if user is not None:
        record(user, "sign-out", user)


@receiver(user_login_failed)
def refused(**_: Any) -> None:
    """Without the name that was tried: people type passwords there."""
    record(None, "sign-in-refused")
