"""Words or a picture -> images; a picture -> captions and terms."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import File, Form, Query, Router, Schema
from ninja.files import UploadedFile
from pydantic import Field

from webapp.accounts.models import Scope
from webapp.api.auth import TokenAuth, caller
from webapp.api.says import ImageSays
from webapp.explore import addresses, pictures, shapes
from webapp.explore.asking import LARGEST_PAGE, BadQuery
from webapp.explore.queries import SearchFilters, SearchQuery, describe, search

router = Router(tags=["search"], auth=TokenAuth(Scope.READ))  # also where a picture has to be posted


class Narrowing(Schema):
    """Filters, each may be repeated; all hold at once."""

    collection: list[UUID] = Field(default_factory=list)
    stain: list[str] = Field(default_factory=list)
    organ: list[str] = Field(default_factory=list)
    case: list[str] = Field(default_factory=list)
    tag: list[str] = Field(default_factory=list)
    has_caption: bool | None = None
    mpp_at_least: float | None = None
    mpp_at_most: float | None = None
    without_case: list[str] = Field(default_factory=list)
    exclude_case: bool = False
    every_image: bool = False
    cursor: str | None = None
    size: int = Field(60, ge=1, le=LARGEST_PAGE)

    def filters(self) -> SearchFilters:
        return SearchFilters(
            collections=tuple(self.collection),
            stains=tuple(self.stain),
            organs=tuple(self.organ),
            cases=tuple(self.case),
            without_cases=tuple(self.without_case),
            tags=tuple(self.tag),
            has_caption=self.has_caption,
            mpp_at_least=self.mpp_at_least,
            mpp_at_most=self.mpp_at_most,
        )

    def query(self, **subject: Any) -> SearchQuery:
        return SearchQuery(
            filters=self.filters(),
            exclude_case=self.exclude_case,
            every_image=self.every_image,
            cursor=self.cursor,
            size=self.size,
            **subject,
        )


class Wishes(Schema):
    """What can stand beside a picture, or without one. ``plus``, ``minus``: words, or words~weight with a weight of 0.1 to 2."""

    text: str = ""
    plus: list[str] = Field(default_factory=list)
    minus: list[str] = Field(default_factory=list)
    like: list[UUID] = Field(default_factory=list)
    dislike: list[UUID] = Field(default_factory=list)
    organ_is: str = ""
    stain_is: str = ""
    finding_is: str = ""
    at: str = ""

    def wished(self) -> dict[str, Any]:
        """Raises BadQuery."""
        slots = addresses.slots_of({name: getattr(self, name) for name in addresses.SLOTS}.__getitem__)
        return {
            "text": self.text,
            "plus": tuple(addresses.concept_of(told) for told in self.plus),
            "minus": tuple(addresses.concept_of(told) for told in self.minus),
            "likes": tuple(dict.fromkeys(self.like)),
            "dislikes": tuple(dict.fromkeys(self.dislike)),
            "slots": slots,
        }


class Pictured(Schema):
    """One of them. ``picture``: as an earlier answer named it. ``crop``: left,top,right,bottom in thousandths of its sides."""

    image: UUID | None = None
    region: UUID | None = None
    picture: UUID | None = None
    crop: str = ""

    def named(self) -> dict[str, Any]:
        """Raises BadQuery."""
        crop = addresses.crop_of(self.crop)
        return {"image_id": self.image, "region_id": self.region, "picture_id": self.picture, "crop": crop}


class Hit(ImageSays):
    region: UUID
    box: list[int]
    score: float
    band: str
    percentile: float | None
    caption: str
    collection_name: str
    more_in_case: int


class Coverage(Schema):
    """``held``: for review, by whom may review them; the others see neither them nor their number."""

    total: int
    ready: int
    running: int
    held: int
    failed: int


class Background(Schema):
    line: float | None
    sample_size: int
    reliable: bool


class FacetValue(Schema):
    value: str
    label: str
    count: int


class Results(Schema):
    hits: list[Hit]
    next_cursor: str | None
    truncated: bool
    cut_text: str
    picture: UUID | None
    seen: list[int] | None
    prompts: list[str]
    left_out: int
    background: Background
    coverage: Coverage
    facets: dict[str, list[FacetValue]]


class TextHit(Schema):
    kind: str
    text: str
    score: float
    band: str
    percentile: float | None
    image: UUID | None
    times: int


class Description(Schema):
    hits: list[TextHit]
    picture: UUID | None


@router.get("/search", response=Results)
def search_images(
    request: HttpRequest, pictured: Query[Pictured], wishes: Query[Wishes], narrowing: Query[Narrowing]
) -> dict[str, Any]:  # fmt: skip
    """By words, concepts, judged images, slots, and a stored image, a region of one, or an earlier query picture: all add up."""
    return shapes.page_shape(search(narrowing.query(**pictured.named(), **wishes.wished()), user=caller(request)))


@router.post("/search", response=Results)
def search_by_picture(
    request: HttpRequest, file: File[UploadedFile], wishes: Form[Wishes], narrowing: Form[Narrowing]
) -> dict[str, Any]:  # fmt: skip
    """By a new picture and whatever stands beside it. The answer names it as ``picture``, for the next page and for /describe."""
    query = narrowing.query(image_bytes=pictures.read(file), **wishes.wished())
    return shapes.page_shape(search(query, user=caller(request)))


@router.get("/describe", response=Description)
def describe_image(
    request: HttpRequest, pictured: Query[Pictured], text: Query[str] = "", limit: Query[int] = 12
) -> dict[str, Any]:
    """Captions and terms for a stored image, a region or a part of one, or an earlier query picture."""
    query = SearchQuery(text=text, **pictured.named())
    return shapes.description_shape(describe(query, user=caller(request), limit=_checked(limit)))


@router.post("/describe", response=Description)
def describe_picture(request: HttpRequest, file: File[UploadedFile], limit: Form[int] = 12) -> dict[str, Any]:
    query = SearchQuery(image_bytes=pictures.read(file))
    return shapes.description_shape(describe(query, user=caller(request), limit=_checked(limit)))


def _checked(limit: int) -> int:
    if not 1 <= limit <= LARGEST_PAGE:
        raise BadQuery("page_size", f"Ask for 1 to {LARGEST_PAGE} texts.")
    return limit
