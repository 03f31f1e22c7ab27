"""What Celery runs for people and their traces."""

from __future__ import annotations

from celery import shared_task

from webapp.accounts import audit


@shared_task
def forget_old_events() -> None:
    """By beat: the audit trail is kept for AUDIT_DAYS."""
    audit.forget_old()
