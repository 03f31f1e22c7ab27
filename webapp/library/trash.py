"""The trash: thrown-away images are seen by nobody at once, may be brought back for TRASH_DAYS, and then are deleted for good.

SQL forgets nothing of them meanwhile: files, regions and vectors stay, so that what comes back needs no encoder. Their points go
right after the commit; where the index is away, reconcile removes them later, and until then SQL keeps them out of every answer.
Each function narrows to what ``user`` may change itself, works in one transaction, and may be repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from search import errors
from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.library import index, removal, sending, versions
from webapp.library.models import REPLACEABLE, Caption, Embedding, Image, Region, State
from webapp.library.models.images import ImageQuerySet
from webapp.library.slicing import slices

log = logging.getLogger(__name__)

FREE = {"attempts": 0, "lease_until": None, "lease_token": None}
UNSEEN = (State.TRASHED, State.HELD)  # in no answer
PURGED_AT_ONCE = 200
POINTS_FOLLOW_WITHIN = timedelta(days=2)  # longer than an index is away; later ones are verify's


@dataclass(frozen=True, kw_only=True)
class Brought:
    """``back``: in their collections again. ``same``: they stay, because the same file lies in the collection again."""

    back: list[UUID] = field(default_factory=list)
    same: list[UUID] = field(default_factory=list)


# --- throwing away ----------------------------------------------------------------------------------------------------


def throw_away(images: ImageQuerySet, *, user: User) -> list[UUID]:
    """Of ``images`` those that ``user`` may change; which. Whoever is working on one of them is no longer listened to."""
    with transaction.atomic():
        ids = _locked(Image.objects.editable_by(user), images)
        for some in slices(ids):
            Image.objects.filter(pk__in=some).update(
                state=State.TRASHED,
                trashed_from=F("state"),
                trashed_by=user,
                trashed_at=Now(),
                revision=F("revision") + 1,  # whoever is sending it to the index does not note that as done
                **FREE,
            )
        if ids:
            record(user, "images-thrown-away", images=list(map(str, ids)))
            transaction.on_commit(partial(forget_points, ids))
    return ids


def _locked(allowed: ImageQuerySet, images: ImageQuerySet) -> list[UUID]:
    """In one order, so that two of these cannot block each other."""
    held = allowed.filter(pk__in=images.values("pk")).order_by("pk").select_for_update(of=("self",))
    return list(held.values_list("pk", flat=True))


def forget_points(ids: Sequence[UUID], *, hint: bool = True) -> bool:
    """Points of images that lie in the trash or are held for review, from both indexes; may be repeated. False where the index
    is away: a worker is told (``hint``), and reconcile finds what that worker does not.
    """
    gone = [pk for some in slices(ids) for pk in Image.objects.filter(pk__in=some, state__in=UNSEEN).values_list("pk", flat=True)]
    try:
        index.delete_images(gone)
    except errors.SearchError as exc:
        log.warning("points of %d hidden images could not be removed (%s); a worker does it", len(gone), exc.reason)
        if hint:
            sending.send_forget(gone)
        return False
    for some in slices(gone):
        unseen = Image.objects.filter(pk__in=some, state__in=UNSEEN)
        Embedding.objects.filter(region__image__in=unseen).update(indexed_at=None)
        Caption.objects.filter(image__in=unseen).update(indexed_at=None)
    return True


def with_points(*, limit: int) -> list[UUID]:
    """Lately thrown-away images, and held ones, whose points the index may still hold."""
    lately = Q(state=State.TRASHED, trashed_at__gt=Now() - POINTS_FOLLOW_WITHIN) | Q(state=State.HELD)
    sent = Embedding.objects.filter(region__image=OuterRef("pk"), indexed_at__isnull=False)
    return list(Image.objects.filter(lately, Exists(sent)).order_by().values_list("pk", flat=True)[:limit])


# --- bringing back ----------------------------------------------------------------------------------------------------


def bring_back(images: ImageQuerySet, *, user: User) -> Brought:
    """Of ``images`` those that ``user`` may bring back: to the step whose result SQL still has; what had failed or was held for
    review is so again. Searchable ones are found again as soon as a worker has sent their points.
    """
    with transaction.atomic():
        ids = _locked(Image.objects.trash_of(user), images)
        brought = Brought()
        for some in slices(ids):
            _bring_back(some, brought)
        if brought.back:
            record(user, "images-brought-back", images=list(map(str, brought.back)))
            transaction.on_commit(partial(_work_on, brought.back))
    return brought


def _bring_back(ids: list[UUID], brought: Brought) -> None:
    trashed = Image.objects.filter(pk__in=ids, state=State.TRASHED).order_by("-trashed_at", "pk")
    for image in trashed.only("pk", "collection", "sha256", "trashed_from", "decoded_at"):
        (brought.back if _back(image) else brought.same).append(image.pk)


def _back(image: Image) -> bool:
    """False where the same file lies there again; of two such in the trash, the one thrown away last comes back."""
    state = _state_before(image)
    same = Image.objects.filter(collection=image.collection_id, sha256=image.sha256).exclude(state__in=REPLACEABLE)
    if state != State.FAILED and same.exists():
        return False
    told = {"state": state, "trashed_from": "", "trashed_by": None, "trashed_at": None, "revision": F("revision") + 1}
    try:
        with transaction.atomic():
            Image.objects.filter(pk=image.pk).update(**told, **FREE)
    except IntegrityError:  # it came in by an upload at this moment
        return False
    Embedding.objects.filter(region__image=image.pk).update(indexed_at=None)
    Caption.objects.filter(image=image.pk).update(indexed_at=None)
    return True


def _state_before(image: Image) -> State:
    if image.trashed_from in (State.FAILED, State.HELD):
        return State(image.trashed_from)
    regions = Region.objects.filter(image=image.pk)
    if image.decoded_at is None or not regions.filter(standard=True).exists():
        return State.STORED
    target = versions.target()
    seen = Embedding.objects.filter(region=OuterRef("pk"), fingerprint=target.fingerprint if target else "")
    return State.DECODED if regions.filter(~Exists(seen)).exists() else State.EMBEDDED


def _work_on(ids: Sequence[UUID]) -> None:
    """Hints only: the rows say what is to be done."""
    rows = [row for some in slices(ids) for row in Image.objects.filter(pk__in=some).values_list("pk", "state")]
    for state, send in ((State.STORED, sending.send_prepare), (State.DECODED, sending.send_embed)):
        if waiting := [pk for pk, now in rows if now == state]:
            send(waiting)
    if any(now == State.EMBEDDED for _, now in rows):
        sending.send_changed()


# --- the end ----------------------------------------------------------------------------------------------------------


def delete_for_good(images: ImageQuerySet, *, user: User) -> int:
    """Of ``images`` those in the trash that ``user`` may delete; how many. Their ids stay in the audit log."""
    with transaction.atomic():
        ids = _locked(Image.objects.trash_of(user), images)
        if ids:
            record(user, "delete", images=list(map(str, ids)))
        for some in slices(ids, PURGED_AT_ONCE):
            removal.remove(Image.objects.filter(pk__in=some, state=State.TRASHED))
    return len(ids)


def overdue() -> ImageQuerySet:
    """Thrown away longer than TRASH_DAYS ago."""
    return Image.objects.filter(state=State.TRASHED, trashed_at__lt=Now() - timedelta(days=settings.TRASH_DAYS)).order_by()


def purge(*, limit: int | None = None) -> int:
    """Deletes what is overdue, a slice a transaction; how many. ``limit`` is rounded up to whole slices."""
    gone = 0
    while limit is None or gone < limit:
        with transaction.atomic():
            ids = list(overdue().select_for_update(skip_locked=True).values_list("pk", flat=True)[:PURGED_AT_ONCE])
            if not ids:
                break
            removed = removal.remove(Image.objects.filter(pk__in=ids, state=State.TRASHED))
            record(None, "trash-emptied", images=list(map(str, ids)))
        gone += removed
    return gone
