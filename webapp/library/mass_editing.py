"""Many images changed in one transaction, in few statements, each with a row of its own in its history: for jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from uuid import UUID

from django.db import transaction

from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.library import leases, sending
from webapp.library.editing import Draft
from webapp.library.field_rules import EXTRA
from webapp.library.models import Image, ImageChange

ROWS_A_STATEMENT = 100
CAPTION = "caption"


def locked(ids: Iterable[UUID], *, user: User) -> dict[UUID, Image]:
    """Those that ``user`` may edit, locked in one order, so that two jobs cannot block each other."""
    images = Image.objects.editable_by(user).filter(pk__in=list(ids)).prefetch_related("captions")
    return {image.pk: image for image in images.select_for_update(of=("self",)).order_by("pk")}


def drafted(draft: Draft, change: Callable[[Draft], None], *, captions: bool) -> Draft:
    """The draft after ``change``. ``captions``: it may write some, which are to be gone where it raises."""
    with transaction.atomic() if captions else nullcontext():
        change(draft)
    return draft


def keep(drafts: Sequence[Draft], *, user: User) -> int:
    """Inside the transaction that locked them; how many images changed. Workers hear of it when it is committed."""
    changed = [draft for draft in drafts if draft.entries]
    if not changed:
        return 0
    for draft in changed:
        draft.image.revision += 1
    images = [draft.image for draft in changed]
    Image.objects.bulk_update(images, ["revision", *_columns(changed)], batch_size=ROWS_A_STATEMENT)
    ImageChange.objects.bulk_create([_row(draft) for draft in changed], batch_size=ROWS_A_STATEMENT)
    ids = [image.pk for image in images]
    leases.unsent(ids)
    record(user, "images-changed", images=[str(pk) for pk in ids], source=changed[0].source.value)
    gone = [UUID(each["caption"]) for draft in changed for each in draft.entries if each["caption"] and each["after"] is None]
    transaction.on_commit(lambda: sending.send_changed(gone))
    return len(changed)


def _columns(drafts: Sequence[Draft]) -> set[str]:
    fields = {entry["field"] for draft in drafts for entry in draft.entries} - {CAPTION}
    return {"metadata" if name.startswith(EXTRA) else name for name in fields}


def _row(draft: Draft) -> ImageChange:
    return ImageChange(
        image=draft.image,
        by=draft.user,
        revision=draft.image.revision,
        source=draft.source,
        entries=draft.entries,
        evidence=draft.evidence,
        undoes=draft.undoes,
    )
