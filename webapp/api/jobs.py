"""Long work: what one asked for and what runs in collections that one edits; and work on an upload, or on images, as a whole."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import Field

from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.api.auth import caller
from webapp.api.uploads import editable_collection
from webapp.explore.asking import BadQuery
from webapp.library import bulk_jobs, cancelling, jobs
from webapp.library.bulk_jobs import TooMany, Which
from webapp.library.models import Collection, Job, JobState, Upload

router = Router(tags=["jobs"])
REPORT_ROWS = 1000


class JobOut(Schema):
    """``total`` null: not known yet. ``message``: one sentence, once it has ended."""

    id: UUID
    kind: str
    state: str
    total: int | None
    done: int
    message: str
    collection: UUID | None
    upload: UUID | None
    by: str | None
    made_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    can_undo: bool


class JobDetail(JobOut):
    """``report``: what could not be done, at most 1000 rows of it."""

    report: list[dict[str, Any]]


class JobPage(Schema):
    jobs: list[JobOut]
    total: int


class WhichJobs(Schema):
    state: JobState | None = None
    upload: UUID | None = None
    collection: UUID | None = None
    start: int = Field(0, ge=0, le=1_000_000)
    size: int = Field(100, ge=1, le=500)


class NewJob(Schema):
    """``images``: at most 10,000; what the caller may not change stays as it is. ``into``: of a move, the collection."""

    kind: Literal["retry", "move", "reembed", "throw-away", "bring-back"]
    images: list[UUID] = Field(min_length=1, max_length=bulk_jobs.MOST_NAMED)
    into: UUID | None = None


class Into(Schema):
    into: UUID


class Cancelled(Schema):
    """``files``: how many lines of the upload ended by it."""

    files: int


@router.get("/jobs", response=JobPage)
def list_jobs(request: HttpRequest, which: Query[WhichJobs]) -> dict[str, Any]:
    """Newest first."""
    found = jobs.visible_jobs(caller(request)).distinct().defer("report").select_related("user")
    if which.state is not None:
        found = found.filter(state=which.state)
    if which.upload is not None:
        found = found.filter(upload=which.upload)
    if which.collection is not None:
        found = found.filter(collection=which.collection)
    shown = found[which.start : which.start + which.size]
    return {"jobs": [_shape(job) for job in shown], "total": found.count()}


@router.post("/jobs", response={202: JobOut})
def start_job(request: HttpRequest, given: NewJob) -> Status[dict[str, Any]]:
    """Work on images by their ids. Poll /jobs/{id} until ``ended_at``."""
    user = caller(request)
    arguments = {"into": str(_target(user, given.into).pk)} if given.kind == bulk_jobs.MOVE else {}
    try:
        job = Which(images=given.images).start(given.kind, user=user, **arguments)
    except TooMany as many:
        raise BadQuery("too_many", str(many)) from many
    record(user, f"job-{given.kind}", None, job=str(job.pk), images=len(given.images))
    return Status(202, _shape(job))


@router.get("/jobs/{job_id}", response=JobDetail)
def show_job(request: HttpRequest, job_id: UUID) -> dict[str, Any]:
    job = _job(request, job_id)
    return _shape(job) | {"report": job.report[:REPORT_ROWS]}


@router.post("/jobs/{job_id}/cancel", response=JobOut)
def cancel_job(request: HttpRequest, job_id: UUID) -> dict[str, Any]:
    """It stops at its next step; what was done stays done. Of one that has ended, nothing changes."""
    job = _job(request, job_id)
    if jobs.cancel(job):
        record(caller(request), "job-cancelled", job)
    return _shape(_job(request, job_id))


@router.post("/jobs/{job_id}/undo", response={202: JobOut})
def undo_job(request: HttpRequest, job_id: UUID) -> Status[dict[str, Any]]:
    """Another job, which takes this one's throwing away or moving back."""
    user, job = caller(request), _job(request, job_id)
    if not bulk_jobs.can_undo(job):
        raise BadQuery("cannot_undo", "This cannot be taken back, or has been already.")
    started = bulk_jobs.undo(job, user=user)
    record(user, "job-taken-back", job, by_job=str(started.pk))
    return Status(202, _shape(started))


# --- an upload as a whole ---------------------------------------------------------------------------------------------


@router.post("/uploads/{upload_id}/cancel", response=Cancelled)
def cancel_upload(request: HttpRequest, upload_id: UUID) -> dict[str, int]:
    """Nothing more of it is taken in; what has come in stays."""
    upload = _upload(request, upload_id)
    ended = cancelling.cancel(upload)
    record(caller(request), "upload-cancelled", upload, files=ended)
    return {"files": ended}


@router.post("/uploads/{upload_id}/retry", response={202: JobOut})
def retry_upload(request: HttpRequest, upload_id: UUID) -> Status[dict[str, Any]]:
    """Its failed images, from the beginning."""
    return _of_upload(request, _upload(request, upload_id), bulk_jobs.RETRY)


@router.post("/uploads/{upload_id}/reembed", response={202: JobOut})
def reembed_upload(request: HttpRequest, upload_id: UUID) -> Status[dict[str, Any]]:
    """Its searchable images, which stay searchable meanwhile."""
    return _of_upload(request, _upload(request, upload_id), bulk_jobs.REEMBED)


@router.post("/uploads/{upload_id}/move", response={202: JobOut})
def move_upload(request: HttpRequest, upload_id: UUID, given: Into) -> Status[dict[str, Any]]:
    upload = _upload(request, upload_id)
    target = _target(caller(request), given.into)
    return _of_upload(request, upload, bulk_jobs.MOVE, **bulk_jobs.move_arguments(upload, target))


@router.post("/uploads/{upload_id}/trash", response={202: JobOut})
def throw_upload_away(request: HttpRequest, upload_id: UUID) -> Status[dict[str, Any]]:
    """All that came of it, and nothing more comes in; the trash keeps it for TRASH_DAYS."""
    upload = _upload(request, upload_id)
    cancelling.cancel(upload)
    return _of_upload(request, upload, bulk_jobs.THROW_AWAY)


def _of_upload(request: HttpRequest, upload: Upload, kind: str, **arguments: Any) -> Status[dict[str, Any]]:
    user = caller(request)
    job = Which(upload=upload).start(kind, user=user, **arguments)
    record(user, f"job-{kind}", upload, job=str(job.pk), **arguments)
    return Status(202, _shape(job))


def _upload(request: HttpRequest, upload_id: UUID) -> Upload:
    editable = Collection.objects.editable_by(caller(request))
    return get_object_or_404(Upload.objects.filter(collection__in=editable).select_related("collection"), pk=upload_id)


def _target(user: User, into: UUID | None) -> Collection:
    """404 for what ``user`` does not see, 403 for what they may only look at."""
    if into is None:
        raise BadQuery("into", "Name the collection to move them to.")
    return editable_collection(user, into)


def _job(request: HttpRequest, job_id: UUID) -> Job:
    return get_object_or_404(jobs.visible_jobs(caller(request)).distinct().select_related("user"), pk=job_id)


def _shape(job: Job) -> dict[str, Any]:
    facts = ("kind", "state", "total", "done", "message", "made_at", "started_at", "ended_at")
    return {name: getattr(job, name) for name in facts} | {
        "id": job.pk,
        "collection": job.collection_id,
        "upload": job.upload_id,
        "by": job.user.get_username() if job.user else None,
        "can_undo": bulk_jobs.can_undo(job),
    }
