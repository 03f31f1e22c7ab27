"""Ending an upload: nothing more of it is taken in, and what has come in stays."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from webapp.library import bulk_jobs, jobs
from webapp.library.archives import ending
from webapp.library.models import ItemState, Upload, UploadItem

CANCELLED = ("cancelled", "The upload was cancelled before the file had come in.")
STAYS = (
    bulk_jobs.RETRY,
    bulk_jobs.MOVE,
    bulk_jobs.REEMBED,
    bulk_jobs.THROW_AWAY,
    bulk_jobs.BRING_BACK,
    bulk_jobs.DELETE,
)  # fmt: skip  work on what is there, which has nothing to do with what comes in


def cancel(upload: Upload) -> int:
    """How many lines end by it. Of an archive that is being unpacked, what has come out of it stays."""
    with transaction.atomic():
        Upload.objects.filter(pk=upload.pk, cancelled_at=None).update(cancelled_at=Now())
        for job in upload.jobs.filter(state__in=jobs.OPEN).exclude(kind__in=STAYS):
            jobs.cancel(job)
        open_lines = UploadItem.objects.filter(upload=upload, state=ItemState.PENDING)
        ended = open_lines.update(state=ItemState.CANCELLED, reason=CANCELLED[0], reason_text=CANCELLED[1])
    return ended + ending.settle(upload)
