"""Who sees a collection, as a set of people that can be compared with another: as CollectionQuerySet.visible_to() has it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from webapp.library.models import Collection, Visibility


@dataclass(frozen=True)
class Audience:
    """Everyone signed in, a team, or the owners of a team with one of its members (None: with nobody)."""

    visibility: str
    team: object = None
    member: object = None

    def sees(self, other: Audience) -> bool:
        """True where everybody of this audience is of the other one, too."""
        if self == other or other.visibility == Visibility.EVERYONE:
            return True
        return other.visibility == Visibility.TEAM and self.visibility == Visibility.PRIVATE and self.team == other.team


def audience_of(collection: Collection) -> Audience:
    if collection.visibility == Visibility.EVERYONE:
        return Audience(Visibility.EVERYONE)
    member = collection.made_by_id if collection.visibility == Visibility.PRIVATE else None
    return Audience(collection.visibility, collection.team_id, member)


def audiences() -> dict[Audience, list[UUID]]:
    """Of all collections: their ids."""
    found: dict[Audience, list[UUID]] = defaultdict(list)
    for collection in Collection.objects.order_by("pk"):
        found[audience_of(collection)].append(collection.pk)
    return found
