"""Finds images that are nearly the same as others, by the cosine of their standard views, and keeps them as pairs to review.

Their thumbnails must agree as well (coarse.py): to an encoder that knows tissues, two fields of one tissue are as near as two
copies.

An image is compared when it becomes searchable, again when it was moved, when another encoder has seen it, and when somebody asks
for it. Pairs are rows, so what is kept of one image must not depend on images that some of those who see it do not see: whether a
pair is found, and whether there is room for it, is asked among what everybody who sees the pair sees as well (audiences).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from numpy.typing import NDArray

from search import Ask, Filters, Hit, Keyword, Nearest, Scope, errors
from webapp import wiring
from webapp.library import coarse, index, jobs
from webapp.library.audiences import Audience, audience_of, audiences
from webapp.library.duplicates import siblings
from webapp.library.models import DuplicatePair, Embedding, Image, KnownEncoder, Likeness, State
from webapp.library.models.vectors import from_bytes
from webapp.library.slicing import slices

Array = NDArray[np.float32]
AT_ONCE = 64  # images compared together
CANDIDATES = 32  # regions looked at for each: pages of a focus stack and copies of the same pixels come first
PAIRS_AN_IMAGE = 3  # beside its nearest: a field of bare glass is near a thousand others
FROM_COSINE = {"mini": 0.98, "fake": 0.999}  # docs/decisions/0016
FROM_COSINE_OF_OTHERS = 0.95  # not measured; lower, for what is too much is left out by the pictures themselves
FROM_LIKENESS = 0.9  # of coarse.py
OUT_OF_ORDER = "The search index does not answer; start it again later. What was compared stays."
STANDARD_VIEWS = Filters(keywords=(Keyword(field="kind", any_of=(index.REGION,)),))


@dataclass(frozen=True, eq=False)
class Seen:
    """An image, and its standard view as the live encoder saw it: float32 [dim], unit length."""

    image: Image
    vector: Array

    @property
    def audience(self) -> Audience:
        return audience_of(self.image.collection)


@dataclass(frozen=True)
class Found:
    """``cosine`` between ``seen``'s image and ``other``."""

    seen: Seen
    other: Seen
    cosine: float

    @property
    def key(self) -> tuple[UUID, UUID]:
        """As DuplicatePair keeps it."""
        one, other = sorted((self.seen.image.pk, self.other.image.pk))
        return one, other


def from_cosine(fingerprint: str) -> float:
    """From here on two images of this encoder are worth a look."""
    if settings.NEAR_DUPLICATE_COSINE:
        return float(settings.NEAR_DUPLICATE_COSINE)
    name = KnownEncoder.objects.filter(pk=fingerprint).values_list("name", flat=True).first()
    return FROM_COSINE.get(name or "", FROM_COSINE_OF_OTHERS)


def waiting(*, limit: int = AT_ONCE) -> list[UUID]:
    """Searchable images that have not been compared, by the encoder that answers now. May raise search.errors."""
    version = index.live(wiring.get_image_index())
    if version is None:
        return []
    unseen = Embedding.objects.filter(fingerprint=version.fingerprint, compared_at=None, region__standard=True)
    ready = unseen.filter(region__image__state=State.READY).order_by("pk")
    return list(ready.values_list("region__image", flat=True)[:limit])


def compare_again(images: Iterable[UUID]) -> None:
    """They lie among others now: to be compared when a worker comes to it."""
    for some in slices(images):
        Embedding.objects.filter(region__image__in=some, region__standard=True).update(compared_at=None)


def compare(ids: Sequence[UUID]) -> int:
    """Looks ``ids`` up among the others and keeps what is near; how many pairs are new.

    May be repeated; may raise search.errors.
    """
    version = index.live(wiring.get_image_index())
    if version is None:
        return 0
    threshold = from_cosine(version.fingerprint)
    seen = _seen(Image.objects.filter(pk__in=ids, state=State.READY), version.fingerprint)
    found = _found(version, list(seen.values()), threshold)
    with transaction.atomic():
        _renew(list(seen), version.fingerprint, threshold)
        made = _keep(found)
        Embedding.objects.filter(region__image__in=ids, fingerprint=version.fingerprint).update(compared_at=Now())
    return made


def _seen(images: QuerySet[Image], fingerprint: str) -> dict[UUID, Seen]:
    rows = Embedding.objects.filter(region__image__in=images, region__standard=True, fingerprint=fingerprint)
    rows = rows.select_related("region__image__collection").defer("probe")
    return {row.region.image_id: Seen(row.region.image, from_bytes(row.search)) for row in rows}


# --- asking the index -------------------------------------------------------------------------------------------------


def _found(version: index.Version, seen: list[Seen], threshold: float) -> list[Found]:
    """The nearest first; of two that are both asked about, the pair as seen from either."""
    by_audience: dict[Audience, list[Seen]] = defaultdict(list)
    for each in seen:
        by_audience[each.audience].append(each)
    known = audiences()
    hits = [
        (each, hit)
        for audience, some in by_audience.items()
        for scope in _scopes(audience, known)
        for each, hit in _asked(version, some, scope, threshold)
    ]
    others = _of_regions({hit.id for _, hit in hits}, version.fingerprint)
    found = (Found(each, others[hit.id], _cosine(each, others[hit.id])) for each, hit in hits if hit.id in others)
    near = [pair for pair in found if pair.cosine >= threshold and not _of_another_list(pair) and _same_field(pair)]
    return sorted(near, key=lambda pair: (-pair.cosine, pair.key))


def _scopes(audience: Audience, known: dict[Audience, list[UUID]]) -> Iterator[Scope]:
    """What everybody who sees the image sees; then, each by itself, what only some of them see."""
    yield _scope(collection for other, some in known.items() if audience.sees(other) for collection in some)
    yield from (_scope(some) for other, some in known.items() if other != audience and other.sees(audience))


def _scope(collections: Iterable[UUID]) -> Scope:
    return Scope.of(map(str, collections))


def _asked(version: index.Version, seen: list[Seen], scope: Scope, threshold: float) -> Iterator[tuple[Seen, Hit]]:
    lowest = threshold - 0.002  # the index keeps half precision; what it finds is calculated again
    asks = [
        Ask(query=Nearest(each.vector), filters=STANDARD_VIEWS, limit=CANDIDATES, min_score=lowest) for each in seen
    ]  # fmt: skip
    for each, hits in zip(seen, version.index.query_batch(asks, scope=scope), strict=True):
        yield from ((each, hit) for hit in hits)


def _of_regions(regions: Iterable[str], fingerprint: str) -> dict[str, Seen]:
    """SQL decides again what is there."""
    found: dict[str, Seen] = {}
    for some in slices(map(UUID, regions)):
        rows = Embedding.objects.filter(region__in=some, fingerprint=fingerprint, region__image__state=State.READY)
        for row in rows.select_related("region__image__collection").defer("probe"):
            found[str(row.region_id)] = Seen(row.region.image, from_bytes(row.search))
    return found


def _cosine(one: Seen, other: Seen) -> float:
    return float(np.clip(one.vector @ other.vector, -1.0, 1.0))


def _of_another_list(pair: Found) -> bool:
    """The image itself, another of the same pixels, or the next page of its file."""
    one, other = pair.seen.image, pair.other.image
    return one.pk == other.pk or one.pixels_sha256 == other.pixels_sha256 or siblings(one, other)


def _same_field(pair: Found) -> bool:
    """By their thumbnails; where one is missing the cosine decides."""
    one, other = coarse.colours(pair.seen.image.pk), coarse.colours(pair.other.image.pk)
    return one is None or other is None or coarse.likeness(one, other) >= FROM_LIKENESS


# --- keeping ----------------------------------------------------------------------------------------------------------


def _renew(ids: Sequence[UUID], fingerprint: str, threshold: float) -> None:
    """Undecided pairs of these images as the encoder of now sees them; those that are no longer near go."""
    pairs = list(_pairs_of(ids).filter(decided_at=None))
    involved = {pk for pair in pairs for pk in (pair.first_id, pair.second_id)}
    vectors = _vectors(involved, fingerprint)
    for pair in pairs:
        if pair.first_id not in vectors or pair.second_id not in vectors:
            continue
        cosine = float(np.clip(vectors[pair.first_id] @ vectors[pair.second_id], -1.0, 1.0))
        if cosine < threshold:
            DuplicatePair.objects.filter(pk=pair.pk, decided_at=None).delete()
        elif pair.cosine is None or abs(pair.cosine - cosine) > 1e-5:
            DuplicatePair.objects.filter(pk=pair.pk).update(cosine=cosine)


def _vectors(ids: Iterable[UUID], fingerprint: str) -> dict[UUID, Array]:
    rows: dict[UUID, Array] = {}
    for some in slices(ids):
        stored = Embedding.objects.filter(region__image__in=some, region__standard=True, fingerprint=fingerprint)
        rows |= {image: from_bytes(vector) for image, vector in stored.values_list("region__image", "search")}
    return rows


def _pairs_of(ids: Sequence[UUID]) -> QuerySet[DuplicatePair]:
    return DuplicatePair.objects.filter(Q(first__in=ids) | Q(second__in=ids), likeness=Likeness.NEAR)


def _keep(found: list[Found]) -> int:
    """Each image's nearest, and PAIRS_AN_IMAGE more of it and of the other as far as there is room."""
    room = _Room(found)
    wanted = [pair for pair in found if room.for_(pair)]
    rows = [
        DuplicatePair(first_id=pair.key[0], second_id=pair.key[1], likeness=Likeness.NEAR, cosine=pair.cosine)
        for pair in wanted
    ]  # fmt: skip
    DuplicatePair.objects.bulk_create(rows, ignore_conflicts=True, batch_size=100)  # another worker may have found them, too
    return len(rows)


class _Room:
    """How many pairs each image has, told apart by who sees the other image."""

    def __init__(self, found: list[Found]) -> None:
        ids = sorted({pk for pair in found for pk in pair.key})
        self._others: dict[UUID, dict[UUID, Audience]] = defaultdict(dict)
        self._nearest: set[tuple[UUID, Audience]] = set()
        for some in slices(ids, 200):
            for pair in _pairs_of(some).select_related("first__collection", "second__collection"):
                self._note(pair.first, pair.second)

    def for_(self, pair: Found) -> bool:
        """True for one that is to be kept; ``found`` comes with the nearest first."""
        one, other = pair.seen.image, pair.other.image
        narrow = pair.seen.audience if pair.seen.audience.sees(pair.other.audience) else pair.other.audience
        is_nearest = (one.pk, narrow) not in self._nearest
        self._nearest.add((one.pk, narrow))
        if other.pk in self._others[one.pk]:
            return False
        if not is_nearest and max(self._taken(one, narrow), self._taken(other, narrow)) >= PAIRS_AN_IMAGE:
            return False
        self._note(one, other)
        return True

    def _taken(self, image: Image, narrow: Audience) -> int:
        """Of its pairs those that everybody in ``narrow`` sees."""
        return sum(narrow.sees(audience) for audience in self._others[image.pk].values())

    def _note(self, one: Image, other: Image) -> None:
        self._others[one.pk][other.pk] = audience_of(other.collection)
        self._others[other.pk][one.pk] = audience_of(one.collection)


# --- the whole collection ---------------------------------------------------------------------------------------------


@jobs.runner("near")
def look_again(work: jobs.Work) -> str:
    """Every searchable image of the job's collection; taken up where it was cut off."""
    version = index.live(wiring.get_image_index())
    if version is None or work.job.collection is None:
        return "Nothing is searchable yet."
    ready = Image.objects.filter(collection=work.job.collection, state=State.READY).order_by("pk")
    done = Embedding.objects.filter(
        region__image=OuterRef("pk"), fingerprint=version.fingerprint, compared_at__gte=work.job.started_at
    )  # fmt: skip
    left = list(ready.filter(~Exists(done)).values_list("pk", flat=True))
    total = ready.count()
    work.count(total, done=total - len(left))
    for some in slices(left, AT_ONCE):
        _compared_or_refused(some)
        work.step(len(some))
    # no number of pairs: an editor who reads this may see fewer of them than another
    return f"{total:,} image{'' if total == 1 else 's'} compared. What is nearly the same is in the list."


def _compared_or_refused(ids: Sequence[UUID]) -> None:
    try:
        compare(ids)
    except errors.SearchError as exc:
        raise jobs.Refused(OUT_OF_ORDER) from exc
