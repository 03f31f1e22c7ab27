"""Jobs as pages show them: what is being done, how far it is, how long it still takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.utils import timezone

from webapp.library import bulk_jobs
from webapp.library.jobs import OPEN
from webapp.library.meters import Segment, segments
from webapp.library.models import Job, JobState
from webapp.library.spans import span

LABELS = {
    bulk_jobs.RETRY: "Try failed images again",
    bulk_jobs.MOVE: "Move to another collection",
    bulk_jobs.REEMBED: "Embed again",
    bulk_jobs.THROW_AWAY: "Throw away",
    bulk_jobs.BRING_BACK: "Bring back from the trash",
    bulk_jobs.DELETE: "Delete for good",
    "unpack": "Unpack an archive",
    "import": "Take in a folder",
    "table": "Import a table",
    "table-undo": "Take back a table",
    "near": "Look for near duplicates",
    "keep-older": "Keep the older of each pair",
    "originals": "Change what is kept of files",
}
TAGS = {
    JobState.WAITING: "working",
    JobState.RUNNING: "working",
    JobState.DONE: "ready",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "",
}


@dataclass(frozen=True)
class JobView:
    job: Job

    @property
    def takes_back(self) -> bool:
        """It moves to where another one had moved from."""
        return self.job.kind == bulk_jobs.MOVE and "job" in self.job.arguments

    @property
    def label(self) -> str:
        if self.takes_back:
            return "Move back"
        return LABELS.get(self.job.kind, self.job.kind.replace("-", " ").capitalize())

    @property
    def tag(self) -> str:
        return TAGS[JobState(self.job.state)]

    @property
    def is_open(self) -> bool:
        return self.job.state in OPEN

    @property
    def can_undo(self) -> bool:
        return bulk_jobs.can_undo(self.job)

    @property
    def undo_label(self) -> str:
        if self.job.kind == bulk_jobs.THROW_AWAY:
            return "Bring back"
        return "Move there again" if self.takes_back else "Move back"

    @property
    def by(self) -> str:
        return self.job.user.get_username() if self.job.user else "someone who left"

    @property
    def meter(self) -> list[Segment]:
        return segments({"ready": min(self.job.done, self.job.total or 0)}, of=self.job.total or 0)

    @property
    def time_left(self) -> str:
        """ "" while nothing can be said."""
        job = self.job
        if not (self.is_open and job.started_at and job.done and job.total and job.total > job.done):
            return ""
        return span((timezone.now() - job.started_at).total_seconds() / job.done * (job.total - job.done))


def shown(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """With all that a view of them needs, and without their reports, which may be long."""
    reported = ExpressionWrapper(~Q(report=[]), output_field=BooleanField())
    return jobs.select_related("user", "collection").annotate(reported=reported).defer("report")


def views(jobs: Iterable[Job]) -> list[JobView]:
    return [JobView(job) for job in jobs]
