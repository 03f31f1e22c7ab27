"""The Celery application. Messages carry ids only; SQL is the queue, the broker a hint."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, celeryd_init, setup_logging, worker_ready

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


@setup_logging.connect
def keep_djangos_logging(**_: Any) -> None:
    """Celery would set up its own, in another format, and repeat tasks' arguments in it."""


@worker_ready.connect
def tell_prometheus(**_: Any) -> None:
    """Each worker of production has a port of its own, for its parent process and all of the pool."""
    from webapp.operating import exporter

    exporter.start()


@worker_ready.connect
def warm_up_for_queries(sender: Any, **_: Any) -> None:
    """A worker of the queue "query" loads the encoder before anybody asks; the embedded site's does so by itself."""
    from django.conf import settings

    from webapp.explore import tasks

    if not settings.ENCODE_QUERIES_HERE and "query" in sender.app.amqp.queues.consume_from:
        tasks.begin_answering()
