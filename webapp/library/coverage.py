"""How much of what a user may see can be found: «12,431 of 12,480 images searchable», and why the others cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from webapp.accounts.models import User
from webapp.library.models import Collection, Image, State
from webapp.library.models.images import ImageQuerySet


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Images in ``collections`` collections, without the trash: ``total`` = ``ready`` + ``running`` + ``held`` + ``failed``."""

    total: int
    ready: int
    running: int
    held: int
    failed: int
    collections: int


def coverage(user: User, *, collections: int | None = None) -> Coverage:
    """Of all that ``user`` may see, in two statements; in one where the caller knows how many ``collections`` that are."""
    images = Image.objects.visible_to(user)
    return _counted(images, collections=Collection.objects.visible_to(user).count() if collections is None else collections)


def coverage_of(collection: Collection) -> Coverage:
    """Of one collection, which the caller has checked to be visible."""
    return _counted(Image.objects.filter(collection=collection).exclude(state=State.TRASHED), collections=1)


def coverage_by_collection(user: User) -> dict[UUID, Coverage]:
    """Of each collection that ``user`` may see and that holds images, in one statement."""
    rows = Image.objects.visible_to(user).order_by().values("collection").annotate(**_COUNTS)
    counted: list[dict[str, Any]] = [dict(row) for row in rows]
    return {row["collection"]: _coverage(row, collections=1) for row in counted}


def failures(images: ImageQuerySet) -> dict[tuple[str, str], int]:
    """(reason, a sentence) -> how many of ``images`` failed for it, most frequent first."""
    rows = images.filter(state=State.FAILED).order_by().values_list("reason", "reason_text").annotate(n=Count("pk"))
    return {(reason, text): n for reason, text, n in sorted(rows, key=lambda row: (-row[2], row[:2]))}


_COUNTS = {
    "total": Count("pk"),
    "ready": Count("pk", filter=Q(state=State.READY)),
    "held": Count("pk", filter=Q(state=State.HELD)),
    "failed": Count("pk", filter=Q(state=State.FAILED)),
}


def _counted(images: ImageQuerySet, *, collections: int) -> Coverage:
    return _coverage(images.order_by().aggregate(**_COUNTS), collections=collections)


def _coverage(row: dict[str, Any], *, collections: int) -> Coverage:
    counts = {name: int(row[name]) for name in _COUNTS}
    running = counts["total"] - counts["ready"] - counts["held"] - counts["failed"]
    return Coverage(**counts, running=running, collections=collections)
