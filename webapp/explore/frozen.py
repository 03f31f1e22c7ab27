"""A frozen link's results as they were, against what the same question finds now; both as far as whoever looks may see."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import UUID

from django.http import Http404, QueryDict

from webapp.accounts.models import User
from webapp.explore import addresses, saving
from webapp.explore.asking import LARGEST_PAGE, BadQuery
from webapp.explore.encoding import PictureRefused
from webapp.explore.models import ShareLink
from webapp.explore.queries import HitView, search
from webapp.library.models import Image
from webapp.outages import Outage


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A hit as it was saved. ``image`` None: gone, or not for this user; then nothing else is told of it.

    ``now``: its rank among all that is found now, None where it is not. ``moved``: by how many places it went up (or, negative,
    down) among the images that both lists have.
    """

    rank: int
    image: Image | None = None
    region_id: UUID | None = None
    score: float = 0.0
    band: str = ""
    now: int | None = None
    moved: int = 0

    @property
    def fell(self) -> int:
        return -self.moved


@dataclass(frozen=True, kw_only=True)
class New:
    rank: int
    hit: HitView


@dataclass(frozen=True, kw_only=True)
class Compared:
    """``not_compared``: why there is nothing to compare with, "" where there is. Counts are of what this user may see."""

    kept: list[Kept]
    new: list[New] = field(default_factory=list)
    not_compared: str = ""
    depth: int = LARGEST_PAGE

    @property
    def gone(self) -> int:
        return sum(hit.image is not None and hit.now is None for hit in self.kept)

    @property
    def moved(self) -> int:
        return sum(hit.moved != 0 for hit in self.kept)

    @property
    def unchanged(self) -> bool:
        return not (self.not_compared or self.new or self.gone or self.moved)


def compared(link: ShareLink, user: User) -> Compared:
    """Raises TooMany. An outage is told beside what was saved, which needs no index."""
    kept = _kept(link, user)
    try:
        found = _found(link, user)
    except (BadQuery, PictureRefused) as refused:
        return Compared(kept=kept, not_compared=str(refused))
    except Http404:
        return Compared(kept=kept, not_compared="The picture of this search is gone, or not yours to see.")
    except Outage as outage:
        return Compared(kept=kept, not_compared=outage.what)
    return Compared(kept=_ranked(kept, found), new=_new(kept, found))


def _kept(link: ShareLink, user: User) -> list[Kept]:
    hits = list(link.hits.all())
    visible = Image.objects.visible_to(user).ready().filter(pk__in=[hit.image_id for hit in hits])
    images = {image.pk: image for image in visible.select_related("collection").prefetch_related("captions")}
    return [
        Kept(rank=hit.rank, image=images[hit.image_id], region_id=hit.region_id, score=hit.score, band=hit.band)
        if hit.image_id in images
        else Kept(rank=hit.rank)
        for hit in hits
    ]


def _found(link: ShareLink, user: User) -> list[HitView]:
    return search(replace(addresses.query_of(QueryDict(link.query.address)), size=LARGEST_PAGE), user=user).hits


def _ranked(kept: list[Kept], found: list[HitView]) -> list[Kept]:
    now = {hit.image.pk: rank for rank, hit in enumerate(found, start=1)}
    both = [hit.image.pk for hit in kept if hit.image is not None and hit.image.pk in now]
    then = {pk: place for place, pk in enumerate(both)}
    today = {pk: place for place, pk in enumerate(sorted(both, key=now.__getitem__))}
    return [
        hit
        if hit.image is None or hit.image.pk not in now
        else replace(hit, now=now[hit.image.pk], moved=then[hit.image.pk] - today[hit.image.pk])
        for hit in kept
    ]


def _new(kept: list[Kept], found: list[HitView]) -> list[New]:
    """Among as many as were saved. What was saved but is hidden from this user cannot be found by them either."""
    saved = {hit.image.pk for hit in kept if hit.image is not None}
    first = list(enumerate(found, start=1))[: len(kept)]
    return [New(rank=rank, hit=hit) for rank, hit in first if hit.image.pk not in saved]


def reencoded(link: ShareLink) -> bool:
    """Whether another encoder answers by now than when the link was made."""
    now = saving.fingerprint_now()
    return bool(now and link.fingerprint and now != link.fingerprint)
