"""An archive has arrived: it stays as it is until a worker has taken its files out of it."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction
from django.utils import timezone

from webapp.library import files, jobs
from webapp.library.archives import safety
from webapp.library.archives.limits import Limits
from webapp.library.archives.refusal import Refused
from webapp.library.models import ItemState, UploadItem

UNPACK = "unpack"


def receive(item: UploadItem, draft: Path) -> UploadItem:
    """``draft``: all of its bytes, on this disk. The item ends received, with a job that unpacks it, or failed.

    Only its two ends are looked at here, which takes no time; the verdict is the job's.
    """
    try:
        safety.check_ends(draft, Limits.of(item.upload))
    except Refused as refused:
        return _pending_to(item, ItemState.FAILED, reason=refused.reason, reason_text=refused.text)
    length = draft.stat().st_size
    files.put(draft, files.archive(item.key))
    with transaction.atomic():
        _pending_to(item, ItemState.RECEIVED, bytes=length)
        if item.state == ItemState.RECEIVED:
            start_unpacking(item)
    return item


def start_unpacking(item: UploadItem) -> None:
    upload = item.upload
    jobs.start(UNPACK, user=upload.user, collection=upload.collection, upload=upload, arguments={"item": item.pk})


def _pending_to(item: UploadItem, state: ItemState, **told: object) -> UploadItem:
    """One that was cancelled meanwhile, or taken in by another request, is read anew instead."""
    changes = {"state": state, "received_at": timezone.now(), "sha256": item.sha256} | told
    if UploadItem.objects.filter(pk=item.pk, state=ItemState.PENDING).update(**changes):
        for name, value in changes.items():
            setattr(item, name, value)
    else:
        item.refresh_from_db()
    return item
