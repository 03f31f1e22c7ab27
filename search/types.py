"""The nouns of this room: what is stored, what is found, and what a caller may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
GroupBy = Literal["image", "case"]


def checked_uuid(text: str) -> str:
    """``text`` where it is a UUID in its canonical form. Raises ValueError: ids must compare equal as strings everywhere."""
    try:
        canonical = str(UUID(text))
    except (ValueError, AttributeError, TypeError) as exc:
        raise ValueError(f"not a UUID string: {text!r}") from exc
    if canonical != text:
        raise ValueError(f"not a UUID in its canonical form: {text!r}, write {canonical!r}")
    return text


@dataclass(frozen=True)
class Scope:
    """Which app collections the caller may see. Written as Scope.of(ids), Scope.nothing() or Scope.everything().

    Nothing is the default: a scope that somebody forgot to fill hides every point.
    """

    collections: frozenset[str] = frozenset()
    sees_everything: bool = False

    @classmethod
    def of(cls, collections: Iterable[str]) -> Scope:
        """Points of these app collections (UUID strings), and no others. Raises ValueError for anything else."""
        if isinstance(collections, str):
            raise ValueError("a scope takes several collection ids: write Scope.of([id])")
        return cls(collections=frozenset(checked_uuid(text) for text in collections))

    @classmethod
    def nothing(cls) -> Scope:
        return cls()

    @classmethod
    def everything(cls) -> Scope:
        """Every point of the index: for maintenance and for administrators, never a default."""
        return cls(sees_everything=True)

    @property
    def is_empty(self) -> bool:
        return not self.sees_everything and not self.collections


@dataclass(frozen=True, kw_only=True)
class Payload:
    """Ids and filter fields of one point: never a file name, free text or patient data.

    ``collection``: UUID string of the app collection, the one that a Scope names. ``kind``: "region", "caption", "term" ….
    ``image``: UUID string of the image it belongs to. ``case``, ``slide``: the lab's own short codes or UUIDs.
    ``mpp_nm``: micrometres per pixel × 1000. Dates carry a time zone.
    """

    collection: str
    kind: str = "region"
    image: str | None = None
    case: str | None = None
    slide: str | None = None
    stain: str | None = None
    organ: str | None = None
    tags: tuple[str, ...] = ()
    width_px: int | None = None
    height_px: int | None = None
    mpp_nm: int | None = None
    taken_at: datetime | None = None
    added_at: datetime | None = None
    has_caption: bool = False

    def __post_init__(self) -> None:
        checked_uuid(self.collection)
        if self.image is not None:
            checked_uuid(self.image)
        for moment in (self.taken_at, self.added_at):
            if moment is not None and moment.tzinfo is None:
                raise ValueError("dates in the index carry a time zone")


@dataclass(frozen=True, eq=False)
class Point:
    """What one vector stands for: ``id`` a UUID string, ``vector`` float32 [dim] of unit length."""

    id: str
    vector: Array
    payload: Payload

    def __post_init__(self) -> None:
        checked_uuid(self.id)


@dataclass(frozen=True)
class Hit:
    """A ranked id. ``score``: the cosine (see queries.py for the two forms that rank by another number).

    ``group``: the image, or the case as case_group() names it, that it stands for, where hits were grouped.
    """

    id: str
    score: float
    group: str | None = None


@dataclass(frozen=True)
class Page:
    """Hits of one page. ``next_cursor``: None on the last page. ``truncated``: the depth ended before the hits did."""

    hits: list[Hit]
    next_cursor: str | None
    truncated: bool = False


@dataclass(frozen=True, eq=False)
class Batch:
    """A stretch of stored points in the order of their ids. ``next_id``: where the following stretch starts, None at the end."""

    points: list[Point]
    next_id: str | None


NO_VECTOR: Array = np.empty(0, np.float32)  # of a point that was read without it
NO_PAYLOAD = Payload(collection="00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True)
class Facet:
    """How many points in scope carry ``value``."""

    value: str
    count: int


@dataclass(frozen=True, kw_only=True)
class OptimiseReport:
    """What optimise() did and whether it paid. ``unindexed``: points that queries scan without the quantised copy's help."""

    ran: bool
    reason: str
    points: int
    unindexed_before: int
    unindexed_after: int
    took_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Health:
    """``ok`` False comes with one sentence in ``detail``; health() itself does not raise."""

    ok: bool
    engine: str
    engine_version: str | None = None
    version: str | None = None
    points: int | None = None
    latency_ms: float | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A restorable copy. ``location``: a file (Edge) or the server's own address of it. ``points``: how many it holds."""

    location: str
    version: str
    fingerprint: str
    dim: int
    points: int
    made_at: str = field(default="")
