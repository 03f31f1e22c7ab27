"""What became of an upload: every line counted once by SQL, and the counts add up; the lines themselves a page at a time.

An upload may have 100,000 lines and its page is asked for every two seconds: nothing here reads them all but Receipt.items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from webapp.library.models import ItemState, Kind, State, Upload, UploadItem

# In the order in which a receipt names them. "pending": not received yet; "running": accepted and not yet ready; "held": it
# waits for a person; "deleted": it was ready, held or failed, and somebody has thrown it away since.
STATES = ("ready", "duplicate", "attached", "held", "failed", "cancelled", "running", "pending", "deleted")
TERMINAL = frozenset({"ready", "duplicate", "attached", "held", "failed", "cancelled", "deleted"})
IN_WORK = (State.STORED, State.DECODED, State.EMBEDDED)
LATELY_S = 60
_IMAGE_STATES = {State.READY: "ready", State.HELD: "held", State.FAILED: "failed", State.TRASHED: "deleted"}
_ITEM_STATES = {ItemState.RECEIVED: "running"}
_ACCEPTED = Q(state=ItemState.ACCEPTED)
FILTERS = {
    "ready": _ACCEPTED & Q(image__state=State.READY),
    "duplicate": Q(state=ItemState.DUPLICATE),
    "attached": Q(state=ItemState.ATTACHED),
    "held": _ACCEPTED & Q(image__state=State.HELD),
    "failed": Q(state=ItemState.FAILED) | _ACCEPTED & Q(image__state=State.FAILED),
    "cancelled": Q(state=ItemState.CANCELLED),
    "running": Q(state=ItemState.RECEIVED) | _ACCEPTED & Q(image__state__in=IN_WORK),
    "pending": Q(state=ItemState.PENDING),
    "deleted": _ACCEPTED & (Q(image=None) | Q(image__state=State.TRASHED)),
}


@dataclass(frozen=True)
class ReceiptItem:
    """``state``: one of STATES. ``step``: what a running image waits for. ``image``: the image, or the one it duplicates."""

    id: int
    name: str
    state: str
    step: str
    reason: str
    reason_text: str
    image: UUID | None

    @property
    def done(self) -> bool:
        return self.state in TERMINAL


@dataclass(frozen=True)
class Receipt:
    """``counts``: each of STATES; they add up to ``total``. ``lately``: images that came to their end within LATELY_S seconds.

    ``next_stored_at``: of the image that is to be decoded next.
    """

    upload: Upload
    counts: Mapping[str, int]
    lately: int = 0
    next_stored_at: datetime | None = None
    at: datetime = field(default_factory=timezone.now)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        return sum(n for state, n in self.counts.items() if state not in TERMINAL)

    @property
    def done(self) -> bool:
        return not self.left

    @cached_property
    def items(self) -> list[ReceiptItem]:
        """All of them, in the order in which they were announced: for programs that sent them and wait for each."""
        return [item_receipt(row) for row in lines(self.upload).select_related("image").order_by("pk")]


def receipt(upload: Upload) -> Receipt:
    """As things stand now, counted in one statement."""
    now = timezone.now()
    since = now - timedelta(seconds=LATELY_S)
    lately = Count("pk", filter=Q(image__ready_at__gte=since) | Q(image__failed_at__gte=since))
    states = lines(upload).order_by().values("state", "image__state")
    rows: list[dict[str, Any]] = [
        dict(row) for row in states.annotate(n=Count("pk"), lately=lately, first=Min("image__stored_at"))
    ]
    counts = dict.fromkeys(STATES, 0)
    for row in rows:
        counts[_state_of(row["state"], row["image__state"])] += row["n"]
    accepted = {row["image__state"]: row for row in rows if row["state"] == ItemState.ACCEPTED}
    waiting = accepted.get(State.STORED)
    return Receipt(
        upload,
        counts,
        lately=sum(row["lately"] for row in accepted.values()),
        next_stored_at=waiting["first"] if waiting else None,
        at=now,
    )


def lines(upload: Upload) -> QuerySet[UploadItem]:
    """What is counted: an archive that is unpacked stands for nothing beside its members."""
    return UploadItem.objects.filter(upload=upload).exclude(state=ItemState.UNPACKED)


def lines_in(upload: Upload, state: str) -> QuerySet[UploadItem]:
    """Those in one of STATES. Raises KeyError."""
    return lines(upload).filter(FILTERS[state])


def archives(upload: Upload, *, limit: int) -> Iterator[tuple[UploadItem, int]]:
    """Archives and files of several pages, the first ``limit``, with how many lines came out of each."""
    rows = UploadItem.objects.filter(upload=upload)
    members = rows.filter(parent__isnull=False).order_by().values_list("parent").annotate(n=Count("pk"))
    counts: dict[int, int] = dict(members.order_by("parent")[:limit])
    for row in rows.filter(Q(kind=Kind.ARCHIVE) | Q(pk__in=list(counts))).order_by("pk")[:limit]:
        yield row, counts.get(row.pk, 0)


def item_receipt(row: UploadItem) -> ReceiptItem:
    """One file's line."""
    image_state = row.image.state if row.image is not None else None
    state = _state_of(row.state, image_state)
    told = row.image if row.image is not None and row.state == ItemState.ACCEPTED else row
    return ReceiptItem(row.pk, row.name, state, _step(row), told.reason, told.reason_text, row.image_id)


def _state_of(item: str, image: str | None) -> str:
    """One of STATES."""
    if item != ItemState.ACCEPTED:
        return _ITEM_STATES.get(ItemState(item), item)
    return "deleted" if image is None else _IMAGE_STATES.get(State(image), "running")


def _step(row: UploadItem) -> str:
    """In words."""
    if row.state != ItemState.ACCEPTED:
        return str(ItemState(row.state).label)
    return "deleted since" if row.image is None else str(State(row.image.state).label)


def failures(upload: Upload) -> Iterator[tuple[str, str, str]]:
    """(file, reason code, sentence) of every line that failed, in the order in which they were announced."""
    rows = lines_in(upload, "failed").select_related("image").only(
        "name", "state", "reason", "reason_text", "image__state", "image__reason", "image__reason_text"
    )  # fmt: skip
    for row in rows.order_by("pk").iterator(1000):
        told = item_receipt(row)
        yield told.name, told.reason, told.reason_text
