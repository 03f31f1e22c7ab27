"""What narrows a query, in no engine's words: Filters for callers, a small condition tree for the two adapters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from search.schema import FIELDS, KEYWORDS, NO, YES, FieldType
from search.types import Scope, checked_uuid

MAX_VALUES = 1_000  # values of one list; more belong into a payload field, not into a filter (qdrant issues 6367, 5733)


@dataclass(frozen=True, kw_only=True)
class Keyword:
    """A keyword field carries at least one of ``any_of``, every one of ``all_of`` and none of ``none_of`` (empty: no demand)."""

    field: str
    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_field(self.field, *KEYWORDS)
        for values in (self.any_of, self.all_of, self.none_of):
            _require_values(values)


@dataclass(frozen=True, kw_only=True)
class IntegerRange:
    """``at_least`` <= field <= ``at_most``; a point without the field does not match."""

    field: str
    at_least: int | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        _require_field(self.field, FieldType.INTEGER)
        _require_bound(self.at_least, self.at_most)


@dataclass(frozen=True, kw_only=True)
class DateRange:
    """``since`` <= field < ``before``, both with a time zone; a point without the field does not match."""

    field: str
    since: datetime | None = None
    before: datetime | None = None

    def __post_init__(self) -> None:
        _require_field(self.field, FieldType.DATETIME)
        _require_bound(self.since, self.before)
        for moment in (self.since, self.before):
            if moment is not None and moment.tzinfo is None:
                raise ValueError("date filters carry a time zone")


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Every condition holds at once. Filters narrow inside a Scope; they never widen it."""

    keywords: tuple[Keyword, ...] = ()
    ranges: tuple[IntegerRange | DateRange, ...] = ()
    has_caption: bool | None = None
    exclude_ids: tuple[str, ...] = ()
    exclude_images: tuple[str, ...] = ()
    exclude_cases: tuple[str, ...] = ()
    exclude_slides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for values in (self.exclude_ids, self.exclude_images, self.exclude_cases, self.exclude_slides):
            _require_values(values)
        for point_id in self.exclude_ids:
            checked_uuid(point_id)

    @property
    def is_empty(self) -> bool:
        return self == NO_FILTERS


# --- the tree that adapters translate -------------------------------------------------------------------------------


@dataclass(frozen=True)
class OneOf:
    """The field carries one of the values."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class HasId:
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Integers:
    field: str
    at_least: int | None
    at_most: int | None


@dataclass(frozen=True)
class Dates:
    field: str
    since: datetime | None
    before: datetime | None


Condition = OneOf | HasId | Integers | Dates


@dataclass(frozen=True)
class Tree:
    """Points that meet all of ``must`` and none of ``must_not``."""

    must: tuple[Condition, ...] = ()
    must_not: tuple[Condition, ...] = ()

    def only(self, *conditions: Condition) -> Tree:
        return replace(self, must=self.must + conditions)

    def without(self, *conditions: Condition) -> Tree:
        return replace(self, must_not=self.must_not + conditions)


def tree_of(scope: Scope, filters: Filters) -> Tree:
    """Scope and filters as one tree. The scope comes first and is never optional: an empty one matches no point."""
    must = [*_scope_conditions(scope), *_demands(filters)]
    return Tree(tuple(must), tuple(_refusals(filters)))


def slices(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Ids in pieces that one filter may hold."""
    for start in range(0, len(ids), MAX_VALUES):
        yield tuple(ids[start : start + MAX_VALUES])


def _scope_conditions(scope: Scope) -> Iterable[Condition]:
    if not scope.sees_everything:
        yield OneOf("collection", tuple(sorted(scope.collections)))


def _demands(filters: Filters) -> Iterable[Condition]:
    for keyword in filters.keywords:
        if keyword.any_of:
            yield OneOf(keyword.field, keyword.any_of)
        yield from (OneOf(keyword.field, (value,)) for value in keyword.all_of)
    for limits in filters.ranges:
        if isinstance(limits, IntegerRange):
            yield Integers(limits.field, limits.at_least, limits.at_most)
        else:
            yield Dates(limits.field, limits.since, limits.before)
    if filters.has_caption is not None:
        yield OneOf("has_caption", (YES if filters.has_caption else NO,))


def _refusals(filters: Filters) -> Iterable[Condition]:
    for keyword in filters.keywords:
        if keyword.none_of:
            yield OneOf(keyword.field, keyword.none_of)
    if filters.exclude_ids:
        yield HasId(filters.exclude_ids)
    excluded = {"image": filters.exclude_images, "case": filters.exclude_cases, "slide": filters.exclude_slides}
    yield from (OneOf(field, values) for field, values in excluded.items() if values)


def _require_field(field: str, *types: FieldType) -> None:
    if FIELDS.get(field) not in types:
        raise ValueError(f"{field!r} is no {types[0].value} field of the index")


def _require_bound(*bounds: object) -> None:
    if all(bound is None for bound in bounds):
        raise ValueError("a range needs a bound: without one it is no filter")


def _require_values(values: object) -> None:
    if not isinstance(values, tuple):
        raise ValueError(f"a filter takes a tuple of strings, not {type(values).__name__}")
    if len(values) > MAX_VALUES:
        raise ValueError(f"a filter takes at most {MAX_VALUES} values, not {len(values)}")


NO_FILTERS = Filters()
