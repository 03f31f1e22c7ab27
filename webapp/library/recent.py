"""The newest uploads that somebody may look into, each with what became of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from webapp.accounts.models import User
from webapp.library.meters import Segment, segments
from webapp.library.models import Collection, ItemState, State, Upload, UploadItem

SHOWN = 6
_ACCEPTED = Q(state=ItemState.ACCEPTED)
_COUNTS = {
    "total": Count("pk", filter=~Q(state=ItemState.UNPACKED)),
    "ready": Count("pk", filter=_ACCEPTED & Q(image__state=State.READY)),
    "duplicate": Count("pk", filter=Q(state=ItemState.DUPLICATE)),
    "failed": Count("pk", filter=Q(state=ItemState.FAILED) | _ACCEPTED & Q(image__state=State.FAILED)),
    "held": Count("pk", filter=_ACCEPTED & Q(image__state=State.HELD)),
    "attached": Count("pk", filter=Q(state=ItemState.ATTACHED)),
    "cancelled": Count("pk", filter=Q(state=ItemState.CANCELLED)),
    "deleted": Count("pk", filter=_ACCEPTED & (Q(image=None) | Q(image__state=State.TRASHED))),
}


@dataclass(frozen=True, kw_only=True)
class RecentUpload:
    """``total`` is the sum of the others and ``running``."""

    upload: Upload
    total: int
    ready: int
    duplicate: int
    held: int
    failed: int
    attached: int
    cancelled: int
    deleted: int

    @property
    def running(self) -> int:
        ended = self.ready + self.duplicate + self.held + self.failed + self.attached + self.cancelled + self.deleted
        return self.total - ended

    @property
    def meter(self) -> list[Segment]:
        parts = {"ready": self.ready, "duplicate": self.duplicate, "running": self.running, "failed": self.failed}
        return segments(parts, of=self.total)


def recent_uploads(user: User, *, limit: int = SHOWN) -> list[RecentUpload]:
    """Of collections that ``user`` edits, since receipts name files; two statements."""
    editable = Collection.objects.editable_by(user)
    uploads = list(Upload.objects.filter(collection__in=editable).select_related("collection", "user")[:limit])
    rows = UploadItem.objects.filter(upload__in=uploads).order_by().values("upload").annotate(**_COUNTS) if uploads else ()
    counted: list[dict[str, Any]] = [dict(row) for row in rows]
    counts = {row.pop("upload"): row for row in counted}
    none = dict.fromkeys(_COUNTS, 0)
    return [RecentUpload(upload=upload, **counts.get(upload.pk, none)) for upload in uploads]
