"""Saved searches that are watched: what became searchable since is compared, with the watcher's rights, and told in a digest.

    Watch --compare()--> WatchMatch --digest()--> the page, and by mail where the site can send any

By beat. A comparison asks the index once a watch, however many images came; nothing is asked where nothing came. What was found
is shown with the rights of the moment at which it is looked at, never with those of the moment at which it was found.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Count, F, Max, Min, Q, QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, QueryDict
from django.utils import timezone

from search import Calibration, DateRange, Filters, Hit, Nearest
from webapp import hints
from webapp.accounts.models import User
from webapp.explore import addresses, archive, saving
from webapp.explore.archive import index_outages
from webapp.explore.asking import BadQuery, SearchQuery
from webapp.explore.encoding import PictureRefused
from webapp.explore.models import SavedQuery, Watch, WatchMatch
from webapp.explore.subjects import subject_of
from webapp.library.models import Image, Region
from webapp.library.models.images import ImageQuerySet
from webapp.library.slicing import slices

log = logging.getLogger(__name__)

ROUND_SHARE = 5 / 6  # of the time between two rounds
SETTLED_S = 2.0  # of the database's clock: an image that is being written now is of the next comparison
MOST_A_TIME = 200  # matches of one comparison
MATCHING = ("strong", "likely")
FEW = 10  # where the archive is too small to know what is likely
SHOWN = 24


def watch(user: User, query: SavedQuery, *, by_mail: bool = False) -> Watch:
    """From now on. ``query`` is one that the caller has found among what ``user`` sees."""
    kept, _ = Watch.objects.update_or_create(
        query=query, user=user, defaults={"by_mail": by_mail}, create_defaults={"by_mail": by_mail, "compared_to": timezone.now()}
    )
    return kept


def compare_all(*, for_s: float | None = None) -> int:
    """Every watch with new images, the longest waiting first; how many matches were found. Raises Outage.

    Ends after ``for_s``, unless told before the next round is due: that one goes on where this one stopped, and never beside it.
    """
    for_s = ROUND_SHARE * settings.WATCH_EVERY_S if for_s is None else for_s
    until = _now() - timedelta(seconds=SETTLED_S)
    newest = Image.objects.ready().aggregate(newest=Max("ready_at"))["newest"]
    due = Watch.objects.filter(compared_to__lt=min(until, newest)) if newest else Watch.objects.none()
    found, ends = 0, time.monotonic() + for_s
    for each in due.select_related("query", "user").order_by("compared_to", "pk"):
        found += _compare(each, until)
        if time.monotonic() > ends:
            break
    return found


def _compare(watched: Watch, until: datetime) -> int:
    new = _new_images(watched, until)
    oldest = new.aggregate(oldest=Min("stored_at"))["oldest"]
    found: list[WatchMatch] = []
    if oldest is not None:
        try:
            found = _matches(watched, new, oldest)
        except (BadQuery, PictureRefused, Http404) as exc:  # a part of the question is gone: the page says so
            log.info("watch %s cannot be asked any more (%s)", watched.pk, type(exc).__name__)
    WatchMatch.objects.bulk_create(found, ignore_conflicts=True)
    Watch.objects.filter(pk=watched.pk, compared_to=watched.compared_to).update(compared_to=until)
    return len(found)


def _new_images(watched: Watch, until: datetime) -> ImageQuerySet:
    """What became searchable since the last comparison and is the watcher's to see; nothing once the query is not."""
    if not SavedQuery.objects.visible_to(watched.user).filter(pk=watched.query_id).exists():
        return Image.objects.none()
    seen: ImageQuerySet = Image.objects.visible_to(watched.user).ready()
    return seen.filter(ready_at__gt=watched.compared_to, ready_at__lte=until).order_by()


def _matches(watched: Watch, new: ImageQuerySet, oldest: datetime) -> list[WatchMatch]:
    """Raises BadQuery, PictureRefused, Http404, Outage."""
    query = asked(watched.query)
    live, scope = archive.images(), archive.scope_of(watched.user)
    subject = subject_of(query, user=watched.user, fingerprint=live.fingerprint)
    narrowed = _since(subject.excluded(query.filters.in_the_index(), case_too=query.exclude_case), oldest)
    with index_outages():
        page = live.index.page(
            Nearest(subject.vector), scope=scope, filters=narrowed, size=MOST_A_TIME, cursor=None, group_by="image"
        )
        calibration = live.calibrator.calibrate(subject.vector, scope=scope, kind=subject.kind)
    chosen = _near(_of_new_images(page.hits, new), calibration)
    return [WatchMatch(watch=watched, image_id=pk, score=hit.score, band=calibration.band(hit.score)) for pk, hit in chosen]


def _near(hits: Sequence[tuple[UUID, Hit]], calibration: Calibration) -> list[tuple[UUID, Hit]]:
    """What stands out; in an archive too small to tell, the few nearest."""
    ordered = sorted(hits, key=lambda pair: -pair[1].score)
    bands = [calibration.band(hit.score) for _, hit in ordered]
    if "unknown" in bands:
        return ordered[:FEW]
    return [pair for pair, band in zip(ordered, bands, strict=True) if band in MATCHING]


def _since(filters: Filters, oldest: datetime) -> Filters:
    return replace(filters, ranges=(*filters.ranges, DateRange(field="added_at", since=oldest)))


def _of_new_images(hits: Sequence[Hit], new: ImageQuerySet) -> list[tuple[UUID, Hit]]:
    """Each image with its best hit."""
    by_region = {UUID(hit.id): hit for hit in hits}
    best: dict[UUID, Hit] = {}
    for some in slices(list(by_region)):
        regions = Region.objects.filter(pk__in=some, image__in=new)
        for region, image in regions.values_list("pk", "image"):
            best[image] = max(by_region[region], best.get(image, by_region[region]), key=lambda hit: hit.score)
    return list(best.items())


def asked(query: SavedQuery) -> SearchQuery:
    """The whole question, each image a hit of its own. Raises BadQuery."""
    address = QueryDict(query.address, mutable=True)
    address.pop("cursor", None)
    return replace(addresses.query_of(address), every_image=True)


def _now() -> datetime:
    """The database's clock, by which images became ready."""
    told = Image.objects.annotate(now=Now()).values_list("now", flat=True).first()
    return told or timezone.now()


# --- telling ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Digest:
    """«4 new images match …»: ``images`` are the first SHOWN of ``count`` that the watcher may see now."""

    watch: Watch
    count: int
    images: list[Image]
    newest: datetime | None

    @property
    def more(self) -> int:
        """Those that are not among ``images``."""
        return self.count - len(self.images)

    @property
    def query(self) -> SavedQuery:
        return self.watch.query


def digests(user: User) -> list[Digest]:
    """Of every search that ``user`` watches and may see, those with news first."""
    watched = Watch.objects.filter(user=user, query__in=SavedQuery.objects.visible_to(user)).select_related("query__team")
    seen = _in_sight(WatchMatch.objects.filter(watch__user=user, seen_at=None), user).order_by()
    fresh = {
        row["watch"]: (row["n"], row["newest"]) for row in seen.values("watch").annotate(n=Count("pk"), newest=Max("found_at"))
    }
    told = [_digest(each, user, fresh.get(each.pk)) for each in watched]
    return sorted(told, key=lambda digest: (not digest.count, -digest.watch.pk))


def _digest(watched: Watch, user: User, fresh: tuple[int, datetime] | None) -> Digest:
    if fresh is None:
        return Digest(watch=watched, count=0, images=[], newest=None)
    # more than are shown: some may be out of sight by now
    ids = list(WatchMatch.objects.filter(watch=watched, seen_at=None).values_list("image_id", flat=True)[: 4 * SHOWN])
    visible = Image.objects.visible_to(user).ready().filter(pk__in=ids).select_related("collection").prefetch_related("captions")
    images = {image.pk: image for image in visible}
    shown = [images[pk] for pk in ids if pk in images][:SHOWN]
    return Digest(watch=watched, count=fresh[0], images=shown, newest=fresh[1])


def unseen(user: User) -> int:
    """Matches that ``user`` has not looked at and may see."""
    watched = Watch.objects.filter(user=user, query__in=SavedQuery.objects.visible_to(user))
    return _in_sight(WatchMatch.objects.filter(watch__in=watched, seen_at=None), user).count()


def mark_seen(user: User, watch: Watch | None = None) -> int:
    """All of one watch, or of all of ``user``'s; how many."""
    of_these = Q(watch=watch) if watch is not None else Q(watch__user=user)
    return WatchMatch.objects.filter(of_these, watch__user=user, seen_at=None).update(seen_at=Now())


def _in_sight(matches: QuerySet[WatchMatch], user: User) -> QuerySet[WatchMatch]:
    return matches.filter(image_id__in=Image.objects.visible_to(user).ready().order_by().values("pk"))


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What one user is to be told by mail: names of searches and counts, nothing of an image."""

    user: User
    lines: list[tuple[str, int]]
    watches: list[Watch]


def letters(*, hours: float) -> list[Letter]:
    """One a user with news that was not mailed yet, at most one every ``hours``."""
    before = timezone.now() - timedelta(hours=hours)
    told = Watch.objects.filter(mailed_at__gt=before).values("user")
    due = Watch.objects.filter(by_mail=True, user__is_active=True).exclude(user__email="").exclude(user__in=told)
    fresh = due.annotate(n=Count("matches", filter=Q(matches__seen_at=None))).filter(n__gt=0).select_related("user", "query")
    by_user: dict[User, list[Watch]] = {}
    for each in fresh.order_by("user", "pk"):
        by_user.setdefault(each.user, []).append(each)
    return [letter for user, watches in by_user.items() if (letter := _letter(user, watches)).lines]


def _letter(user: User, watches: list[Watch]) -> Letter:
    told = [(each, _unmailed(each, user)) for each in watches]
    kept = [(each, n) for each, n in told if n]
    return Letter(user=user, lines=[(each.query.name, n) for each, n in kept], watches=[each for each, _ in kept])


def _unmailed(watched: Watch, user: User) -> int:
    if not SavedQuery.objects.visible_to(user).filter(pk=watched.query_id).exists():
        return 0
    fresh = WatchMatch.objects.filter(watch=watched, seen_at=None)
    if watched.mailed_at is not None:
        fresh = fresh.filter(found_at__gt=watched.mailed_at)
    return _in_sight(fresh, user).count()


# --- what pages show --------------------------------------------------------------------------------------------------

NEWS_KEPT_S = 30  # the number at the top of every page


def news(user: User) -> int:
    """unseen(), not counted anew for each page."""
    return hints.known_or(_news_key(user), lambda: unseen(user), kept_s=NEWS_KEPT_S)


def forget_news(user: User) -> None:
    """After ``user`` changed what there is to tell them."""
    hints.forget(_news_key(user))


def _news_key(user: User) -> str:
    return f"watch-news:{user.pk}"


def watched_ids(user: User, queries: Iterable[SavedQuery]) -> set[UUID]:
    """Which of these ``user`` watches."""
    found = Watch.objects.filter(user=user, query__in=[query.pk for query in queries])
    return set(found.values_list("query_id", flat=True))


def saved_as(user: User, address: str) -> SavedQuery | None:
    """The saved search that a page of results is one of: one's own before a team's. None for an address that is no question."""
    try:
        kept = saving.kept_address(address)
    except BadQuery:
        return None
    same = SavedQuery.objects.visible_to(user).filter(address=kept).select_related("team")
    return same.order_by(F("team").asc(nulls_first=True), "made_at").first()


def button(user: User, request: HttpRequest) -> dict[str, object]:
    """For a page of results: the saved search that it shows, if any, and whether it is watched."""
    query = saved_as(user, request.META.get("QUERY_STRING", ""))
    watches = query is not None and Watch.objects.filter(user=user, query=query).exists()
    return {"saved_query": query, "is_watched": watches, "back": request.get_full_path()}
