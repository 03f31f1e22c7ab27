"""Which images may be the same: pairs for a person to decide on. Nothing is deleted by itself.

    same file     the same bytes in two collections (inside one there cannot be any)
    same pixels   other bytes, the same decoded picture: saved again, another comment in the header
    nearly        the cosine of their standard views is high: near_duplicates.py finds these and keeps them as rows

The first two are asked of SQL anew each time, among the images that the asker may change, so that what others have leaves no
trace: in no list, no count and no row. Of more than two alike, each is paired with the one before it (of its own collection, if
there is one), so that n alike make n - 1 pairs; when one of them goes, its neighbours are paired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, Protocol
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from webapp.accounts.models import User
from webapp.library.models import Collection, DuplicatePair, Image, Likeness, State
from webapp.library.models.images import ImageQuerySet

SHOWN = (State.DECODED, State.EMBEDDED, State.READY)  # what is held is reviewed first; what failed has no picture
KEYS = {Likeness.BYTES: "sha256", Likeness.PIXELS: "pixels_sha256"}
COPIES_SHOWN = 6
KEPT_BOTH = DuplicatePair.Decision.KEEP_BOTH


@dataclass(frozen=True, slots=True)
class Link:
    """Two images that may be the same. ``first`` has the smaller id. ``cosine``: of those that are nearly the same."""

    first: UUID
    second: UUID
    likeness: Likeness
    cosine: float | None = None


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Another image that looks the same as the one asked about. ``cosine``: where it is nearly the same."""

    image: Image
    likeness: Likeness
    cosine: float | None = None


def reviewable(user: User) -> ImageQuerySet:
    """Images whose pairs ``user`` may decide on."""
    return Image.objects.editable_by(user).filter(state__in=SHOWN)


def links(user: User, likeness: Likeness, *, collection: Collection | None = None) -> list[Link]:
    """Undecided pairs of which ``user`` may change both; of ``collection``: those with at least one image in it."""
    if likeness == Likeness.NEAR:
        return [Link(*row[:2], likeness, row[2]) for row in _near(user, collection).values_list("first", "second", "cosine")]
    return _exact(user, likeness, collection)


def counts(user: User, *, collection: Collection | None = None) -> dict[Likeness, int]:
    """How many pairs each list has."""
    exact = {likeness: len(_exact(user, likeness, collection)) for likeness in KEYS}
    return exact | {Likeness.NEAR: _near(user, collection).count()}


# --- same file, same pixels -------------------------------------------------------------------------------------------


class _Alike(NamedTuple):
    """One image of a group; a tuple, for there may be a hundred thousand of them."""

    key: str
    at: datetime
    pk: UUID
    sha256: str
    collection: UUID
    page: int | None
    case: str
    slide: str


def _exact(user: User, likeness: Likeness, collection: Collection | None) -> list[Link]:
    """In the order of the later one's coming."""
    pairs: list[tuple[_Alike, _Alike]] = []
    for _, group in groupby(_alike(user, KEYS[likeness]), key=attrgetter("key")):
        pairs += _chained(list(group))
    if likeness == Likeness.PIXELS:
        pairs = [(one, other) for one, other in pairs if one.sha256 != other.sha256]
    if collection is not None:
        pairs = [pair for pair in pairs if collection.pk in (pair[0].collection, pair[1].collection)]
    ordered = sorted(pairs, key=lambda pair: pair[1].at)
    found = [Link(min(one.pk, other.pk), max(one.pk, other.pk), likeness) for one, other in ordered]
    decided = _kept_both() if found else frozenset()
    return [link for link in found if (link.first, link.second) not in decided]


def _alike(user: User, key: str) -> Iterator[_Alike]:
    """Images that are not the only one with their key, by key and age."""
    mine = reviewable(user).exclude(**{key: ""}).order_by()
    several = mine.values(key).annotate(n=Count("pk")).filter(n__gt=1).values(key)
    rows = mine.filter(**{f"{key}__in": several}).order_by(key, "stored_at", "pk")
    columns = (key, "stored_at", "pk", "sha256", "collection", "page", "case", "slide")
    return map(_Alike._make, rows.values_list(*columns))


def _chained(group: list[_Alike]) -> Iterator[tuple[_Alike, _Alike]]:
    """Each with the one before it, of its own collection where there is one."""
    last: dict[UUID, _Alike] = {}
    for number, image in enumerate(group):
        before = last.get(image.collection) or (group[number - 1] if number else None)
        if before is not None and siblings(before, image):
            before = next((each for each in reversed(group[:number]) if not siblings(each, image)), None)
        if before is not None:
            yield before, image
        last[image.collection] = image


def _kept_both() -> frozenset[tuple[UUID, UUID]]:
    """Only ever asked about pairs that the asker sees."""
    kept = DuplicatePair.objects.filter(decision=KEPT_BOTH).exclude(likeness=Likeness.NEAR).order_by()
    return frozenset(kept.values_list("first", "second"))


class _Page(Protocol):
    @property
    def page(self) -> int | None: ...
    @property
    def case(self) -> str: ...
    @property
    def slide(self) -> str: ...


def siblings(one: _Page, other: _Page) -> bool:
    """Pages of one file, a focus stack above all, are meant to look alike. One without pages is nobody's sibling."""
    if one.page is None or other.page is None:
        return False
    return one.page != other.page and (one.case, one.slide) == (other.case, other.slide)


# --- nearly the same --------------------------------------------------------------------------------------------------


def _near(user: User, collection: Collection | None) -> QuerySet[DuplicatePair]:
    """The nearest first."""
    mine = Collection.objects.editable_by(user).values("pk")
    pairs = DuplicatePair.objects.filter(
        likeness=Likeness.NEAR,
        first__collection__in=mine,  # from the pairs to their images: a join, where a list of all images would be made first
        second__collection__in=mine,
        first__state__in=SHOWN,
        second__state__in=SHOWN,
    ).exclude(decision=KEPT_BOTH)
    if collection is not None:
        pairs = pairs.filter(Q(first__collection=collection) | Q(second__collection=collection))
    return pairs.order_by("-cosine", "pk")


# --- of one image -----------------------------------------------------------------------------------------------------


def copies(image: Image, *, user: User) -> list[Copy]:
    """What else ``user`` may see that looks the same, the likest first; at most COPIES_SHOWN of each likeness."""
    visible = Image.objects.visible_to(user).filter(state__in=SHOWN).exclude(pk=image.pk).select_related("collection")
    visible = visible.prefetch_related("captions")
    same_file = [Copy(image=each, likeness=Likeness.BYTES) for each in visible.filter(sha256=image.sha256)[:COPIES_SHOWN]]
    return [*same_file, *_same_pixels(image, visible), *_near_ones(image, visible)]


def _same_pixels(image: Image, visible: ImageQuerySet) -> list[Copy]:
    if not image.pixels_sha256:
        return []
    same = visible.filter(pixels_sha256=image.pixels_sha256).exclude(sha256=image.sha256)
    return [Copy(image=each, likeness=Likeness.PIXELS) for each in same[:COPIES_SHOWN] if not siblings(image, each)]


def _near_ones(image: Image, visible: ImageQuerySet) -> list[Copy]:
    pairs = DuplicatePair.objects.filter(Q(first=image) | Q(second=image), likeness=Likeness.NEAR)
    cosines = {
        second if first == image.pk else first: cosine for first, second, cosine in pairs.values_list("first", "second", "cosine")
    }
    found = [Copy(image=each, likeness=Likeness.NEAR, cosine=cosines[each.pk]) for each in visible.filter(pk__in=cosines)]
    return sorted(found, key=lambda copy: -(copy.cosine or 0))[:COPIES_SHOWN]
