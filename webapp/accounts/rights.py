"""Who may do what with a team. What lies in a team's collections is decided beside them: CollectionQuerySet, ImageQuerySet.

Everything is asked of the database at each request, so a role that is taken away is gone at the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import QuerySet

from webapp.accounts.models import Role, Team, User

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    Viewer = User | AnonymousUser


def teams_visible_to(user: Viewer) -> QuerySet[Team]:
    """One's own; to an administrator, all. Members see who the other members are."""
    return _teams(user, Role.VIEWER)


def teams_edited_by(user: Viewer) -> QuerySet[Team]:
    """Where ``user`` is an editor or an owner."""
    return _teams(user, Role.EDITOR)


def teams_managed_by(user: Viewer) -> QuerySet[Team]:
    """Where ``user`` may invite, change roles, remove members and hand the team on."""
    return _teams(user, Role.OWNER)


def _teams(user: Viewer, least: Role) -> QuerySet[Team]:
    if not isinstance(user, User) or not user.is_active:
        return Team.objects.none()
    if user.is_superuser:
        return Team.objects.all()
    return Team.objects.filter(pk__in=user.memberships.filter(role__gte=least).values("team"))


def may_manage(user: Viewer, team: Team) -> bool:
    return teams_managed_by(user).filter(pk=team.pk).exists()


def may_make_teams(user: Viewer) -> bool:
    """Administrators; everybody where TEAM_MAKING says so."""
    if not isinstance(user, User) or not user.is_active:
        return False
    return bool(user.is_superuser or settings.TEAM_MAKING == "everyone")
