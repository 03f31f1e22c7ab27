"""The Celery application. Messages carry ids only; SQL is the queue, the broker a hint."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, celeryd_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
app = Celery("conchive")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()  # the current app is thread-local: without this, other threads would send to amqp://localhost
app.autodiscover_tasks(["webapp.accounts", "webapp.library", "webapp.explore"])


@celeryd_init.connect
@beat_init.connect
def refuse_unsafe_start(**_: Any) -> None:
    """Workers start without Django's checks."""
    from webapp import safety

    safety.refuse_unsafe_start()
