"""How archives and imports end: by their job, or here where the job was cancelled, given up or lost."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from webapp.library import files, jobs
from webapp.library.archives import tables
from webapp.library.archives.receiving import UNPACK, start_unpacking
from webapp.library.models import ItemState, Job, JobState, Kind, Upload, UploadItem

IMPORT = "import"
RESUMABLE_S = 24 * 3600  # an interrupted one is kept so long for whoever wants it to go on
LEFTOVERS_AFTER_S = 3600
INTERRUPTED = ("interrupted", "The work on the archive was interrupted and nobody has resumed it: send the archive again.")


def end(item: UploadItem, state: ItemState, *, reason: str = "", text: str = "") -> None:
    """All files of it that nobody has taken end as ``state``, for the same reason, and the archive's own bytes go."""
    told = {"reason": reason, "reason_text": text[:300]}
    item.members.filter(state=ItemState.PENDING).update(state=state, **told)
    has_members = item.members.exists()
    own = ItemState.UNPACKED if has_members else state
    ended = [ItemState.RECEIVED, ItemState.CANCELLED]  # with its upload, and then its members are counted instead of it
    UploadItem.objects.filter(pk=item.pk, state__in=ended).update(state=own, **told)
    _remove_bytes(item)


def finish(item: UploadItem, text: str) -> None:
    """Every file of it has been taken or refused."""
    UploadItem.objects.filter(pk=item.pk, state=ItemState.RECEIVED).update(state=ItemState.UNPACKED, reason_text=text[:300])
    _remove_bytes(item)


def _remove_bytes(item: UploadItem) -> None:
    files.archive(item.key).unlink(missing_ok=True)
    open_now = [ItemState.PENDING, ItemState.RECEIVED]
    if not UploadItem.objects.filter(upload=item.upload_id, kind=Kind.ARCHIVE, state__in=open_now).exists():
        tables.forget(item.upload_id)


def settle(upload: Upload | None = None) -> int:
    """Archives whose job was cancelled before it began, or failed long ago; how many. By the reconciler, and, of its own ones,
    after an upload was cancelled.
    """
    waiting = UploadItem.objects.filter(kind=Kind.ARCHIVE, state=ItemState.RECEIVED)
    if upload is not None:
        waiting = waiting.filter(upload=upload)
    return sum(_settled(item) for item in waiting.select_related("upload__collection", "upload__user"))


def _settled(item: UploadItem) -> bool:
    job = job_of(item)
    if job is None:  # its row is gone; the archive is not
        start_unpacking(item)
        return False
    if job.state in jobs.OPEN:
        return False
    if job.state == JobState.CANCELLED or item.upload.cancelled_at is not None:
        end(item, ItemState.CANCELLED)
    elif job.ended_at is not None and Job.objects.filter(pk=job.pk, ended_at__lt=Now() - timedelta(seconds=RESUMABLE_S)).exists():
        end(item, ItemState.FAILED, reason=INTERRUPTED[0], text=INTERRUPTED[1])
    else:
        return False
    return True


def job_of(item: UploadItem) -> Job | None:
    """The last one."""
    about = Job.objects.filter(upload=item.upload_id, kind__in=[UNPACK, IMPORT], arguments__item=item.pk)
    return about.order_by("-made_at").first()


def resume(upload: Upload) -> int:
    """Starts again what was interrupted: a full disk has room now, a worker that died is back. How many."""
    started = 0
    for item in upload.items.filter(kind=Kind.ARCHIVE, state=ItemState.RECEIVED):
        job = job_of(item)
        if job is not None and job.state == JobState.FAILED:
            jobs.start(job.kind, user=upload.user, collection=upload.collection, upload=upload, arguments=job.arguments)
            started += 1
    return started


def remove_leftovers() -> None:
    """Bytes of archives whose rows are gone, or were never written."""
    before = time.time() - LEFTOVERS_AFTER_S
    for key, path in files.listed(files.ARCHIVES):
        if path.stat().st_mtime < before and not _wanted(key):
            path.unlink(missing_ok=True)


def _wanted(key: UUID | None) -> bool:
    if key is None:
        return False
    open_now = UploadItem.objects.filter(state__in=[ItemState.PENDING, ItemState.RECEIVED])
    return open_now.filter(key=key).exists() or open_now.filter(upload=key, kind=Kind.ARCHIVE).exists()
