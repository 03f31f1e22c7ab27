"""What Celery runs. Messages carry ids only and are hints: each task asks SQL what there is to do, and may run again and again.

Queues: "ingest" needs a decoder and no encoder, "embed" needs the encoder, "jobs" is for long work that people asked for and
needs neither; settings.CELERY_TASK_ROUTES parts them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from celery import shared_task
from django.conf import settings

import search.errors
from embedder import errors
from webapp import wiring
from webapp.library import jobs, near_duplicates, pipeline, removal, sending, table_drafts, texts, trash, versions
from webapp.library import reconcile as reconciling
from webapp.library.leases import waiting
from webapp.library.models import State

log = logging.getLogger(__name__)

OUTAGES = (errors.EmbedderError, search.errors.SearchError, versions.ForeignEncoder, OSError)
JOB_S = 24 * 3600  # a message that comes again meanwhile finds the job held
DRAIN_S = 60.0  # a task works through what waits for so long, then makes room for other messages
DRAWN_TOGETHER = 8  # images that are decoded before the encoder's queue hears of them
ENCODING_S = 3600  # one image of many tiles may take a processor longer than other work may take at all
_COMPARING = threading.Lock()  # a second thread would compare the same images
_EMBEDDERS = threading.BoundedSemaphore(2)  # one has the encoder while the other loads and stores


@contextmanager
def _outages_logged(doing: str) -> Iterator[None]:
    """An outage is no image's fault: what waits goes on waiting, and reconcile comes back to it."""
    try:
        yield
    except OUTAGES as exc:
        log.warning("%s has to wait: %s", doing, exc)


@contextmanager
def _embedding_follows() -> Iterator[list[UUID]]:
    """The encoder's queue hears of what is in the list at the end, also where an outage is the end."""
    decoded: list[UUID] = []
    try:
        yield decoded
    finally:
        if decoded:
            sending.send_embed(decoded)


@shared_task
def prepare(ids: list[str]) -> None:
    """Decodes these images, for DRAIN_S at most: the rest is another message's."""
    until = time.monotonic() + DRAIN_S
    with _outages_logged("decoding"), _embedding_follows() as decoded:
        for place, image in enumerate(ids):
            if time.monotonic() > until:
                sending.send_prepare(UUID(each) for each in ids[place:])
                return
            decoded += pipeline.prepare([UUID(image)])


@shared_task
def prepare_waiting() -> None:
    """Decodes whatever waits, for DRAIN_S at most: what reconcile starts."""
    until = time.monotonic() + DRAIN_S
    with _outages_logged("decoding"):
        while waiting(State.STORED).exists():
            with _embedding_follows() as decoded:
                for _ in range(DRAWN_TOGETHER):
                    if time.monotonic() > until:
                        sending.hint(prepare_waiting)
                        return
                    decoded += pipeline.prepare(limit=1)


@shared_task(soft_time_limit=ENCODING_S - 60, time_limit=ENCODING_S)
def embed(ids: list[str]) -> None:
    """Embeds these images and whatever else waits, for DRAIN_S at most. Of several such messages at once, some find the work
    taken and end.
    """
    wanted: list[UUID] | None = [UUID(image) for image in ids]
    until = time.monotonic() + DRAIN_S
    with _outages_logged("embedding"):
        # asked again after each round: what came while the last round ended has no message of its own any more
        while waiting(State.DECODED).exists() and _EMBEDDERS.acquire(blocking=False):
            try:
                taken = pipeline.embed(wanted)
            finally:
                _EMBEDDERS.release()
            wanted = None
            if not taken:
                break
            if time.monotonic() > until:
                sending.hint(embed, [])
                break
        sending.hint(find_near)


@shared_task
def publish() -> None:
    """Sends what the index has not acknowledged, for DRAIN_S at most."""
    until = time.monotonic() + DRAIN_S
    with _outages_logged("indexing"):
        tried: list[UUID] = []
        while (ids := pipeline.unpublished(limit=256)) and ids != tried:  # the same again: the index does not take them yet
            if time.monotonic() > until:
                sending.hint(publish)
                return
            pipeline.publish(ids)
            tried = ids


@shared_task
def find_near() -> None:
    """Compares what is searchable and was not yet, for DRAIN_S at most: near duplicates are to be reviewed."""
    with _outages_logged("comparing"):
        until = time.monotonic() + DRAIN_S
        while _COMPARING.acquire(blocking=False):
            try:
                ids = near_duplicates.waiting()
                near_duplicates.compare(ids)
            finally:
                _COMPARING.release()
            if not ids:
                return
            if time.monotonic() > until:
                sending.hint(find_near)
                return


@shared_task(soft_time_limit=ENCODING_S - 60, time_limit=ENCODING_S)
def embed_texts() -> None:
    """Captions and terms."""
    with _outages_logged("embedding texts"):
        texts.embed_texts()


@shared_task(soft_time_limit=ENCODING_S - 60, time_limit=ENCODING_S)
def settle() -> None:
    """What the encoder has to do beside new images: texts, and all images anew after another encoder was chosen."""
    with _outages_logged("settling"):
        target = versions.adopt(wiring.get_encoder().spec)
        texts.embed_texts()
        until = time.monotonic() + DRAIN_S
        while versions.changing() and time.monotonic() < until and pipeline.embed_anew():
            texts.embed_texts()
        versions.switch_if_full(target)


@shared_task
def reconcile() -> None:
    """By beat and at start: see reconcile.py."""
    with _outages_logged("reconciling"):
        found = reconciling.reconcile()
        if found.to_prepare:
            for _ in range(max(1, settings.DECODE_WORKERS)):
                sending.hint(prepare_waiting)
        if found.to_embed:
            sending.hint(embed, [])
        if found.to_publish:
            sending.hint(publish)
        for job, kind in found.jobs:
            jobs.send(job, kind)
        if found.to_compare:
            sending.hint(find_near)
        if found.to_forget:
            sending.send_forget(found.to_forget)
        sending.hint(settle)


@shared_task
def optimise() -> None:
    """Indexes what is unindexed where that pays; minutes for a large archive."""
    with _outages_logged("optimising"):
        for each in (wiring.get_image_index(), wiring.get_text_index()):
            report = each.optimise()
            log.info("optimise: %s", report.reason)


@shared_task(soft_time_limit=JOB_S - 60, time_limit=JOB_S)
def run_job(job: str) -> None:
    """Work that a person asked for: jobs.py."""
    with _outages_logged("a job"):
        jobs.run(UUID(job))


@shared_task
def remove(ids: list[str]) -> None:
    """Files and points of images whose rows are gone."""
    with _outages_logged("removing"):
        removal.remove_rest([UUID(image) for image in ids])


@shared_task
def forget_tables() -> None:
    """By beat: tables that somebody sent and never imported."""
    with _outages_logged("forgetting tables"):
        table_drafts.forget_old()


@shared_task
def forget_points(ids: list[str]) -> None:
    """Points of images that were thrown into the trash while the index was away; of one that was brought back, none."""
    with _outages_logged("removing points"):
        trash.forget_points([UUID(image) for image in ids], hint=False)


@shared_task
def empty_trash() -> None:
    """By beat: what was thrown away longer than TRASH_DAYS ago goes for good, for DRAIN_S at most."""
    until = time.monotonic() + DRAIN_S
    with _outages_logged("emptying the trash"):
        while trash.purge(limit=1):
            if time.monotonic() > until:
                sending.hint(empty_trash)
                return


@shared_task
def forget_captions(ids: list[str]) -> None:
    """Points of captions that were taken away; of one that was brought back meanwhile, none."""
    with _outages_logged("removing captions"):
        removal.forget_captions([UUID(caption) for caption in ids])
