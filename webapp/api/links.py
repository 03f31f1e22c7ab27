"""Shared links: making one, which ones there are, opening one by its token, extending and revoking."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import Field

from webapp.accounts.models import Scope, User
from webapp.accounts.tokens import digest
from webapp.api.auth import TokenAuth, caller
from webapp.api.saved import SavedOut, query_shape
from webapp.explore import frozen, sharing
from webapp.explore.asking import BadQuery
from webapp.explore.encoding import PictureRefused
from webapp.explore.models import LinkMode, SavedQuery, ShareLink

router = Router(tags=["shared links"])
MOST_LISTED = 500


class LinkOut(Schema):
    """``readers``: by how many people with an account it was opened. ``fingerprint``: of the encoder when it was made."""

    id: UUID
    query: UUID
    name: str
    team: str | None
    mode: Literal["live", "frozen"]
    state: Literal["open", "expired", "revoked"]
    guests: bool
    has_password: bool
    made_by: str | None
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_opened_at: datetime | None
    opened: int
    readers: int
    fingerprint: str
    may_manage: bool


class MadeLink(LinkOut):
    """``address``: with the token, which is told this once."""

    address: str


class NewLink(Schema):
    """``query``: a saved search that the caller sees. ``days``: at most the site's LINK_MAX_DAYS."""

    query: UUID
    mode: Literal["live", "frozen"] = "live"
    days: int = Field(sharing.USUAL_DAYS, ge=1, le=365)
    guests: bool = False
    guests_read: bool = False
    password: str = Field("", max_length=128)


class Longer(Schema):
    days: int = Field(sharing.USUAL_DAYS, ge=1, le=365)


class Token(Schema):
    """Of the link's address, what follows /q/; in the body, so that no log keeps it."""

    token: str = Field(min_length=22, max_length=22)


class HitThen(Schema):
    """``image`` null: gone, or not the caller's to see; then nothing else is told. ``now``: its rank among all found now."""

    rank: int
    image: UUID | None
    score: float | None
    band: str | None
    now: int | None
    moved: int


class HitNow(Schema):
    rank: int
    image: UUID
    score: float
    band: str


class OpenedLink(Schema):
    """``query`` and, of a frozen link, what was found then against what is found now; ``not_compared`` says why it is not."""

    link: LinkOut
    query: SavedOut
    then: list[HitThen]
    new: list[HitNow]
    not_compared: str


@router.get("/links", response=list[LinkOut])
def list_links(request: HttpRequest) -> list[dict[str, Any]]:
    """Those that the caller made, and all to searches of teams that they own; newest first, at most 500."""
    user = caller(request)
    links = ShareLink.objects.managed_by(user).select_related("query__team", "made_by")
    return [_shape(each) for each in sharing.told(links[:MOST_LISTED], user)]


@router.post("/links", response={201: MadeLink})
def create_link(request: HttpRequest, given: NewLink) -> Status[dict[str, Any]]:
    user = caller(request)
    query = get_object_or_404(SavedQuery.objects.visible_to(user).select_related("team"), pk=given.query)
    wish = sharing.Wish(
        mode=LinkMode(given.mode), days=given.days, guests=given.guests, guests_read=given.guests_read, password=given.password
    )
    try:
        link, token = sharing.share(user, query, wish)
    except PictureRefused as refused:
        raise BadQuery(refused.reason, str(refused)) from refused
    address = f"{settings.CONCHIVE_URL}{sharing.address_of(token)}"
    return Status(201, _one(link, user) | {"address": address})


@router.post("/links/open", response=OpenedLink, auth=TokenAuth(Scope.READ))
def open_link(request: HttpRequest, given: Token) -> dict[str, Any]:
    """404 for a link that is unknown, ended, or to a search that the caller does not see."""
    user = caller(request)
    opened = sharing.open_link(sharing.by_digest(digest(given.token)), user)
    if not opened.is_open:
        raise Http404("There is no such link.")
    sharing.note_opened(opened.link, user)
    told = {"link": _one(opened.link, user), "query": query_shape(opened.link.query, user)}
    if opened.link.mode == LinkMode.LIVE:
        return told | {"then": [], "new": [], "not_compared": ""}
    compared = frozen.compared(opened.link, user)
    new = [{"rank": new.rank, "image": new.hit.image.pk, "score": new.hit.score, "band": new.hit.band} for new in compared.new]
    return told | {"then": [_then(hit) for hit in compared.kept], "new": new, "not_compared": compared.not_compared}


@router.post("/links/{link_id}/revoke", response=LinkOut)
def revoke_link(request: HttpRequest, link_id: UUID) -> dict[str, Any]:
    """For good. For whoever made it, the search's owner and owners of its team."""
    user = caller(request)
    sharing.revoke(user, _managed(request, link_id))
    return _one(_managed(request, link_id), user)


@router.post("/links/{link_id}/extend", response=LinkOut)
def extend_link(request: HttpRequest, link_id: UUID, given: Longer) -> dict[str, Any]:
    """``days`` from today; an expired link opens again, a revoked one does not."""
    user = caller(request)
    sharing.extend(user, _managed(request, link_id), given.days)
    return _one(_managed(request, link_id), user)


def _managed(request: HttpRequest, pk: UUID) -> ShareLink:
    links = ShareLink.objects.managed_by(caller(request)).select_related("query__team", "made_by")
    return get_object_or_404(links, pk=pk)


def _one(link: ShareLink, user: User) -> dict[str, Any]:
    [told] = sharing.told([link], user)
    return _shape(told)


def _shape(told: sharing.Told) -> dict[str, Any]:
    link = told.link
    own = ("mode", "guests", "made_at", "expires_at", "revoked_at", "fingerprint")
    return {name: getattr(link, name) for name in own} | {
        "id": link.pk,
        "query": link.query_id,
        "name": link.query.name,
        "team": link.query.team.name if link.query.team else None,
        "state": told.state,
        "has_password": bool(link.password),
        "made_by": link.made_by.get_username() if link.made_by else None,
        "last_opened_at": told.use.last,
        "opened": told.use.times,
        "readers": told.use.people,
        "may_manage": told.may_manage,
    }


def _then(hit: frozen.Kept) -> dict[str, Any]:
    if hit.image is None:
        return {"rank": hit.rank, "image": None, "score": None, "band": None, "now": None, "moved": 0}
    told = {name: getattr(hit, name) for name in ("rank", "score", "band", "now", "moved")}
    return told | {"image": hit.image.pk}
