"""The trash, of one collection or of all that one edits: looking, bringing back, deleting for good."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts.audit import record
from webapp.accounts.caller import signed_in
from webapp.accounts.models import User
from webapp.library import bulk_jobs, trash
from webapp.library.bulk_jobs import Which
from webapp.library.choosing import MOST, asked
from webapp.library.editable import editable_collection
from webapp.library.models import Collection, Image
from webapp.library.models.images import ImageQuerySet
from webapp.library.shelves import Tab
from webapp.library.views import IMAGES_A_PAGE

WORD = "delete"  # typed before anything goes for good


@require_safe
def show_trash(request: HttpRequest, pk: uuid.UUID | None = None) -> HttpResponse:
    user = signed_in(request)
    collection = _collection(user, pk)
    lying = _lying(user, collection).select_related("collection", "trashed_by").prefetch_related("captions")
    page = Paginator(lying.order_by("-trashed_at", "pk"), IMAGES_A_PAGE).get_page(request.GET.get("page"))
    for image in page.object_list:
        image.days_left = _days_left(image)  # type: ignore[attr-defined]
    told = {"page": page, "collection": collection, "days": settings.TRASH_DAYS, "word": WORD}
    return render(request, "library/trash.html", told)


@require_POST
def bring_back(request: HttpRequest, pk: uuid.UUID | None = None) -> HttpResponse:
    """What is ticked; or all of it, as a job."""
    user = signed_in(request)
    collection = _collection(user, pk)
    if "all" in request.POST:
        return _all(user, collection, bulk_jobs.BRING_BACK)
    if chosen := _chosen(request):
        brought = trash.bring_back(_lying(user, collection).filter(pk__in=chosen), user=user)
        _tell_brought(request, brought)
    return _back(pk)


@require_POST
def delete(request: HttpRequest, pk: uuid.UUID | None = None) -> HttpResponse:
    """For good, once the word was typed."""
    user = signed_in(request)
    collection = _collection(user, pk)
    chosen, all_of_it = _chosen(request, quietly="all" in request.POST), "all" in request.POST
    if not (chosen or all_of_it):
        return _back(pk)
    lying = _lying(user, collection) if all_of_it else _lying(user, collection).filter(pk__in=chosen)
    if request.POST.get("word", "").strip().casefold() != WORD:
        wrong = "word" in request.POST
        told = {"n": lying.count(), "images": chosen, "all": all_of_it, "collection": collection, "word": WORD, "wrong": wrong}
        return render(request, "library/trash_sure.html", told, status=422 if wrong else 200)
    if all_of_it:
        return _all(user, collection, bulk_jobs.DELETE)
    gone = trash.delete_for_good(lying, user=user)
    messages.success(request, f"{gone:,} image{'' if gone == 1 else 's'} deleted for good.")
    return _back(pk)


@require_POST
def throw_away_tab(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _of_tab(request, pk, bulk_jobs.THROW_AWAY)


@require_POST
def retry_tab(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _of_tab(request, pk, bulk_jobs.RETRY)


@require_POST
def reembed_tab(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _of_tab(request, pk, bulk_jobs.REEMBED)


def _of_tab(request: HttpRequest, pk: uuid.UUID, kind: str) -> HttpResponse:
    """A job for all images of one of a collection's tabs."""
    user = signed_in(request)
    collection = editable_collection(user, pk)
    tab = Tab.of(request.POST.get("show", ""))
    job = Which(collection=collection, tab=tab).start(kind, user=user)
    record(user, f"job-{kind}", collection, job=str(job.pk), tab=tab.slug)
    return redirect("collection-jobs", pk)


def _all(user: User, collection: Collection | None, kind: str) -> HttpResponse:
    job = Which(trash=True, collection=collection).start(kind, user=user)
    record(user, f"job-{kind}", collection, job=str(job.pk))
    return redirect("jobs") if collection is None else redirect("collection-jobs", collection.pk)


def _collection(user: User, pk: uuid.UUID | None) -> Collection | None:
    """None: all that ``user`` edits. Raises Http404, also for somebody who edits nothing at all."""
    if pk is not None:
        return editable_collection(user, pk)
    if not Collection.objects.editable_by(user).exists():
        raise Http404("There is no trash.")
    return None


def _lying(user: User, collection: Collection | None) -> ImageQuerySet:
    lying = Image.objects.trash_of(user)
    return lying if collection is None else lying.filter(collection=collection)


def _chosen(request: HttpRequest, *, quietly: bool = False) -> list[uuid.UUID]:
    chosen = asked(request.POST)
    if len(chosen) > MOST:
        messages.error(request, f"At most {MOST} images at a time: {len(chosen):,} are selected.")
        return []
    if not chosen and not quietly:
        messages.error(request, "Tick images first.")
    return chosen


def _tell_brought(request: HttpRequest, brought: trash.Brought) -> None:
    back, same = len(brought.back), len(brought.same)
    if back:
        messages.success(request, f"{back:,} image{' is' if back == 1 else 's are'} back.")
    if same:
        which = "It stays" if same == 1 else f"{same:,} stay"
        messages.warning(request, f"{which} in the trash: the same file has come into the collection again.")


def _days_left(image: Image) -> int:
    """Until it is deleted for good, rounded up."""
    if image.trashed_at is None:
        return settings.TRASH_DAYS
    left = image.trashed_at + timedelta(days=settings.TRASH_DAYS) - timezone.now()
    return max(0, -(-int(left.total_seconds()) // 86_400))


def _back(pk: uuid.UUID | None) -> HttpResponse:
    return redirect("trash") if pk is None else redirect("collection-trash", pk)
