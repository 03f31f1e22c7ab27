"""Long work that a person asked for, done by a worker: its row is the queue, its counts are the progress."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from webapp.accounts.models import User
from webapp.library.models.collections import Collection
from webapp.library.models.uploads import Upload


class JobState(models.TextChoices):
    WAITING = "waiting", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


class Job(models.Model):
    """``kind`` names a function of jobs.py. ``arguments``: ids and choices, never names of patients or files.

    ``total`` None: not known yet. ``message``: one sentence for people; ``report``:
    what could not be done, a row each. Held by a lease as images are: leases.py.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="jobs")
    collection = models.ForeignKey(Collection, null=True, on_delete=models.CASCADE, related_name="jobs")
    upload = models.ForeignKey(Upload, null=True, on_delete=models.CASCADE, related_name="jobs")
    arguments = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.WAITING)
    total = models.PositiveIntegerField(null=True)
    done = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=300, blank=True)
    report = models.JSONField(default=list, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-made_at"]
        indexes: ClassVar = [models.Index(fields=["state", "lease_until"], name="jobs_to_do")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}: {self.state}"
