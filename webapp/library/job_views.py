"""Long work that people asked for: what runs, how far it is, what came of it; cancelled and taken back from here."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.library import bulk_jobs, job_pages, jobs
from webapp.library.csv_answers import report_answer
from webapp.library.editable import editable_collection
from webapp.library.models import Collection, Job
from webapp.library.receipt_views import LAST
from webapp.requests import redirect_back

JOBS_A_PAGE = 30
ENDED = "job-ended"  # what a page is told then: the number at its top is another one


@require_safe
def my_jobs(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    return _list(request, jobs.own_jobs(user), None)


@require_safe
def collection_jobs(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    collection = editable_collection(signed_in(request), pk)
    return _list(request, Job.objects.filter(collection=collection), collection)


def _list(request: HttpRequest, which: QuerySet[Job], collection: Collection | None) -> HttpResponse:
    page = Paginator(job_pages.shown(which), JOBS_A_PAGE).get_page(request.GET.get("page"))
    shown = job_pages.views(page.object_list)
    open_now = any(view.is_open for view in shown)
    told = {"page": page, "jobs": shown, "collection": collection, "poll": open_now, "back": request.path}
    if not getattr(request, "htmx", False):
        return render(request, "library/jobs.html", told)
    response = render(request, "library/_jobs.html", told, status=200 if open_now else LAST)
    if not open_now:
        response.headers["HX-Trigger"] = ENDED
    return response


@require_safe
def hint(request: HttpRequest) -> HttpResponse:
    """For the top of every page: how much of one's own work runs just now. Asked for again only while some does."""
    running = Job.objects.filter(user=signed_in(request), state__in=jobs.OPEN).count()
    return render(request, "library/_jobs_hint.html", {"running": running})


@require_safe
def report(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """What could not be done, a row each."""
    job = _job(request, pk)
    return report_answer(job.report, name=f"{job.kind}-{str(pk)[:8]}", user=signed_in(request))


@require_POST
def cancel(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    job = _job(request, pk)
    if jobs.cancel(job):
        record(signed_in(request), "job-cancelled", job)
    else:
        messages.info(request, "It had ended already.")
    return _back(request)


@require_POST
def undo(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user, job = signed_in(request), _job(request, pk)
    if not bulk_jobs.can_undo(job):
        messages.error(request, "This cannot be taken back, or has been already.")
        return _back(request)
    started = bulk_jobs.undo(job, user=user)
    record(user, "job-taken-back", job, by_job=str(started.pk))
    return _back(request)


def _job(request: HttpRequest, pk: uuid.UUID) -> Job:
    return get_object_or_404(jobs.visible_jobs(signed_in(request)).distinct(), pk=pk)


def _back(request: HttpRequest) -> HttpResponseRedirect:
    return redirect_back(request, otherwise=reverse("jobs"))
