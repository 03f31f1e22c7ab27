"""Pairs of images that may be the same: to list, and to decide on."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import Field

from webapp.api.auth import caller
from webapp.library import jobs
from webapp.library.deciding import decide
from webapp.library.duplicates import counts, links
from webapp.library.models import Collection, Image, Job, Likeness

router = Router(tags=["duplicates"])
LISTS = Literal["bytes", "pixels", "near"]


class PairOut(Schema):
    """``first`` has the smaller id. ``cosine``: of those that are nearly the same."""

    first: UUID
    second: UUID
    likeness: str
    cosine: float | None


class PairPage(Schema):
    """``counts``: pairs in each list, to be decided on by whoever asks."""

    pairs: list[PairOut]
    counts: dict[str, int]


class Which(Schema):
    likeness: LISTS = "bytes"
    collection: UUID | None = None
    start: int = Field(0, ge=0)
    size: int = Field(100, ge=1, le=1000)


class DecisionIn(Schema):
    """``decision``: "both", or the one to keep. ``take_over``: the kept one gets what only the other one says."""

    first: UUID
    second: UUID
    decision: Literal["both", "first", "second"]
    take_over: bool = False


class DecisionOut(Schema):
    """``thrown``: into the trash. ``change``: of the kept one's history."""

    kept: UUID | None
    thrown: UUID | None
    change: int | None


class JobOut(Schema):
    job: UUID
    state: str


@router.get("/duplicates", response=PairPage)
def list_pairs(request: HttpRequest, which: Query[Which]) -> dict[str, Any]:
    """Of images that may be changed by whoever asks, of one collection or of all. A decided pair is no longer listed."""
    user = caller(request)
    collection = _collection(request, which.collection)
    found = links(user, Likeness(which.likeness), collection=collection)
    shown = found[which.start : which.start + which.size]
    return {"pairs": shown, "counts": {each.value: n for each, n in counts(user, collection=collection).items()}}


@router.post("/duplicates", response=DecisionOut)
def decide_pair(request: HttpRequest, said: DecisionIn) -> dict[str, Any]:
    """Keeps both, or one and throws the other into the trash; 409 where one of them has gone since."""
    try:
        done = decide(said.first, said.second, said.decision, user=caller(request), take_over=said.take_over)
    except Image.DoesNotExist as exc:
        raise Http404 from exc
    return {"kept": done.kept or None, "thrown": done.thrown or None, "change": done.change or None}


@router.post("/collections/{collection_id}/duplicates/look-again", response={202: JobOut})
def look_again(request: HttpRequest, collection_id: UUID) -> Status[dict[str, Any]]:
    """Compares every image of the collection anew, as a job; the one that is under way, if there is one."""
    collection = _collection(request, collection_id)
    job = Job.objects.filter(kind="near", collection=collection, state__in=jobs.OPEN).first()
    job = job or jobs.start("near", user=caller(request), collection=collection)
    return Status(202, {"job": job.pk, "state": job.state})


def _collection(request: HttpRequest, pk: UUID | None) -> Collection | None:
    return None if pk is None else get_object_or_404(Collection.objects.editable_by(caller(request)), pk=pk)
