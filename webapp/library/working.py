"""The pipeline in this process, without a queue: for commands, tests and measurements."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import connection

from webapp import wiring
from webapp.library import jobs, near_duplicates, pipeline, texts, versions
from webapp.library.leases import waiting
from webapp.library.models import State
from webapp.library.reconcile import reconcile


def work(*, threads: int | None = None, after_round: Callable[[], None] = lambda: None) -> None:
    """Until nothing waits any more: what is left is ready or failed, or held by another process.

    ``threads``: that decode beside this one; 0 does everything here. Raises what pipeline.py raises.
    """
    versions.adopt(wiring.get_encoder().spec)
    reconcile()
    count = settings.DECODE_WORKERS if threads is None else threads
    with ThreadPoolExecutor(max(1, count)) as pool:
        while _round(pool if count else None, count):
            after_round()
    texts.embed_texts()
    target = versions.adopt(wiring.get_encoder().spec)
    versions.switch_if_full(target)
    while ids := near_duplicates.waiting():
        near_duplicates.compare(ids)
    after_round()


def _round(pool: ThreadPoolExecutor | None, threads: int) -> bool:
    """True where something was done."""
    jobs_done = sum(jobs.run(pk) for pk in list(jobs.waiting().values_list("pk", flat=True)))
    decoding = [pool.submit(_decode) for _ in range(threads)] if pool else []
    decoded = 0 if pool else len(pipeline.prepare(limit=16))
    embedded = pipeline.embed()
    published = pipeline.unpublished(limit=256)
    pipeline.publish(published)
    anew = pipeline.embed_anew() if versions.changing() else 0
    decoded += sum(future.result() for future in decoding)
    return bool(jobs_done or decoded or embedded or anew or published or _waits())


def _waits() -> bool:
    """A failed image counts as work done, and others may wait behind it."""
    return waiting(State.STORED).exists() or waiting(State.DECODED).exists()


def _decode() -> int:
    try:
        return len(pipeline.prepare(limit=8))
    finally:
        connection.close()  # a thread's own
