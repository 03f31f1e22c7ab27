"""What can be asked, checked before anything is encoded or searched."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from uuid import UUID

from search import Filters, IntegerRange, Keyword

LONGEST_TEXT = 512  # characters; the encoders read some hundred words at most
LONGEST_CONCEPT = 200
LARGEST_PAGE = 200
MOST_VALUES = 100  # of one filter
MOST_CONCEPTS = 20  # of one sign
MOST_JUDGED = 50  # liked images, or disliked ones
LIGHTEST, HEAVIEST = 0.1, 2.0  # weights of a concept
WHOLE = 1000  # a crop counts in thousandths of the picture's width and height
SMALLEST_CROP = 20


class BadQuery(ValueError):
    """A question that cannot be answered as asked. ``reason``: a stable code; the sentence is for people."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class SearchFilters:
    """All hold at once; several values of one field are alternatives, except tags, of which an image needs every one.

    ``without_cases``: nothing of these. mpp in micrometres per pixel, both ends included; an image without it matches no range.
    """

    collections: tuple[UUID, ...] = ()
    stains: tuple[str, ...] = ()
    organs: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    without_cases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    has_caption: bool | None = None
    mpp_at_least: float | None = None
    mpp_at_most: float | None = None

    def __post_init__(self) -> None:
        for name in ("collections", "stains", "organs", "cases", "without_cases", "tags"):
            if len(getattr(self, name)) > MOST_VALUES:
                raise BadQuery("too_many_values", f"A filter takes at most {MOST_VALUES} {name.removeprefix('without_')}.")

    def in_the_index(self, *, without: str = "") -> Filters:
        """For the index; ``without`` names a field whose own demand is left out, as its facet counts need it."""
        words = {"collection": tuple(map(str, self.collections)), "stain": self.stains, "organ": self.organs, "case": self.cases}
        keywords = [Keyword(field=name, any_of=values) for name, values in words.items() if values and name != without]
        if self.tags:
            keywords.append(Keyword(field="tags", all_of=self.tags))
        return Filters(
            keywords=tuple(keywords), ranges=self._mpp(), has_caption=self.has_caption, exclude_cases=self.without_cases
        )

    def _mpp(self) -> tuple[IntegerRange, ...]:
        if self.mpp_at_least is None and self.mpp_at_most is None:
            return ()
        return (IntegerRange(field="mpp_nm", at_least=_nanometres(self.mpp_at_least), at_most=_nanometres(self.mpp_at_most)),)


@dataclass(frozen=True)
class Concept:
    """Words that pull results to them, or push them away, with a weight of 0.1 to 2. Raises BadQuery."""

    text: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not any(letter.isalnum() for letter in self.text):
            raise BadQuery("no_words", "A concept needs words: there is no letter or digit in this.")
        if len(self.text) > LONGEST_CONCEPT:
            raise BadQuery("text_too_long", f"A concept has at most {LONGEST_CONCEPT} characters.")
        if not LIGHTEST <= self.weight <= HEAVIEST:
            raise BadQuery("weight", f"A concept weighs between {LIGHTEST} and {HEAVIEST:g}.")


@dataclass(frozen=True)
class Crop:
    """A part of a picture, its edges in thousandths of the picture's width and height. Raises BadQuery."""

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if not all(0 <= edge <= WHOLE for edge in (self.left, self.top, self.right, self.bottom)):
            raise BadQuery("bad_crop", "A part of a picture lies within it: its edges are 0 to 100 per cent.")
        if self.right - self.left < SMALLEST_CROP or self.bottom - self.top < SMALLEST_CROP:
            raise BadQuery("bad_crop", f"A part of a picture is at least {SMALLEST_CROP // 10} per cent wide and high.")

    @property
    def is_whole(self) -> bool:
        return (self.left, self.top, self.right, self.bottom) == (0, 0, WHOLE, WHOLE)

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """left, top, right, bottom in pixels of a picture of this size; at least one pixel."""
        left, top = self.left * width // WHOLE, self.top * height // WHOLE
        right, bottom = -(-self.right * width // WHOLE), -(-self.bottom * height // WHOLE)
        return left, top, max(right, left + 1), max(bottom, top + 1)


@dataclass(frozen=True, kw_only=True)
class Slots:
    """The query builder: what is asked for, in terms of the vocabularies or in one's own words. ``at``: like "10x"."""

    organ: str = ""
    stain: str = ""
    finding: str = ""
    at: str = ""

    def __post_init__(self) -> None:
        for told in (self.organ, self.stain, self.finding):
            if len(told) > LONGEST_CONCEPT:
                raise BadQuery("text_too_long", f"A slot takes at most {LONGEST_CONCEPT} characters.")
            if told and not any(letter.isalnum() for letter in told):
                raise BadQuery("no_words", "A slot needs words: there is no letter or digit in this.")
        if self.at and re.fullmatch(r"\d{1,3}(\.\d{1,2})?x", self.at) is None:
            raise BadQuery("magnification", "A magnification is written like 10x.")

    def __bool__(self) -> bool:
        return any((self.organ, self.stain, self.finding, self.at))


@dataclass(frozen=True, kw_only=True)
class SearchQuery:
    """Any of: words; one picture (a stored image or region, an earlier query picture, or a new picture's bytes); slots;
    concepts that pull (``plus``) or push (``minus``); images that were liked or disliked, by their or a region's id.
    Something among them must be wanted. Raises BadQuery.

    ``crop``: of the stored image or query picture. ``exclude_case``: with a stored image, nothing of its own case (its own image
    is never among the hits). ``every_image``: each image is a hit, not only the best one of each case. ``cursor``: of the page
    before. ``size``: hits a page.
    """

    text: str = ""
    image_id: UUID | None = None
    region_id: UUID | None = None
    picture_id: UUID | None = None
    image_bytes: bytes | None = field(default=None, repr=False)
    crop: Crop | None = None
    plus: tuple[Concept, ...] = ()
    minus: tuple[Concept, ...] = ()
    likes: tuple[UUID, ...] = ()
    dislikes: tuple[UUID, ...] = ()
    slots: Slots = field(default_factory=Slots)
    filters: SearchFilters = field(default_factory=SearchFilters)
    exclude_case: bool = False
    every_image: bool = False
    cursor: str | None = None
    size: int = 60

    def __post_init__(self) -> None:
        self._require_something()
        self._require_few()
        if self.is_text and len(self.text) > LONGEST_TEXT:
            raise BadQuery("text_too_long", f"Search with at most {LONGEST_TEXT} characters.")
        if self.is_text and not any(letter.isalnum() for letter in self.text):
            raise BadQuery("no_words", "Search with words: there is no letter or digit in this.")
        if self.crop is not None and self.image_id is None and self.picture_id is None:
            raise BadQuery("bad_crop", "A part can be taken of a stored image or of your own picture.")
        if not 1 <= self.size <= LARGEST_PAGE:
            raise BadQuery("page_size", f"A page shows 1 to {LARGEST_PAGE} images.")

    def _require_something(self) -> None:
        if self.wants_something:
            return
        if self.minus or self.dislikes:
            raise BadQuery(
                "nothing_positive", "This says only what is not wanted. Add what you look for: words, a picture or a liked image."
            )
        raise BadQuery("nothing_asked", "Search with words or with a picture.")

    def _require_few(self) -> None:
        if sum(part is not None for part in self._pictures) > 1:
            raise BadQuery("one_picture", "Search with one picture at a time; like others to add them.")
        if max(len(self.plus), len(self.minus)) > MOST_CONCEPTS:
            raise BadQuery("too_many_parts", f"A search takes at most {MOST_CONCEPTS} concepts of one sign.")
        if max(len(self.likes), len(self.dislikes)) > MOST_JUDGED:
            raise BadQuery("too_many_parts", f"A search takes at most {MOST_JUDGED} liked images and as many disliked ones.")

    @property
    def _pictures(self) -> tuple[object, ...]:
        return self.image_id, self.region_id, self.picture_id, self.image_bytes

    @property
    def has_picture(self) -> bool:
        return any(part is not None for part in self._pictures)

    @property
    def is_text(self) -> bool:
        return bool(self.text.strip())

    @property
    def says_something(self) -> bool:
        """Words take part, whichever way."""
        return self.is_text or bool(self.slots or self.plus or self.minus)

    @property
    def wants_something(self) -> bool:
        return self.is_text or self.has_picture or bool(self.slots or self.plus or self.likes)

    def about(self, picture_id: UUID) -> SearchQuery:
        """The same question with the picture's bytes replaced by what is kept of them."""
        return replace(self, image_bytes=None, picture_id=picture_id)


def _nanometres(mpp: float | None) -> int | None:
    """Raises BadQuery for what is no length."""
    if mpp is None:
        return None
    if not 0 < mpp < 1_000:
        raise BadQuery("mpp", "Micrometres per pixel lie between 0 and 1,000.")
    return round(mpp * 1_000)
