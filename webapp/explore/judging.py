"""Images that somebody liked or disliked, as vectors: from SQL, within what the user may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Q

from webapp.accounts.models import User
from webapp.explore.asking import BadQuery, SearchQuery
from webapp.explore.composing import Part, judged_parts
from webapp.explore.encoding import Array
from webapp.library.models import Collection, Embedding, Region, State
from webapp.library.models.vectors import from_bytes


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """``images``: named id -> its image. ``left_out``: how many of the named ones are not there, not searchable, or not for this
    user: told apart by nothing.
    """

    parts: list[Part]
    images: dict[UUID, UUID] = field(default_factory=dict)
    left_out: int = 0


def judged(query: SearchQuery, *, user: User, fingerprint: str) -> Judged:
    """One statement, or none. Raises BadQuery where nothing is wanted but liked images, and none of them is left."""
    named = {*query.likes, *query.dislikes}
    if not named:
        return Judged(parts=[])
    found = _found(named, user, fingerprint)
    liked, disliked = ([found[one][1] for one in ids if one in found] for ids in (query.likes, query.dislikes))
    if not liked and not _wanted_without_likes(query):
        raise BadQuery("liked_gone", "The liked images of this search are not there any more. Add what you look for.")
    images = {one: image for one, (image, _) in found.items()}
    return Judged(parts=judged_parts(liked, disliked), images=images, left_out=len(named - found.keys()))


def _wanted_without_likes(query: SearchQuery) -> bool:
    return query.is_text or query.has_picture or bool(query.slots or query.plus)


def _found(named: Iterable[UUID], user: User, fingerprint: str) -> dict[UUID, tuple[UUID, Array]]:
    """Id of an image (its standard view counts) or of a region -> the image and the vector; what is not there is left out."""
    visible = Collection.objects.visible_to(user)
    regions = Region.objects.filter(
        Q(pk__in=named) | Q(image__in=named, standard=True), image__collection__in=visible, image__state=State.READY
    ).order_by()
    stored = Embedding.objects.filter(region__in=regions, fingerprint=fingerprint)
    found: dict[UUID, tuple[UUID, Array]] = {}
    for region, image, standard, vector in stored.values_list("region", "region__image", "region__standard", "search"):
        found[region] = image, from_bytes(vector)
        if standard:
            found[image] = found[region]
    return {one: found[one] for one in named if one in found}
