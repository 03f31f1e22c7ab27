"""Hints to the workers. SQL is the queue: a hint that is lost costs time, never an image."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from celery.app.task import Task

log = logging.getLogger(__name__)

PAUSE_S = 5.0  # after a broker that did not answer: one that hangs costs whoever asks it seconds
_PAUSED_UNTIL = {"broker": 0.0}


def send_prepare(images: Iterable[UUID]) -> None:
    from webapp.library import tasks

    hint(tasks.prepare, _texts(images))


def send_embed(images: Iterable[UUID]) -> None:
    from webapp.library import tasks

    hint(tasks.embed, _texts(images))


def send_remove(images: Iterable[UUID]) -> None:
    from webapp.library import tasks

    hint(tasks.remove, _texts(images))


def send_forget(images: Iterable[UUID]) -> None:
    from webapp.library import tasks

    hint(tasks.forget_points, _texts(images))


def send_job(job: UUID, *, queue: str) -> None:
    from webapp.library import tasks

    hint(tasks.run_job, str(job), queue=queue)


def send_changed(captions_gone: Iterable[UUID] = ()) -> None:
    """People changed what the index says about images, or about their captions: filters are to know soon."""
    from webapp.library import tasks

    hint(tasks.publish)
    hint(tasks.embed_texts)
    if gone := _texts(captions_gone):
        hint(tasks.forget_captions, gone)


def hint(task: Task[Any, Any], *arguments: object, queue: str | None = None) -> bool:
    """To the task's own queue where none is named. False where the broker is away: an upload is accepted all the same, and
    reconcile finds it.
    """
    if time.monotonic() < _PAUSED_UNTIL["broker"]:
        return False
    try:
        task.apply_async(arguments, retry=False, queue=queue)  # type: ignore[arg-type]  # None: the task's own
    except OperationalError as exc:
        _PAUSED_UNTIL["broker"] = time.monotonic() + PAUSE_S
        log.warning("the queue does not take messages (%s); reconcile will find the work", exc)
        return False
    return True


def forget_outage() -> None:
    """The broker is asked again at once: between tests."""
    _PAUSED_UNTIL["broker"] = 0.0


def _texts(images: Iterable[UUID]) -> list[str]:
    return [str(image) for image in images]
