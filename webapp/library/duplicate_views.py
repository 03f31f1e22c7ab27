"""Reviewing pairs of images that may be the same: one pair a page, decided by a form, a key or many at once.

For editors: who may only look at a collection is answered as if there were nothing to review.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST, require_safe

from webapp.accounts.caller import signed_in
from webapp.accounts.models import User
from webapp.library import jobs, keeping_older
from webapp.library.deciding import Decided, Decision, NotDone, decide, take_back
from webapp.library.duplicate_pages import LISTS, PairPage, pair_page
from webapp.library.duplicates import Link, counts, links
from webapp.library.editable import editable_collection
from webapp.library.models import Collection, Image, Job, Likeness
from webapp.library.slicing import slices
from webapp.requests import uuid_of

UNDO = "duplicates_undo"  # in the session: the last decision alone
KINDS = ("near", "keep-older")
SHOWN_FOR = timedelta(minutes=10)  # a job that has ended
STRIP = 12  # pairs shown small around the one under review
SURE_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which list is under review, and where in it. ``collection`` None: across all that the user edits."""

    collection: Collection | None
    likeness: Likeness
    at: int = 1
    swapped: bool = False
    fills: bool = False

    @property
    def address(self) -> str:
        return reverse("duplicates-of", args=[self.collection.pk]) if self.collection else reverse("duplicates")

    def to(self, **changes: Any) -> str:
        """The address of this place with ``changes``."""
        told = {"list": self.likeness.value, "at": self.at, "swap": int(self.swapped), "fill": int(self.fills)} | changes
        return f"{self.address}?{urlencode({name: value for name, value in told.items() if value})}"


# --- the page ---------------------------------------------------------------------------------------------------------


@require_safe
def review(request: HttpRequest, pk: uuid.UUID | None = None) -> HttpResponse:
    user = signed_in(request)
    collection = _collection(user, pk)
    told = counts(user, collection=collection)
    likeness = _list(request.GET.get("list", "")) or next((each for each in Likeness if told[each]), Likeness.BYTES)
    found = links(user, likeness, collection=collection)
    where = Where(
        collection=collection,
        likeness=likeness,
        at=_number(request.GET.get("at", ""), most=len(found)),
        swapped=request.GET.get("swap") == "1",
        fills=request.GET.get("fill") == "1",
    )
    shown = _about(request, where, found, told | {likeness: len(found)})
    return render(request, "library/duplicates.html", shown)


def _about(request: HttpRequest, where: Where, found: list[Link], told: dict[Likeness, int]) -> dict[str, Any]:
    user = signed_in(request)
    job = _jobs(user, where.collection).first()
    waits = job is not None and job.kind == "keep-older" and job.state in jobs.OPEN  # it decides on these very pairs
    return {
        "collection": where.collection,
        "where": where,
        "tabs": [(LISTS[each], told[each], where.to(list=each.value, at=1), each == where.likeness) for each in Likeness],
        "pair": None if waits else _pair(user, where, found),
        "waits": waits,
        "total": len(found),
        "before": where.to(at=where.at - 1) if where.at > 1 else "",
        "after": where.to(at=where.at + 1) if where.at < len(found) else "",
        "swap": where.to(swap=int(not where.swapped)),
        "fill": where.to(fill=int(not where.fills)),
        "strip": _strip(where, found),
        "exact": where.likeness in keeping_older.EXACT,
        "job": job,
        "job_back": where.to(),
        "undo": (request.session.get(UNDO) or {}).get("token", ""),
        "nothing_at_all": not any(told.values()),
    }


def _pair(user: User, where: Where, found: list[Link]) -> PairPage | None:
    return pair_page(found[where.at - 1], user=user, swapped=where.swapped, fills=where.fills) if found else None


def _strip(where: Where, found: list[Link]) -> list[dict[str, Any]]:
    """The pairs around this one."""
    first = max(0, min(where.at - 1 - STRIP // 2, len(found) - STRIP))
    return [
        {"link": link, "address": where.to(at=n), "n": n, "here": n == where.at}
        for n, link in enumerate(found[first : first + STRIP], start=first + 1)
    ]


@require_safe
def count(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What the link on a collection's page says, asked after the page is there."""
    user = signed_in(request)
    told = counts(user, collection=_collection(user, pk))
    return render(request, "library/_duplicates_count.html", {"count": sum(told.values())})


# --- deciding ---------------------------------------------------------------------------------------------------------


@require_POST
def decide_pair(request: HttpRequest, pk: uuid.UUID | None = None) -> HttpResponse:
    user, where = signed_in(request), _posted(request, pk)
    first, second, decision = _id(request, "first"), _id(request, "second"), request.POST.get("decision", "")
    if decision not in ("both", "first", "second"):
        raise Http404
    try:
        done = decide(first, second, cast("Decision", decision), user=user, take_over=request.POST.get("take_over") == "yes")
    except Image.DoesNotExist as exc:
        raise Http404 from exc
    except NotDone as why:
        messages.error(request, str(why))
        return redirect(where.to())
    _tell(request, where, done)
    return redirect(where.to())


def _tell(request: HttpRequest, where: Where, done: Decided) -> None:
    token = secrets.token_urlsafe(12)
    request.session[UNDO] = done.as_json() | {"token": token}
    told = {"done": done, "undo": token, "where": where}
    written = render_to_string("library/_decided.html", told, request)
    sentence = mark_safe(written.strip())  # noqa: S308  our own template  # nosec B308 B703
    messages.success(request, sentence)


@require_POST
def undo(request: HttpRequest, pk: uuid.UUID | None = None) -> HttpResponse:
    """One step: the last decision, once."""
    user, where = signed_in(request), _posted(request, pk)
    kept = request.session.get(UNDO)
    if not kept or not constant_time_compare(str(kept["token"]), request.POST.get("undo", "")):
        messages.error(request, "This cannot be taken back any more: another pair was decided since, or it was taken back.")
        return redirect(where.to())
    del request.session[UNDO]
    try:
        left = take_back(Decided.from_json(kept), user=user)
    except Image.DoesNotExist as exc:
        raise Http404 from exc
    except NotDone as why:
        messages.error(request, str(why))
    else:
        messages.success(request, f"Taken back: the pair is to be reviewed again. {left}".strip())
    return redirect(where.to())


@require_POST
def keep_older(request: HttpRequest, pk: uuid.UUID | None = None) -> HttpResponse:
    """Asks first, and with ``sure`` starts."""
    user, where = signed_in(request), _posted(request, pk)
    if where.likeness not in keeping_older.EXACT:
        raise Http404
    chosen = keeping_older.orders(user, where.likeness, collection=where.collection)
    if not chosen:
        messages.info(request, "There is nothing left to decide in this list.")
        return redirect(where.to())
    if request.POST.get("sure") != "yes":
        return _question(request, where, chosen)
    if request.POST.get("images") != str(len(chosen)):
        messages.error(request, "The list has changed since you were asked: have another look.")
        return redirect(where.to())
    keeping_older.start(user, chosen, collection=where.collection, take_over=request.POST.get("take_over") == "yes")
    return redirect(where.to())


def _question(request: HttpRequest, where: Where, chosen: list[keeping_older.Order]) -> HttpResponse:
    kept = {kept for kept, _ in chosen}
    told = {
        "where": where,
        "groups": len(kept),
        "images": len(chosen),
        "orders": chosen[:SURE_SHOWN],
        "more": max(0, len(chosen) - SURE_SHOWN),
        "collections": _collections_of([thrown for _, thrown in chosen]),
        "most": keeping_older.MOST if len(chosen) == keeping_older.MOST else 0,
    }
    return render(request, "library/duplicates_sure.html", told)


def _collections_of(images: list[uuid.UUID]) -> list[str]:
    """Their names."""
    lie = {pk for some in slices(images) for pk in Image.objects.filter(pk__in=some).values_list("collection", flat=True)}
    return [str(collection) for collection in Collection.objects.filter(pk__in=lie)]


# --- jobs -------------------------------------------------------------------------------------------------------------


@require_POST
def look_again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Every image of the collection is compared anew; one such job at a time."""
    user = signed_in(request)
    collection = _collection(user, pk)
    if not Job.objects.filter(kind="near", collection=collection, state__in=jobs.OPEN).exists():
        jobs.start("near", user=user, collection=collection)
    return redirect("duplicates-of", pk)


@require_safe
def job_state(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Polled; when it has ended, the page is loaded again, for the list is another one then."""
    job = get_object_or_404(jobs.visible_jobs(signed_in(request)).filter(kind__in=KINDS), pk=pk)
    about = job.collection_id or job.arguments.get("about")
    back = reverse("duplicates-of", args=[about]) if about else reverse("duplicates")
    response = render(request, "library/_duplicates_job.html", {"job": job, "job_back": back})
    if job.state not in jobs.OPEN:
        response.headers["HX-Refresh"] = "true"
    return response


def _jobs(user: User, collection: Collection | None) -> QuerySet[Job]:
    """Running ones and those that ended a moment ago, the latest first."""
    lately = Q(state__in=jobs.OPEN) | Q(ended_at__gt=Now() - SHOWN_FOR)
    own = Q(kind="keep-older", user=user, arguments__about=str(collection.pk) if collection else "")
    looked = Q(kind="near", collection=collection) if collection else Q(pk__in=[])
    return jobs.visible_jobs(user).filter(lately).filter(own | looked)


# --- what was told ----------------------------------------------------------------------------------------------------


def _collection(user: User, pk: uuid.UUID | None) -> Collection | None:
    return None if pk is None else editable_collection(user, pk)


def _posted(request: HttpRequest, pk: uuid.UUID | None) -> Where:
    return Where(
        collection=_collection(signed_in(request), pk),
        likeness=_list(request.POST.get("list", "")) or Likeness.BYTES,
        at=_number(request.POST.get("at", ""), most=10**6),
        fills=request.POST.get("fill") == "1",
    )


def _list(told: str) -> Likeness | None:
    return Likeness(told) if told in LISTS else None


def _number(told: str, *, most: int) -> int:
    """From 1 to ``most``; whatever is no number is 1."""
    return max(1, min(int(told), most)) if told.isascii() and told.isdigit() and len(told) < 8 else 1


def _id(request: HttpRequest, name: str) -> uuid.UUID:
    if (pk := uuid_of(request.POST.get(name, ""))) is None:
        raise Http404
    return pk
