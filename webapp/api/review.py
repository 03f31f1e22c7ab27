"""Images that are held for review, for whoever may decide on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from webapp.accounts.models import User
from webapp.api.auth import caller
from webapp.library import review, trash
from webapp.library.models import Collection, Image, Upload
from webapp.library.review import Narrowing

router = Router(tags=["review"])
MOST = 500


class Which(Schema):
    """``after``: the last image of the page before."""

    collection: UUID | None = None
    upload: UUID | None = None
    pattern: str = Field("", max_length=80)
    after: UUID | None = None
    size: int = Field(100, ge=1, le=MOST)


class FindingOut(Schema):
    place: str
    pattern: str


class HeldOut(Schema):
    """``name``: with the folders that it was sent with. ``found``: where, and what it looks like; never the words."""

    image: UUID
    collection: UUID
    name: str
    stored_at: datetime
    found: list[FindingOut]


class HeldPage(Schema):
    left: int
    images: list[HeldOut]
    next_after: UUID | None


class Images(Schema):
    images: list[UUID] = Field(min_length=1, max_length=MOST)


class Release(Images):
    """``rename``: their file names are replaced by neutral ones, for good."""

    rename: bool = False


class Decided(Schema):
    """Those of the named ones that it was done to: others are not held, or not yours to decide on."""

    images: list[UUID]


@router.get("/review", response=HeldPage)
def list_held(request: HttpRequest, which: Query[Which]) -> dict[str, Any]:
    """Oldest first."""
    user = caller(request)
    _check(user, which)
    ids = Narrowing(which.collection, which.upload, which.pattern).ids(Image.objects.held_for(user))
    start = ids.index(which.after) + 1 if which.after in ids else 0
    page = ids[start : start + which.size]
    images = sorted(Image.objects.held_for(user).filter(pk__in=page), key=lambda image: page.index(image.pk))
    names = review.paths(images)
    more = start + which.size < len(ids)
    return {
        "left": len(ids),
        "images": [_shape(image, names[image.pk]) for image in images],
        "next_after": page[-1] if more else None,
    }


@router.post("/review/release", response=Decided)
def release(request: HttpRequest, given: Release) -> dict[str, Any]:
    """They go on to be embedded."""
    return {"images": review.release(given.images, user=caller(request), rename=given.rename)[0]}


@router.post("/review/hold", response=Decided)
def hold_again(request: HttpRequest, given: Images) -> dict[str, Any]:
    """Takes a release back: nobody finds them any more until they are released again."""
    return {"images": review.hold_again(Image.objects.filter(pk__in=given.images), user=caller(request))}


@router.post("/review/throw-away", response=Decided)
def throw_away(request: HttpRequest, given: Images) -> dict[str, Any]:
    """Into the trash."""
    user = caller(request)
    return {"images": trash.throw_away(Image.objects.held_for(user).filter(pk__in=given.images), user=user)}


def _check(user: User, which: Which) -> None:
    """Raises Http404."""
    editable = Collection.objects.editable_by(user)
    if which.collection:
        get_object_or_404(editable, pk=which.collection)
    if which.upload:
        get_object_or_404(Upload.objects.filter(collection__in=editable), pk=which.upload)


def _shape(image: Image, name: str) -> dict[str, Any]:
    found = [{"place": place, "pattern": pattern} for place, pattern in image.found_identity]
    return {
        "image": image.pk,
        "collection": image.collection_id,
        "name": name,
        "stored_at": image.stored_at,
        "found": found,
    }
