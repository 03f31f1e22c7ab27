"""Who works on an image: one holder at a time, for a while, by the database's clock.

A worker claims images with one UPDATE, does its work, and reports with another that only its own token passes: a worker that
was thought dead and comes back late changes nothing. Each claim counts as an attempt at the image's present state; a step
that ends well, or ends badly through no fault of the image, gives the attempt back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Greatest, Now

from webapp.instruments import FAILURES
from webapp.library.models import REPLACEABLE, Caption, Embedding, Image, Job, State
from webapp.library.models.images import ImageQuerySet

REASON_LENGTH, TEXT_LENGTH = 40, 300


def unclaimed() -> Q:
    return Q(lease_until=None) | Q(lease_until__lt=Now())


def waiting(state: State) -> ImageQuerySet:
    """Images that somebody may take up now. What work was interrupted on comes last: it may be what interrupts it, and if the
    machine is at fault, its interruptions meet other images each time.
    """
    free = Image.objects.filter(unclaimed(), state=state, attempts__lt=settings.MAX_ATTEMPTS)
    return free.order_by("attempts", "stored_at", "id")


def claim(candidates: ImageQuerySet, *, limit: int) -> list[Image]:
    """Takes up to ``limit`` of ``candidates``, which nobody else holds then. ``candidates`` narrows waiting()."""
    token = uuid.uuid4()
    ids = list(candidates.values_list("id", flat=True)[:limit])
    if not ids:
        return []
    with transaction.atomic():
        # every condition is asked again: another worker may have looked at the same moment
        candidates.order_by().filter(id__in=ids).update(
            lease_token=token, lease_until=Now() + timedelta(seconds=settings.LEASE_S), attempts=F("attempts") + 1
        )
    held = Image.objects.filter(lease_token=token).order_by("stored_at", "id")
    return list(held)


def finish(image: Image, **changes: Any) -> bool:
    """Writes ``changes`` and ends the lease, the attempts counted anew. False where the lease had gone to somebody else."""
    return bool(_held(image).update(lease_token=None, lease_until=None, attempts=0, **changes))


def fail(image: Image, *, reason: str, text: str) -> bool:
    """The image stays failed until a person retries it."""
    code = reason[:REASON_LENGTH]
    failed = finish(image, state=State.FAILED, reason=code, reason_text=text[:TEXT_LENGTH], failed_at=Now())
    FAILURES.labels(code).inc(failed)
    return failed


def give_back(images: Iterable[Image]) -> None:
    """Through no fault of theirs: others may take them, and the attempt does not count."""
    for image in images:
        _held(image).update(lease_token=None, lease_until=None, attempts=Greatest(F("attempts") - 1, 0))


def let_go(image: Image) -> None:
    """The attempt counts: something went wrong that may be the image's doing."""
    _held(image).update(lease_token=None, lease_until=None)


def end_all() -> int:
    """Where one process does it all and has just started: whoever held a lease is dead. The attempts count."""
    jobs = Job.objects.exclude(lease_token=None).update(lease_token=None, lease_until=None)
    return jobs + Image.objects.exclude(lease_token=None).update(lease_token=None, lease_until=None)


def retry(images: ImageQuerySet) -> int:
    """Failed images from the beginning, except where the same file has come in again since; how many."""
    same = Image.objects.filter(collection=OuterRef("collection"), sha256=OuterRef("sha256")).exclude(state__in=REPLACEABLE)
    again = images.filter(~Exists(same), state=State.FAILED).order_by()
    return again.update(state=State.STORED, attempts=0, reason="", reason_text="", failed_at=None)


def unsent(images: Sequence[UUID]) -> None:
    """What a person changed about these images is to be written to the index again; they stay searchable meanwhile."""
    Embedding.objects.filter(region__image__in=images).update(indexed_at=None)
    Caption.objects.filter(image__in=images).update(indexed_at=None)


def renew(images: Iterable[Image]) -> None:
    """Another LEASE_S seconds from now."""
    for image in images:
        _held(image).update(lease_until=Now() + timedelta(seconds=settings.LEASE_S))


def _held(image: Image) -> ImageQuerySet:
    return Image.objects.filter(pk=image.pk, lease_token=image.lease_token)
