"""Finds the work that nobody does: at start, and every half minute. SQL is the queue, so whatever was lost is found here.

Needs no encoder: what needs one is hinted to the queue "embed".
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now

from search import Scope
from webapp import wiring
from webapp.library import files, index, jobs, near_duplicates, originals, pipeline, store, transfer, trash, versions
from webapp.library.archives import ending
from webapp.library.leases import unclaimed, waiting
from webapp.library.models import AT_REST, Embedding, Image, ItemState, State, Upload, UploadItem
from webapp.library.slicing import slices

log = logging.getLogger(__name__)

GAVE_UP = ("interrupted", "Work on this image was interrupted {} times; it may be what interrupts it. It can be tried again.")
NOT_RECEIVED = ("not_received", "The file never arrived completely: send it again.")
LEFTOVERS_AFTER_S = 3600  # of files that come in one piece; those in pieces have TUS_EXPIRES_H
JOBS_A_ROUND = 20
FORGOTTEN_A_ROUND = 2000


@dataclass(frozen=True, kw_only=True)
class Found:
    """What waits, and what was set right. ``lost``: searchable images whose points were gone; ``jobs`` that nobody does, with
    their kinds; ``to_forget``: thrown-away images whose points are still there.
    """

    to_prepare: int
    to_embed: int
    to_publish: int
    gave_up: int
    not_received: int
    lost: int
    jobs: list[tuple[UUID, str]]
    to_compare: bool
    to_forget: list[UUID]

    @property
    def anything(self) -> bool:
        return any(vars(self).values())


def reconcile() -> Found:
    """Fails what cannot go on, marks what the index has lost, tidies files, counts what waits. May raise search.errors."""
    gave_up = give_up() + jobs.give_up()
    with _where_the_store_answers():
        transfer.finish_whole()
    ending.settle()
    not_received = fail_unreceived()
    with _where_the_store_answers():
        originals.drop_failed()
    remove_leftovers()
    lost = find_lost_points()
    return Found(
        to_prepare=waiting(State.STORED).count(),
        to_embed=waiting(State.DECODED).count(),
        to_publish=len(pipeline.unpublished(limit=1)),
        gave_up=gave_up,
        not_received=not_received,
        lost=lost,
        jobs=list(jobs.waiting().values_list("pk", "kind")[:JOBS_A_ROUND]),
        to_compare=bool(near_duplicates.waiting(limit=1)),
        to_forget=trash.with_points(limit=FORGOTTEN_A_ROUND),
    )


@contextmanager
def _where_the_store_answers() -> Iterator[None]:
    """Else at the next round: what needs no file goes on meanwhile."""
    try:
        yield
    except store.StoreAway as exc:
        log.warning("files have to wait: %s", exc)


def give_up() -> int:
    """Images whose last allowed attempt ended without a word. One that was searchable before stays out of the way as failed."""
    stuck = Image.objects.filter(unclaimed(), attempts__gte=settings.MAX_ATTEMPTS).exclude(state__in=AT_REST)
    return stuck.update(
        state=State.FAILED,
        reason=GAVE_UP[0],
        reason_text=GAVE_UP[1].format(settings.MAX_ATTEMPTS),
        failed_at=Now(),
        lease_until=None,
        lease_token=None,
    )


def fail_unreceived() -> int:
    """Announced files that never came: no receipt stays open for ever. An upload of which something came lately goes on."""
    since = Now() - timedelta(hours=settings.TUS_EXPIRES_H)
    late = Upload.objects.filter(made_at__lt=since, items__state=ItemState.PENDING).exclude(items__received_at__gte=since)
    silent = set(late.values_list("pk", flat=True)) - transfer.active_uploads()
    ended = {"state": ItemState.FAILED, "reason": NOT_RECEIVED[0], "reason_text": NOT_RECEIVED[1]}
    pending = UploadItem.objects.filter(state=ItemState.PENDING)
    return sum(pending.filter(upload__in=some).update(**ended) for some in slices(silent))


def remove_leftovers() -> None:
    """Half-received files of processes that died or senders that left, and pixels that nobody waits for any more."""
    transfer.remove_abandoned()
    ending.remove_leftovers()
    oldest = time.time() - LEFTOVERS_AFTER_S
    for _, path in files.listed(files.INCOMING):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
    kept = {image: path for image, path in files.listed(files.PIXELS) if image is not None}
    wanted = set(Image.objects.filter(pk__in=list(kept), state__in=[State.STORED, State.DECODED]).values_list("pk", flat=True))
    for image in kept.keys() - wanted:
        kept[image].unlink(missing_ok=True)


def find_lost_points() -> int:
    """Images whose acknowledged points are no longer in the index, marked to be sent again from SQL; how many."""
    target = versions.target()
    if target is None:
        return 0
    index.ensure_versions(target)
    version = index.find(wiring.get_image_index(), target.fingerprint)
    if version is None or not _fewer_than_sent(version, target.fingerprint):
        return 0
    return mark_lost(version, missing_points(version))


def _fewer_than_sent(version: index.Version, fingerprint: str) -> bool:
    """SQL is counted first: what is sent meanwhile can only make the index look fuller."""
    sent = Embedding.objects.filter(fingerprint=fingerprint, indexed_at__isnull=False).count()
    return version.index.count(scope=Scope.everything()) < sent


def missing_points(version: index.Version) -> set[UUID]:
    """Regions whose points were acknowledged and are gone."""
    sent = Embedding.objects.filter(fingerprint=version.fingerprint, indexed_at__isnull=False)
    before = set(sent.values_list("region", flat=True))
    present = {
        UUID(point.id) for batch in version.index.scroll_all(scope=Scope.everything(), size=2000) for point in batch.points
    }
    return before - present


def mark_lost(version: index.Version, regions: set[UUID]) -> int:
    lost = sorted(regions)
    images: set[UUID] = set()
    for start in range(0, len(lost), 500):
        some = Embedding.objects.filter(region__in=lost[start : start + 500], fingerprint=version.fingerprint)
        images.update(some.values_list("region__image", flat=True))
        some.update(indexed_at=None)
    if images:
        log.warning("the index had lost points of %d images; they are sent again", len(images))
    if version.live:
        _in_slices(images, version.fingerprint)
    return len(images)


def _in_slices(images: set[UUID], fingerprint: str) -> None:
    for some in slices(sorted(images)):
        ready = Image.objects.filter(pk__in=some, state=State.READY)
        index.no_longer_searchable(ready, fingerprint)
