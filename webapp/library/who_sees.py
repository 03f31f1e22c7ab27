"""Who sees a collection, by name: what CollectionQuerySet.visible_to() means in people. For members of its team alone.

Administrators of the site see everything and are not named.
"""

from __future__ import annotations

from dataclasses import dataclass

from webapp.accounts.models import Membership, Role, Team, User
from webapp.library.models import Collection, Visibility


@dataclass(frozen=True, kw_only=True)
class Sight:
    """``names``: of those who see it, the most powerful first; "" where it is everyone, of whom ``count`` tells how many."""

    words: str
    names: list[str]
    count: int


@dataclass(frozen=True, kw_only=True)
class Line:
    collection: Collection
    sight: Sight


def lines(team: Team, user: User) -> list[Line]:
    """Of the team's collections, those that ``user`` sees."""
    members, everyone = _members(team), _everyone()
    seen = Collection.objects.visible_to(user).filter(team=team).select_related("made_by")
    return [Line(collection=each, sight=_sight(each, each.visibility, members, everyone)) for each in seen]


def choices(collection: Collection) -> dict[str, Sight]:
    """Visibility -> who would see this collection by it."""
    members, everyone = _members(collection.team), _everyone()
    return {choice: _sight(collection, choice, members, everyone) for choice in Visibility.values}


def _sight(collection: Collection, visibility: str, members: list[Membership], everyone: int) -> Sight:
    words = str(Visibility(visibility).label)
    if visibility == Visibility.EVERYONE:
        return Sight(words=words, names=[], count=everyone)
    seeing = [
        member.user.get_username()
        for member in members
        if visibility == Visibility.TEAM or member.role == Role.OWNER or member.user_id == collection.made_by_id
    ]
    return Sight(words=words, names=seeing, count=len(seeing))


def _members(team: Team) -> list[Membership]:
    return list(
        Membership.objects.filter(team=team, user__is_active=True).select_related("user").order_by("-role", "user__username")
    )


def _everyone() -> int:
    return User.objects.filter(is_active=True).count()
