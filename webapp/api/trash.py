"""The trash: what lies in it, bringing back, deleting for good. For editors; to everybody else nothing of it is there."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from webapp.api.auth import caller
from webapp.library import trash
from webapp.library.models import Image

router = Router(tags=["trash"])
MOST = 500


class TrashedOut(Schema):
    id: UUID
    collection: UUID
    name: str
    by: str | None
    at: datetime | None


class TrashPage(Schema):
    images: list[TrashedOut]
    total: int


class Where(Schema):
    collection: UUID | None = None
    start: int = Field(0, ge=0, le=1_000_000)
    size: int = Field(100, ge=1, le=500)


class These(Schema):
    images: list[UUID] = Field(min_length=1, max_length=MOST)


class BroughtOut(Schema):
    """``same``: they stay, because the same file has come into the collection again."""

    back: list[UUID]
    same: list[UUID]


class Gone(Schema):
    deleted: int


@router.get("/trash", response=TrashPage)
def list_trash(request: HttpRequest, where: Query[Where]) -> dict[str, Any]:
    """Thrown away last first."""
    lying = Image.objects.trash_of(caller(request)).select_related("trashed_by").order_by("-trashed_at", "pk")
    if where.collection is not None:
        lying = lying.filter(collection=where.collection)
    shown = lying[where.start : where.start + where.size]
    return {"images": [_shape(image) for image in shown], "total": lying.count()}


@router.post("/trash/back", response=BroughtOut)
def bring_back(request: HttpRequest, these: These) -> dict[str, Any]:
    return vars(trash.bring_back(Image.objects.filter(pk__in=these.images), user=caller(request)))


@router.post("/trash/delete", response=Gone)
def delete(request: HttpRequest, these: These) -> dict[str, int]:
    """For good: files, pictures, captions and vectors. It cannot be taken back."""
    return {"deleted": trash.delete_for_good(Image.objects.filter(pk__in=these.images), user=caller(request))}


def _shape(image: Image) -> dict[str, Any]:
    return {
        "id": image.pk,
        "collection": image.collection_id,
        "name": image.name,
        "by": image.trashed_by.get_username() if image.trashed_by else None,
        "at": image.trashed_at,
    }
