"""Images: which there are, all that is known about one, its pictures, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import Field

from webapp.accounts.models import User
from webapp.api.auth import caller
from webapp.api.says import ImageSays
from webapp.explore.shapes import image_shape, region_shape
from webapp.library import editing, media, trash
from webapp.library.models import Image, ImageChange, State

router = Router(tags=["images"])


class ImageOut(ImageSays):
    state: str


class ImagePage(Schema):
    images: list[ImageOut]
    next_after: UUID | None


class RegionOut(Schema):
    region: UUID
    box: list[int]
    standard: bool


class ImageDetail(ImageOut):
    """``name``: of the file, for editors only. ``times``: of every step that was reached."""

    name: str | None
    format: str
    captions: list[str]
    regions: list[RegionOut]
    reason: str
    reason_text: str
    times: dict[str, datetime]
    metadata: dict[str, Any]
    revision: int


class Said(Schema):
    """What is named is written; null or an empty value clears it, and what is left out stays.

    ``captions``: all of them. ``revision``: the one that was read; where somebody changed the same since, the answer is 409.
    """

    organ: str | None = None
    stain: str | None = None
    finding: str | None = None
    case: str | None = None
    slide: str | None = None
    tags: list[str] | None = None
    mpp: float | None = None
    captions: list[str] | None = None
    revision: int | None = None


class ChangeOut(Schema):
    """``entries``: field, caption (its id), before, after. ``by``: None for somebody who has left."""

    change: int
    revision: int
    by: str | None
    at: datetime
    source: str
    entries: list[dict[str, Any]]
    evidence: dict[str, Any]
    undone: bool


class Which(Schema):
    """``after``: the last image of the page before."""

    collection: UUID | None = None
    state: State | None = None
    after: UUID | None = None
    size: int = Field(100, ge=1, le=1000)


@router.get("/images", response=ImagePage)
def list_images(request: HttpRequest, which: Query[Which]) -> dict[str, Any]:
    """In the order of their ids, so that pages neither repeat nor lose an image while others are added."""
    images = Image.objects.visible_to(caller(request)).order_by("pk")
    if which.collection is not None:
        images = images.filter(collection=which.collection)
    if which.state is not None:
        images = images.filter(state=which.state)
    if which.after is not None:
        images = images.filter(pk__gt=which.after)
    found = list(images[: which.size + 1])
    shown = found[: which.size]
    return {"images": list(map(image_shape, shown)), "next_after": shown[-1].pk if len(found) > which.size else None}


@router.get("/images/{image_id}", response=ImageDetail)
def show_image(request: HttpRequest, image_id: UUID) -> dict[str, Any]:
    user = caller(request)
    image = get_object_or_404(Image.objects.visible_to(user), pk=image_id)
    edits = Image.objects.editable_by(user).filter(pk=image_id).exists()
    steps = {step: getattr(image, f"{step}_at") for step in ("stored", "decoded", "embedded", "ready", "failed")}
    return image_shape(image) | {
        "name": image.name if edits else None,
        "format": image.format,
        "captions": [caption.text for caption in image.captions.all()],
        "regions": [region_shape(region) for region in image.regions.all()],
        "reason": image.reason,
        "reason_text": image.reason_text,
        "times": {step: at for step, at in steps.items() if at is not None},
        "metadata": image.metadata,
        "revision": image.revision,
    }


@router.patch("/images/{image_id}", response=ImageDetail)
def edit_image(request: HttpRequest, image_id: UUID, said: Said) -> dict[str, Any]:
    """For editors; all of it or nothing, as one change of the image's history."""
    user, told = caller(request), said.model_dump(exclude_unset=True)
    seen = told.pop("revision", None)
    if "captions" in told:
        told["captions"] = told["captions"] or []
    with _editable(user, image_id):
        editing.edit(image_id, told, user=user, seen=seen)
    return show_image(request, image_id)


@router.get("/images/{image_id}/changes", response=list[ChangeOut])
def list_changes(request: HttpRequest, image_id: UUID) -> list[dict[str, Any]]:
    """The latest first; for members of the team, since changes name people."""
    image = get_object_or_404(Image.objects.history_visible_to(caller(request)), pk=image_id)
    return [_change_shape(change) for change in image.changes.select_related("by", "undone_by")]


@router.post("/images/{image_id}/changes/{change_id}/undo", response=ImageDetail)
def undo_change(request: HttpRequest, image_id: UUID, change_id: int) -> dict[str, Any]:
    """Takes a change back; 409 where something else was written over it since."""
    user = caller(request)
    with _editable(user, image_id):
        editing.undo(image_id, change_id, user=user)
    return show_image(request, image_id)


@contextmanager
def _editable(user: User, image_id: UUID) -> Iterator[None]:
    """404 for what ``user`` does not see, 403 for what they may only look at."""
    get_object_or_404(Image.objects.visible_to(user), pk=image_id)
    try:
        yield
    except Image.DoesNotExist as exc:
        raise PermissionDenied("You may not change images of this collection.") from exc
    except ImageChange.DoesNotExist as exc:
        raise Http404("There is no such change.") from exc


def _change_shape(change: ImageChange) -> dict[str, Any]:
    return {
        "change": change.pk,
        "revision": change.revision,
        "by": change.by.get_username() if change.by else None,
        "at": change.at,
        "source": change.source,
        "entries": [{name: entry[name] for name in ("field", "caption", "before", "after")} for entry in change.entries],
        "evidence": change.evidence,
        "undone": change.is_undone,
    }


@router.get("/images/{image_id}/{kind}", response={200: None})
def show_picture(
    request: HttpRequest, image_id: UUID, kind: Literal["thumbnail", "display", "original"]
) -> HttpResponseBase:  # fmt: skip
    """A JPEG without metadata; or the file as it came, for editors only."""
    return getattr(media, kind)(request, image_id)  # type: ignore[no-any-return]


@router.delete("/images/{image_id}", response={204: None})
def remove_image(request: HttpRequest, image_id: UUID, for_good: bool = False) -> Status[None]:
    """For editors. Nobody sees it from here on: it lies in the trash. With ``for_good`` its files and vectors go right after."""
    user = caller(request)
    get_object_or_404(Image.objects.visible_to(user), pk=image_id)
    this = Image.objects.filter(pk=image_id)
    if not trash.throw_away(this, user=user):
        raise PermissionDenied("You may not delete images of this collection.")
    if for_good:
        trash.delete_for_good(this, user=user)
    return Status(204, None)
