"""What an administrator does to whole uploads: each a job of its own, none of it inside the request."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from webapp.accounts.admin import Looked
from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.library import bulk_jobs, cancelling
from webapp.library.bulk_jobs import Which
from webapp.library.models import Collection, Upload


class UploadActions(Looked):
    """For uploads into collections that whoever asks may change."""

    actions = ("retry_failed", "embed_again", "cancel", "throw_away")

    @admin.action(description="Try the failed ones again", permissions=["view"])
    def retry_failed(self, request: HttpRequest, uploads: QuerySet[Upload]) -> None:
        self._start(request, bulk_jobs.RETRY, uploads)

    @admin.action(description="Embed again; the images stay searchable meanwhile", permissions=["view"])
    def embed_again(self, request: HttpRequest, uploads: QuerySet[Upload]) -> None:
        self._start(request, bulk_jobs.REEMBED, uploads)

    @admin.action(description="Throw away: images can be brought back from the trash", permissions=["view"])
    def throw_away(self, request: HttpRequest, uploads: QuerySet[Upload]) -> None:
        for upload in _editable(request, uploads):
            cancelling.cancel(upload)
        self._start(request, bulk_jobs.THROW_AWAY, uploads)

    @admin.action(description="Cancel: nothing more is taken in", permissions=["view"])
    def cancel(self, request: HttpRequest, uploads: QuerySet[Upload]) -> None:
        for upload in _editable(request, uploads):
            record(request.user, "upload-cancelled", upload, files=cancelling.cancel(upload))  # type: ignore[arg-type]
        self.message_user(request, "Cancelled. What has come in stays.", messages.SUCCESS)

    def _start(self, request: HttpRequest, kind: str, uploads: QuerySet[Upload]) -> None:
        """A job an upload, for those into collections that whoever asks may change."""
        if not isinstance(request.user, User):
            return
        for upload in _editable(request, uploads):
            job = Which(upload=upload).start(kind, user=request.user)
            record(request.user, f"job-{kind}", upload, job=str(job.pk))
        self.message_user(request, _told(), messages.SUCCESS)


def _editable(request: HttpRequest, uploads: QuerySet[Upload]) -> QuerySet[Upload]:
    return uploads.filter(collection__in=Collection.objects.editable_by(request.user)).select_related("collection")


def _told() -> SafeString:
    return format_html('Begun. How far it is stands under <a href="{}">long work</a>.', reverse("jobs"))
