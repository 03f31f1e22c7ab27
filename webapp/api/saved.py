"""Saved searches: which ones there are, new ones, and their end."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import Field

from webapp.accounts import rights
from webapp.accounts.audit import record
from webapp.accounts.models import Team, User
from webapp.api.auth import caller
from webapp.explore import saving
from webapp.explore.models import SavedQuery

router = Router(tags=["saved searches"])


class SavedOut(Schema):
    """``address``: the query-string of the search page. ``team``: whose members see it; null for one's own."""

    id: UUID
    name: str
    note: str
    address: str
    team: str | None
    owner: str | None
    fingerprint: str
    made_at: datetime
    last_used_at: datetime | None
    may_edit: bool


class SavedPage(Schema):
    queries: list[SavedOut]
    total: int


class NewSaved(Schema):
    name: str = Field(min_length=1, max_length=120)
    address: str = Field(min_length=1, max_length=saving.LONGEST_ADDRESS)
    note: str = Field("", max_length=1000)
    team: str | None = None


class Renamed(Schema):
    name: str | None = Field(None, min_length=1, max_length=120, pattern=r"\S")
    note: str | None = Field(None, max_length=1000)


class Which(Schema):
    """``find``: words of the name, the note or the question."""

    find: str = Field("", max_length=200)
    start: int = Field(0, ge=0, le=1_000_000)
    size: int = Field(100, ge=1, le=500)


@router.get("/queries", response=SavedPage)
def list_queries(request: HttpRequest, which: Query[Which]) -> dict[str, Any]:
    """Last used first."""
    user = caller(request)
    found = saving.found(user, which.find)
    shown = list(found[which.start : which.start + which.size])
    return {"queries": _shapes(shown, user), "total": found.count()}


@router.post("/queries", response={201: SavedOut})
def create_query(request: HttpRequest, given: NewSaved) -> Status[dict[str, Any]]:
    """``address`` as the search page shows it; where in the pages one was is not kept."""
    user = caller(request)
    name = " ".join(given.name.split())
    made = saving.save(user=user, name=name or "Search", note=given.note, address=given.address, team=_team(user, given.team))
    record(user, "search-saved", made, team=made.team)
    return Status(201, _shapes([made], user)[0])


@router.delete("/queries/{query_id}", response={204: None})
def delete_query(request: HttpRequest, query_id: UUID) -> Status[None]:
    """For its owner, and for owners of its team."""
    user = caller(request)
    query = get_object_or_404(SavedQuery.objects.visible_to(user), pk=query_id)
    if not SavedQuery.objects.editable_by(user).filter(pk=query_id).exists():
        raise PermissionDenied("Only its owner and the team's owners may delete this search.")
    record(user, "search-deleted", query)
    query.delete()
    return Status(204, None)


@router.patch("/queries/{query_id}", response=SavedOut)
def rename_query(request: HttpRequest, query_id: UUID, given: Renamed) -> dict[str, Any]:
    """What it asks stays: another question is another search. For its owner, and for owners of its team."""
    user = caller(request)
    query = get_object_or_404(SavedQuery.objects.editable_by(user).select_related("owner", "team"), pk=query_id)
    said = given.model_dump(exclude_unset=True, exclude_none=True)
    for name, value in said.items():
        setattr(query, name, value)
    query.save(update_fields=[*said])
    record(user, "search-renamed", query, team=query.team, fields=[*said])
    return query_shape(query, user)


@router.post("/queries/{query_id}/fork", response={201: SavedOut})
def fork_query(request: HttpRequest, query_id: UUID) -> Status[dict[str, Any]]:
    """A version of the caller's own, of any saved search that they see."""
    user = caller(request)
    query = get_object_or_404(SavedQuery.objects.visible_to(user), pk=query_id)
    made = saving.fork(query, user)
    record(user, "search-forked", made, origin=str(query.pk))
    return Status(201, query_shape(made, user))


def query_shape(query: SavedQuery, user: User) -> dict[str, Any]:
    return _shapes([query], user)[0]


def _team(user: User, name: str | None) -> Team | None:
    """Raises Http404 for a team that is not there or not theirs."""
    if name is None:
        return None
    team = rights.teams_visible_to(user).filter(name=name).first()
    if team is None:
        raise Http404
    return team


def _shapes(queries: list[SavedQuery], user: User) -> list[dict[str, Any]]:
    return [_shape(each) for each in saving.told(queries, user)]


def _shape(told: saving.Saved) -> dict[str, Any]:
    query = told.query
    return {
        "id": query.pk,
        "name": query.name,
        "note": query.note,
        "address": query.address,
        "team": query.team.name if query.team else None,
        "owner": query.owner.get_username() if query.owner else None,
        "fingerprint": query.fingerprint,
        "made_at": query.made_at,
        "last_used_at": told.last_used_at,
        "may_edit": told.may_edit,
    }
