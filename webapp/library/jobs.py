"""Long work that a person asked for: a row first, then a worker, which may die and be followed by another.

    start() -> Job WAITING --run()--> RUNNING -> DONE | FAILED (sentence) | CANCELLED

A runner is a function of one module of RUNNERS, registered by name. It may be run again after having been cut off anywhere, so it
must find out what is left to do; it counts its steps, and each step keeps the lease. Rights are asked again while it runs.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from webapp.accounts.models import User
from webapp.library.leases import unclaimed
from webapp.library.models import Collection, Job, JobState, Upload
from webapp.library.sending import send_job
from webapp.library.store import StoreAway

log = logging.getLogger(__name__)

RUNNERS: tuple[str, ...] = (  # modules that register runners
    "webapp.library.archives.unpacking",
    "webapp.library.bulk_jobs",
    "webapp.library.importing",
    "webapp.library.keeping_older",
    "webapp.library.near_duplicates",
    "webapp.library.rekeeping",
    "webapp.library.table_import",
)
NEED_ENCODER = frozenset({"reembed"})  # kinds that an encoder's worker does
KEPT_S = 1.0  # between two writes of the progress
MESSAGE_LENGTH, REPORT_ROWS = 300, 10_000
OPEN = (JobState.WAITING, JobState.RUNNING)
GAVE_UP = "The work was interrupted {} times. It can be started again: what was done stays done."
BROKEN = "Something went wrong that should not have; the server's log says what. What was done stays done."

Runner = Callable[["Work"], str]
_RUNNERS: dict[str, Runner] = {}


class Cancelled(Exception):
    """A person does not want it any more."""


class Refused(Exception):
    """The work cannot be done, and the sentence says why."""


class _Lost(Exception):
    """The lease has gone to another worker."""


class Work:
    """A job while it runs."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._done, self._written = job.done, 0.0

    @property
    def arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = self.job.arguments
        return arguments

    def count(self, total: int, *, done: int = 0) -> None:
        """``total`` steps, of which ``done`` were done before."""
        self._done = done
        self._write(total=total, done=done)

    def step(self, n: int = 1) -> None:
        """``n`` more are done. Raises Cancelled; whoever lets it through leaves what is done as it is."""
        self._done += n
        if time.monotonic() - self._written > KEPT_S:
            self._write(done=self._done)

    def note(self, row: dict[str, Any]) -> None:
        """What could not be done, for the job's report."""
        if len(self.job.report) < REPORT_ROWS:
            self.job.report.append(row)

    def _write(self, **changes: Any) -> None:
        self._written = time.monotonic()
        until = Now() + timedelta(seconds=settings.LEASE_S)
        if changes.get("done", 0) > self.job.done:  # it gets on: only interruptions at one place count against it
            self.job.done = changes["done"]
            self.job.attempts = changes["attempts"] = 1
        if not _held(self.job).update(lease_until=until, report=self.job.report, **changes):
            if Job.objects.filter(pk=self.job.pk, state=JobState.CANCELLED).exists():
                raise Cancelled
            raise _Lost

    def finish(self) -> None:
        """The last count, also where the last step was a moment ago."""
        self._write(done=self._done)


def runner(kind: str) -> Callable[[Runner], Runner]:
    """Registers the function that does jobs of this kind and returns the sentence that they end with."""

    def register(function: Runner) -> Runner:
        _RUNNERS[kind] = function
        return function

    return register


def start(
    kind: str,
    *,
    user: User | None,
    collection: Collection | None = None,
    upload: Upload | None = None,
    arguments: dict[str, Any] | None = None,
    total: int | None = None,
) -> Job:
    """The row; a worker hears of it as soon as the caller's transaction is committed. ``arguments``: ids and choices only."""
    job = Job.objects.create(
        kind=kind, user=user, collection=collection, upload=upload, arguments=arguments or {}, total=total
    )  # fmt: skip
    transaction.on_commit(partial(send, job.pk, kind))
    return job


def send(pk: UUID, kind: str) -> None:
    """A hint to a worker that can do it."""
    send_job(pk, queue="embed" if kind in NEED_ENCODER else "jobs")


def cancel(job: Job) -> bool:
    """False where it has ended already. A job that runs stops at its next step."""
    open_now = Job.objects.filter(pk=job.pk, state__in=OPEN)
    return bool(open_now.update(state=JobState.CANCELLED, ended_at=Now(), message="Cancelled. What was done stays done."))


def visible_jobs(user: User) -> QuerySet[Job]:
    """One's own, and those in collections that one edits; none in a collection that one does not see any more."""
    return own_jobs(user) | Job.objects.filter(collection__in=Collection.objects.editable_by(user))


def own_jobs(user: User) -> QuerySet[Job]:
    """What ``user`` asked for, but for what lies in a collection that they do not see any more."""
    in_sight = Q(collection=None) | Q(collection__in=Collection.objects.visible_to(user))
    return Job.objects.filter(in_sight, user=user)


def waiting() -> QuerySet[Job]:
    """Jobs that a worker may take up now, oldest first."""
    return Job.objects.filter(unclaimed(), state__in=OPEN, attempts__lt=settings.MAX_ATTEMPTS).order_by("made_at")


def give_up() -> int:
    """Jobs whose last allowed attempt ended without a word."""
    stuck = Job.objects.filter(unclaimed(), state__in=OPEN, attempts__gte=settings.MAX_ATTEMPTS)
    return stuck.update(state=JobState.FAILED, message=GAVE_UP.format(settings.MAX_ATTEMPTS), ended_at=Now())


def run(pk: UUID) -> bool:
    """Does the job, if it waits; False where it does not, or where another worker has it."""
    job = _claim(pk)
    if job is None:
        return False
    work = Work(job)
    try:
        message = _runner_of(job)(work)
        work.finish()
    except Cancelled:
        return True  # cancel() has written it down
    except _Lost:
        log.warning("job %s went to another worker", job.pk)
    except Refused as refused:
        _end(job, JobState.FAILED, str(refused))
    except StoreAway:
        _held(job).update(lease_until=None, lease_token=None, report=job.report, attempts=F("attempts") - 1)  # no job's fault
        raise
    except Exception as exc:
        _interrupted(job, exc)
        raise
    else:
        _end(job, JobState.DONE, message)
    return True


def _interrupted(job: Job, exc: Exception) -> None:
    """Tried again later, the attempt counted, but where the last one has been used up."""
    if job.attempts >= settings.MAX_ATTEMPTS:
        _end(job, JobState.FAILED, BROKEN)
    else:
        _held(job).update(lease_until=None, lease_token=None, report=job.report)
    log.warning("job %s (%s) was interrupted: %s", job.pk, job.kind, type(exc).__name__)


def _claim(pk: UUID) -> Job | None:
    token = uuid.uuid4()
    taken = waiting().order_by().filter(pk=pk).update(
        state=JobState.RUNNING,
        lease_token=token,
        lease_until=Now() + timedelta(seconds=settings.LEASE_S),
        attempts=F("attempts") + 1,
    )  # fmt: skip
    if not taken:
        return None
    Job.objects.filter(pk=pk, started_at=None).update(started_at=Now())
    return Job.objects.select_related("user", "collection", "upload").get(pk=pk)


def _runner_of(job: Job) -> Runner:
    for module in RUNNERS:
        import_module(module)
    if job.kind not in _RUNNERS:
        raise Refused(f"This version does not know work of the kind {job.kind!r}.")
    return _RUNNERS[job.kind]


def _end(job: Job, state: JobState, message: str) -> None:
    _held(job).update(
        state=state, message=message[:MESSAGE_LENGTH], report=job.report, ended_at=Now(), lease_until=None, lease_token=None
    )


def _held(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(pk=job.pk, lease_token=job.lease_token, state=JobState.RUNNING)
