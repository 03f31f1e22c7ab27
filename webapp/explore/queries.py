"""One question, top to bottom: a page of images, ranked, within what the user may see."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import Count

from search import Band, Calibration, Filters, Hit, Keyword, Nearest, Page, Scope, case_group
from webapp import hints
from webapp.accounts import limits
from webapp.accounts.models import User
from webapp.explore import archive, stages
from webapp.explore.archive import Archive, index_outages
from webapp.explore.asking import BadQuery, SearchFilters, SearchQuery
from webapp.explore.auditing import searched
from webapp.explore.describing import Description, TextHit, describe
from webapp.explore.facets import Facets, facets
from webapp.explore.subjects import Read, Subject, subject_of
from webapp.library.coverage import Coverage, coverage
from webapp.library.models import Caption, Collection, Image, Region, State

__all__ = [
    "Background",
    "BadQuery",
    "Description",
    "HitView",
    "ResultPage",
    "SearchFilters",
    "SearchQuery",
    "TextHit",
    "describe",
    "search",
]


COVERAGE_KEPT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class HitView:
    """An image and the region of it that matched. ``score``: the raw cosine; ``band``: what it means for this query.

    ``percentile``: the share of a random sample of the archive that scores lower, in per cent; None where it is too small.
    ``more_in_case``: where a case is one hit, how many further images of it pass the filters and are in sight.
    """

    image: Image
    region: Region
    score: float
    band: Band
    percentile: float | None
    caption: str = ""
    more_in_case: int = 0

    @property
    def stands_out(self) -> bool:
        """False for what chance alone would bring up."""
        return self.band != "background"


@dataclass(frozen=True, kw_only=True)
class Background:
    """What scores were compared with. ``line``: the score from which a hit stands out, None where the archive is too small."""

    line: float | None
    sample_size: int
    reliable: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class ResultPage(Read):
    """``truncated``: more hits exist than can be paged through."""

    hits: list[HitView]
    facets: Facets
    coverage: Coverage
    next_cursor: str | None
    truncated: bool
    background: Background

    @property
    def nothing_stands_out(self) -> bool:
        return not any(hit.stands_out for hit in self.hits)


def search(query: SearchQuery, *, user: User) -> ResultPage:
    """Raises BadQuery, Http404 for a picture that is not there or not theirs, Outage, TooMany."""
    limits.count("search", user)
    searched(user, query)
    with limits.at_once(user):
        return _search(query, user)


def _search(query: SearchQuery, user: User) -> ResultPage:
    live = archive.images()
    names: dict[UUID, str] = dict(Collection.objects.visible_to(user).values_list("pk", "name"))
    scope = Scope.of(map(str, names))
    with stages.timed("encode"):
        subject = subject_of(query, user=user, fingerprint=live.fingerprint)
    narrowed = subject.excluded(query.filters.in_the_index(), case_too=query.exclude_case)
    with stages.timed("search"), index_outages():
        page = _page(live, query, subject, narrowed, scope)
        calibration = live.calibrator.calibrate(subject.vector, scope=scope, kind=subject.kind)
    with stages.timed("fetch"):
        hits = _views(page.hits, calibration, user)
        if not query.every_image:
            hits = with_more_in_case(hits, live, narrowed, scope=scope, user=user)
    return ResultPage(
        hits=hits,
        facets=facets(live, query.filters, scope=scope, names=names),
        coverage=_coverage(scope, user),
        next_cursor=page.next_cursor,
        truncated=page.truncated,
        background=Background(
            line=calibration.background_line, sample_size=calibration.sample_size, reliable=calibration.reliable
        ),
        cut_text=subject.cut_text,
        shown=subject.shown,
        built=subject.built,
        judged=subject.judged,
    )


def _coverage(scope: Scope, user: User) -> Coverage:
    """Counted every few seconds at most: counting a large archive costs as much as searching it. Under what may be seen and what
    may be changed, since held images count for their reviewers alone.
    """
    editable = map(str, Collection.objects.editable_by(user).values_list("pk", flat=True))
    rights = repr((sorted(scope.collections), sorted(editable)))
    key = "coverage:" + hashlib.sha256(rights.encode()).hexdigest()
    return hints.known_or(key, lambda: coverage(user, collections=len(scope.collections)), kept_s=COVERAGE_KEPT_S)


def _page(live: Archive, query: SearchQuery, subject: Subject, narrowed: Filters, scope: Scope) -> Page:
    return live.index.page(
        Nearest(subject.vector),
        scope=scope,
        filters=narrowed,
        size=query.size,
        cursor=query.cursor,
        group_by="image" if query.every_image else "case",
    )


def with_more_in_case(
    hits: Sequence[HitView], live: Archive, narrowed: Filters, *, scope: Scope, user: User
) -> list[HitView]:  # fmt: skip
    """Each hit with the number of further images of its case: one count by the index and one statement for the whole page.

    ``narrowed``: the page's own filters. The index counts what passes them; SQL, which may know of a right that was withdrawn a
    moment ago, says how many there can be at most. An image without a case stands alone. Raises Outage.
    """
    groups = {case: case_group(str(case[0]), case[1]) for hit in hits if (case := _case(hit.image)) is not None}
    if not groups:
        return list(hits)
    # one point of the kind "region" an image: tiles come on top
    of_these = Keyword(field="case_group", any_of=tuple(groups.values()))
    words = (*narrowed.keywords, of_these, Keyword(field="kind", any_of=("region",)))
    with index_outages():
        found = live.index.facets("case_group", scope=scope, filters=replace(narrowed, keywords=words), limit=len(groups))
    passing, there = {facet.value: facet.count for facet in found}, _images_of(list(groups), user)
    more = {case: max(0, min(passing.get(group, 1), there.get(case, 1)) - 1) for case, group in groups.items()}
    return [replace(hit, more_in_case=more.get(case, 0) if (case := _case(hit.image)) else 0) for hit in hits]


def _case(image: Image) -> tuple[UUID, str] | None:
    """A case is a collection's own: the same name in another one is another's."""
    return (image.collection_id, image.case) if image.case else None


def _images_of(cases: Sequence[tuple[UUID, str]], user: User) -> dict[tuple[UUID, str], int]:
    visible = Collection.objects.visible_to(user)
    names = {name for _, name in cases}
    images = Image.objects.filter(collection__in=visible, state=State.READY, case__in=names).order_by()
    counted = images.values_list("collection", "case").annotate(count=Count("pk"))
    return {(collection, name): count for collection, name, count in counted}


def _views(hits: Sequence[Hit], calibration: Calibration, user: User) -> list[HitView]:
    """SQL decides again who sees what: hits of images that were deleted, moved or hidden meanwhile drop out."""
    visible = Collection.objects.visible_to(user)  # and not the images in them: SQLite would list all of those first
    found = (
        Region.objects.filter(pk__in=[hit.id for hit in hits], image__collection__in=visible, image__state=State.READY)
        .select_related("image__collection")
        .order_by()
    )
    regions = {str(region.pk): region for region in found}
    captions = first_captions({region.image_id for region in regions.values()})
    return [_view(hit, regions[hit.id], calibration, captions) for hit in hits if hit.id in regions]


def _view(hit: Hit, region: Region, calibration: Calibration, captions: dict[UUID, str]) -> HitView:
    return HitView(
        image=region.image,
        region=region,
        score=hit.score,
        band=calibration.band(hit.score),
        percentile=calibration.percentile(hit.score),
        caption=captions.get(region.image_id, ""),
    )


def first_captions(images: set[UUID]) -> dict[UUID, str]:
    """Image -> its first caption."""
    newest_first = Caption.objects.filter(image__in=images).order_by("-made_at").values_list("image", "text")
    return dict(newest_first)
