"""The images nearest to one: those of other cases first, since the nearest of all are often the next field of the same slide."""

from __future__ import annotations

from dataclasses import dataclass, replace

from search import Ask, Band, Calibration, Filters, Hit, Keyword, Nearest
from webapp.accounts.models import User
from webapp.explore import archive
from webapp.explore.archive import index_outages
from webapp.explore.pictured import vector_of
from webapp.library.models import Collection, Image, Region, State

OF_OTHER_CASES, OF_SAME_CASE = 10, 4
CANDIDATES = 60  # regions looked at: a large image has many


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """``region``: the part of ``image`` that is near. ``score``: the raw cosine."""

    image: Image
    region: Region
    score: float
    band: Band
    same_case: bool


def neighbours(image: Image, *, user: User) -> list[Neighbour] | None:
    """One a case of other cases, then some of its own; None while the image is not in the index. Raises Outage."""
    live, scope = archive.images(), archive.scope_of(user)
    vector = vector_of(image, live.fingerprint)
    if vector is None:
        return None
    with index_outages():
        found = live.index.query_batch(_asks(image, Nearest(vector)), scope=scope)
        calibration = live.calibrator.calibrate(vector, scope=scope, kind="image")
    elsewhere, own = found[0], found[1] if image.case else []
    regions = _visible_regions([*elsewhere, *own], user)
    return [
        *_told(elsewhere, regions, calibration, limit=OF_OTHER_CASES, same_case=False),
        *_told(own, regions, calibration, limit=OF_SAME_CASE, same_case=True),
    ]


def _asks(image: Image, nearest: Nearest) -> list[Ask]:
    others = Filters(exclude_images=(str(image.pk),))
    if not image.case:
        return [Ask(query=nearest, filters=others, limit=CANDIDATES)]
    elsewhere = replace(others, exclude_cases=(image.case,))
    own = replace(others, keywords=(Keyword(field="case", any_of=(image.case,)),))
    return [Ask(query=nearest, filters=filters, limit=CANDIDATES) for filters in (elsewhere, own)]


def _visible_regions(hits: list[Hit], user: User) -> dict[str, Region]:
    """SQL decides again who sees what."""
    visible = Collection.objects.visible_to(user)
    found = Region.objects.filter(pk__in=[hit.id for hit in hits], image__collection__in=visible, image__state=State.READY)
    return {str(region.pk): region for region in found.select_related("image").prefetch_related("image__captions")}


def _told(
    hits: list[Hit], regions: dict[str, Region], calibration: Calibration, *, limit: int, same_case: bool
) -> list[Neighbour]:
    """The best region of each image; of other cases, the best image of each."""
    told: dict[object, Neighbour] = {}
    for hit in hits:
        if (region := regions.get(hit.id)) is None:
            continue
        image = region.image
        group = image.pk if same_case or not image.case else (image.collection_id, image.case)
        band = calibration.band(hit.score)
        told.setdefault(group, Neighbour(image=image, region=region, score=hit.score, band=band, same_case=same_case))
    return list(told.values())[:limit]
