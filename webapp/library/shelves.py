"""What the collections page and a collection's page tell: counts, tabs, reasons. Every caller has asked visible_to() before."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from webapp.accounts.models import User
from webapp.library.meters import Segment, segments
from webapp.library.models import Collection, Image, State

PICTURES_A_SHELF = 4


class Tab(enum.Enum):
    """Which images of a collection are shown."""

    ALL = "all", tuple(state for state in State if state != State.TRASHED)
    READY = "searchable", (State.READY,)
    WORKING = "in work", (State.STORED, State.DECODED, State.EMBEDDED)
    HELD = "to review", (State.HELD,)
    FAILED = "failed", (State.FAILED,)

    def __init__(self, label: str, states: tuple[State, ...]) -> None:
        self.label, self.states = label, states

    @classmethod
    def of(cls, slug: str) -> Tab:
        """Anything unknown means all of them."""
        return next((tab for tab in cls if tab.slug == slug), cls.ALL)

    @property
    def slug(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, kw_only=True)
class TabView:
    slug: str
    label: str
    count: int
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A collection in the list: how many images it holds, and some of them to look at."""

    collection: Collection
    images: int
    ready: int
    failed: int
    held: int
    pictures: list[Image]

    @property
    def running(self) -> int:
        return self.images - self.ready - self.failed - self.held

    @property
    def meter(self) -> list[Segment]:
        parts = {"ready": self.ready, "held": self.held, "running": self.running, "failed": self.failed}
        return segments(parts, of=self.images)


def shelved(user: User) -> QuerySet[Collection]:
    """The collections that ``user`` sees."""
    return Collection.objects.visible_to(user).select_related("team")


def shelves(collections: list[Collection], user: User) -> list[Shelf]:
    """One statement for all counts, and a small one a collection for its pictures: few collections lie on a page."""
    counts = _counts(Q(collection__in=collections), user)
    return [_shelf(collection, counts) for collection in collections]


def _shelf(collection: Collection, counts: dict[tuple[object, str], int]) -> Shelf:
    def counted(tab: Tab) -> int:
        return sum(counts.get((collection.pk, state), 0) for state in tab.states)

    # unordered: any of them will do, and the index on (collection, state) finds them without sorting
    pictures = list(collection.images.ready().order_by()[:PICTURES_A_SHELF])
    return Shelf(
        collection=collection,
        images=counted(Tab.ALL),
        ready=counted(Tab.READY),
        failed=counted(Tab.FAILED),
        held=counted(Tab.HELD),
        pictures=pictures,
    )


def _counts(which: Q, user: User) -> dict[tuple[object, str], int]:
    """(collection's id, state) -> images that ``user`` sees."""
    rows = Image.objects.visible_to(user).filter(which).order_by().values_list("collection", "state").annotate(n=Count("pk"))
    return {(collection, state): n for collection, state, n in rows}


def tabs(collection: Collection, chosen: Tab, user: User) -> list[TabView]:
    """What waits for review is nobody's business but of those who may review it."""
    counts = _counts(Q(collection=collection), user)
    shown = [tab for tab in Tab if tab is not Tab.HELD or Collection.objects.editable_by(user).filter(pk=collection.pk).exists()]
    return [
        TabView(
            slug=tab.slug,
            label=tab.label,
            count=sum(counts.get((collection.pk, state), 0) for state in tab.states),
            chosen=tab is chosen,
        )
        for tab in shown
    ]


def images(collection: Collection, tab: Tab, user: User) -> QuerySet[Image]:
    """Those that ``user`` sees, newest first, with their captions."""
    return Image.objects.visible_to(user).filter(collection=collection, state__in=tab.states).prefetch_related("captions")
