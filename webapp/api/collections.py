"""Collections: which ones there are, and new ones."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import Field

from webapp.accounts import rights
from webapp.accounts.audit import record
from webapp.accounts.models import Team, User
from webapp.api.auth import caller
from webapp.explore.asking import BadQuery
from webapp.library.models import Collection, State

router = Router(tags=["collections"])


class CollectionOut(Schema):
    id: UUID
    name: str
    description: str
    team: str
    visibility: str
    images: int
    ready: int


class NewCollection(Schema):
    """``team``: its name; may be left out by whoever edits in one team only."""

    name: str = Field(min_length=1, max_length=120)
    team: str | None = None
    description: str = ""
    visibility: Literal["private", "team", "everyone"] = "team"


@router.get("/collections", response=list[CollectionOut])
def list_collections(request: HttpRequest) -> list[dict[str, Any]]:
    return [_shape(collection) for collection in _counted(caller(request))]


@router.get("/collections/{collection_id}", response=CollectionOut)
def show_collection(request: HttpRequest, collection_id: UUID) -> dict[str, Any]:
    return _shape(get_object_or_404(_counted(caller(request)), pk=collection_id))


@router.post("/collections", response={201: CollectionOut})
def create_collection(request: HttpRequest, given: NewCollection) -> Status[dict[str, Any]]:
    user = caller(request)
    team, name = _team(user, given.team), " ".join(given.name.split())
    if Collection.objects.filter(team=team, name=name).exists():
        raise BadQuery("name_taken", "The team has a collection of this name.")
    made = Collection.objects.create(
        team=team, name=name, description=given.description, visibility=given.visibility, made_by=user
    )  # fmt: skip
    record(user, "collection-made", made, visibility=made.visibility)
    return Status(201, _shape(_counted(user).get(pk=made.pk)))


def _team(user: User, name: str | None) -> Team:
    """Raises BadQuery where it is not clear which, PermissionDenied for a team that ``user`` does not edit in."""
    editing = rights.teams_edited_by(user)
    found = list(editing if name is None else editing.filter(name=name))
    if len(found) > 1:
        raise BadQuery("which_team", "Name the team: you edit in several.")
    if not found:
        raise PermissionDenied("You may not add collections to this team.")
    return found[0]


def _counted(user: User) -> QuerySet[Collection]:
    """With the numbers of images that ``user`` sees: held ones count for those who may review them."""
    hidden = Q(images__state=State.TRASHED)
    hidden |= Q(images__state=State.HELD) & ~Q(pk__in=Collection.objects.editable_by(user).values("pk"))
    return (
        Collection.objects.visible_to(user)
        .select_related("team")
        .annotate(
            n_images=Count("images", filter=~hidden),
            n_ready=Count("images", filter=Q(images__state=State.READY)),
        )
    )


def _shape(collection: Any) -> dict[str, Any]:
    """Of a row of _counted()."""
    return {
        "id": collection.pk,
        "name": collection.name,
        "description": collection.description,
        "team": collection.team.name,
        "visibility": collection.visibility,
        "images": collection.n_images,
        "ready": collection.n_ready,
    }
