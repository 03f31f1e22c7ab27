"""What Celery runs for people and their traces."""

from __future__ import annotations

from celery import shared_task
from kombu.exceptions import OperationalError

from webapp.accounts import audit, password_reset
from webapp.outages import Outage


@shared_task
def forget_old_events() -> None:
    """By beat: the audit trail is kept for AUDIT_DAYS."""
    audit.forget_old()


@shared_task
def mail_reset(email: str) -> None:
    password_reset.mail(email)


def send_reset(email: str) -> None:
    """Raises Outage where the queue takes no messages."""
    try:
        mail_reset.apply_async((email,), retry=False)
    except OperationalError as exc:
        raise Outage("Letters cannot be sent for the moment.", detail="The queue does not answer. Try again later.") from exc
