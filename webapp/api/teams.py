"""Teams: which ones one is in, and to their editors, who else is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema

from webapp.accounts import rights
from webapp.accounts.models import Role
from webapp.api.auth import caller

router = Router(tags=["teams"])


class TeamOut(Schema):
    """``role``: the caller's: viewer, editor or owner; null for an administrator who is no member."""

    id: UUID
    name: str
    role: str | None


class MemberOut(Schema):
    user: str
    role: str


@router.get("/teams", response=list[TeamOut])
def list_teams(request: HttpRequest) -> list[dict[str, Any]]:
    user = caller(request)
    roles = {team: Role(role).label for team, role in user.memberships.values_list("team", "role")}
    return [{"id": team.pk, "name": team.name, "role": roles.get(team.pk)} for team in rights.teams_visible_to(user)]


@router.get("/teams/{team_id}/members", response=list[MemberOut])
def list_members(request: HttpRequest, team_id: UUID) -> list[dict[str, Any]]:
    """The same 404 where the caller is no editor of it as where there is none."""
    team = get_object_or_404(rights.teams_edited_by(caller(request)), pk=team_id)
    members = team.memberships.select_related("user").order_by("-role", "user__username")
    return [{"user": member.user.get_username(), "role": Role(member.role).label} for member in members]
