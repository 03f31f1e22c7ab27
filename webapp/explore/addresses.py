"""A question as an address, both ways: what /?q=… asks, and the addresses of the same question with one thing changed.

The address is the whole query, part by part in the order in which the parts were added:

    q=words   image=|region=|picture=<uuid>   crop=left,top,right,bottom   what to search with; a crop in thousandths
    plus=words~0.8   minus=words~0.8   concepts with their weights, 1 where none is told
    like=<uuid>   dislike=<uuid>   judged images, by their own or a region's id
    organ_is=   stain_is=   finding_is=   at=10x   the query builder's slots
    collection=   stain=   organ=   tags=   case=   without_case=   filters, each may be repeated
    every_image=1   other_cases=1   switches: not only the best image of each case; nothing of the searched image's own case
    cursor=   below=   the page
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from django.conf import settings
from django.core.exceptions import SuspiciousOperation, TooManyFieldsSent
from django.http import HttpRequest, QueryDict

from webapp.explore.asking import HEAVIEST, LIGHTEST, BadQuery, Concept, Crop, SearchFilters, SearchQuery, Slots
from webapp.explore.facets import Facets

PICTURES = ("image", "region", "picture")
SLOTS = {"organ_is": "Organ", "stain_is": "Stain", "finding_is": "Finding", "at": "Magnification"}
CONCEPTS = {"plus": "More", "minus": "Less"}
JUDGED = {"like": "Liked", "dislike": "Disliked"}
SUBJECTS = ("q", *PICTURES, *SLOTS, *CONCEPTS, *JUDGED)
FILTERS = {"collection": "Collection", "stain": "Stain", "organ": "Organ", "tags": "Tag", "case": "Case"}
WITHOUT = "without_case"
SWITCHES = ("every_image", "other_cases")
PAGE = ("cursor", "below")
CROP_FIELDS = ("crop_left", "crop_top", "crop_right", "crop_bottom")  # in per cent: what a form without script sends
FORM_FIELDS = ("concept", "sign", *CROP_FIELDS)
LONGEST_ADDRESS = 300  # parts
LONGEST_TEXT = 8_000  # characters: a page repeats its address in hundreds of links

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Address:
    """Names and values in the order in which they stand, nothing blank. What changes it returns another, from its first page."""

    pairs: Pairs

    @classmethod
    def of(cls, told: str | QueryDict | HttpRequest) -> Address:
        """From a query string; a QueryDict has lost the order among different names.

        Raises SuspiciousOperation, a 400, for one that is too long.
        """
        if isinstance(told, HttpRequest):  # WSGI hands bytes on as Latin-1; a program may have written letters as they are
            text = str(told.META.get("QUERY_STRING", "")).encode("latin-1", "replace").decode("utf-8", "replace")
        else:
            text = told if isinstance(told, str) else told.urlencode()
        if len(text) > LONGEST_TEXT:
            raise SuspiciousOperation(f"An address has at most {LONGEST_TEXT} characters.")
        try:
            pairs = parse_qsl(text, max_num_fields=settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
        except ValueError as exc:
            raise TooManyFieldsSent("The address has too many parts.") from exc
        return cls(tuple((name, value.strip()) for name, value in pairs if value.strip())[:LONGEST_ADDRESS])

    def get(self, name: str, default: str = "", /) -> str:
        """The last one, as Django has it."""
        values = self.getlist(name)
        return values[-1] if values else default

    def getlist(self, name: str, /) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def __contains__(self, name: object, /) -> bool:
        return any(key == name for key, _ in self.pairs)

    def has(self, name: str, value: str) -> bool:
        return (name, value) in self.pairs

    @property
    def href(self) -> str:
        return f"?{urlencode(self.pairs, safe=',')}"

    def plus(self, *added: tuple[str, str]) -> Address:
        return Address((*self.without(*PAGE).pairs, *added))

    def without(self, *names: str) -> Address:
        return Address(tuple(pair for pair in self.pairs if pair[0] not in names))

    def only(self, *names: str) -> Address:
        return Address(tuple(pair for pair in self.pairs if pair[0] in names))

    def less(self, *taken: tuple[str, str]) -> Address:
        """Without these pairs; a crop goes with its picture."""
        names = {name for name, _ in taken}
        kept = Address(tuple(pair for pair in self.without(*PAGE).pairs if pair not in taken))
        return kept.without("crop") if names & set(PICTURES) else kept

    def changed(self, old: tuple[str, str], new: tuple[str, str]) -> Address:
        """One pair in the place of another."""
        return Address(tuple(new if pair == old else pair for pair in self.without(*PAGE).pairs))


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A filter that is on, and the address without it."""

    label: str
    value: str
    href: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A facet's value, and the address with it turned on or off."""

    label: str
    count: int
    chosen: bool
    href: str


# --- reading ----------------------------------------------------------------------------------------------------------


def asks(address: Address | QueryDict) -> bool:
    told = _address(address)
    return any(name in told for name in SUBJECTS)


def query_of(address: Address | QueryDict) -> SearchQuery:
    """Raises BadQuery."""
    address = _address(address)
    return SearchQuery(
        text=address.get("q"),
        image_id=_id(address, "image"),
        region_id=_id(address, "region"),
        picture_id=_id(address, "picture"),
        crop=crop_of(address.get("crop")),
        plus=tuple(concept_of(told) for told in _all(address, "plus")),
        minus=tuple(concept_of(told) for told in _all(address, "minus")),
        likes=tuple(id_of(told) for told in _all(address, "like")),
        dislikes=tuple(id_of(told) for told in _all(address, "dislike")),
        slots=slots_of(address.get),
        filters=_filters(address),
        exclude_case="other_cases" in address,
        every_image="every_image" in address,
        cursor=address.get("cursor") or None,
    )


def slots_of(get: Callable[[str], str]) -> Slots:
    organ, stain, finding, at = (" ".join(get(name).replace("\0", " ").split()) for name in SLOTS)
    return Slots(organ=organ, stain=stain, finding=finding, at=at)


def concept_of(told: str) -> Concept:
    """ "necrosis~0.8" or "necrosis". Raises BadQuery."""
    words, tilde, weight = told.rpartition("~")
    if not tilde:
        return Concept(told.strip())
    try:
        return Concept(words.strip(), float(weight))
    except ValueError as exc:
        if isinstance(exc, BadQuery):
            raise
        raise BadQuery("weight", f"A weight is a number between {LIGHTEST} and {HEAVIEST:g}, written after a tilde.") from None


def told_concept(concept: Concept) -> str:
    plain = concept.weight == 1 and "~" not in concept.text
    return concept.text if plain else f"{concept.text}~{concept.weight:g}"


def crop_of(told: str) -> Crop | None:
    """ "100,0,900,750" in thousandths; None for "" and for the whole picture. Raises BadQuery."""
    if not told.strip():
        return None
    edges = [edge.strip() for edge in told.split(",")]
    if len(edges) != len(CROP_FIELDS) or not all(re.fullmatch(r"[0-9]{1,4}", edge) for edge in edges):
        raise BadQuery("bad_crop", "A part of a picture is told by four edges: left, top, right and bottom.")
    crop = Crop(*(int(edge) for edge in edges))
    return None if crop.is_whole else crop


def _all(address: Address, name: str) -> list[str]:
    return list(dict.fromkeys(address.getlist(name)))


def _filters(address: Address) -> SearchFilters:
    return SearchFilters(
        collections=tuple(id_of(told) for told in address.getlist("collection")),
        stains=tuple(address.getlist("stain")),
        organs=tuple(address.getlist("organ")),
        tags=tuple(address.getlist("tags")),
        cases=tuple(address.getlist("case")),
        without_cases=tuple(address.getlist(WITHOUT)),
    )


def _id(address: Address, name: str) -> UUID | None:
    told = address.get(name)
    return id_of(told) if told else None


def id_of(told: str) -> UUID:
    """Raises BadQuery."""
    try:
        return UUID(told)
    except ValueError:
        raise BadQuery("bad_id", "The address names something by an id that is none.") from None


# --- what forms send --------------------------------------------------------------------------------------------------


def tidied(address: Address) -> Address:
    """What a form without script sends, as the address that it means: a new concept with its sign, a crop's four fields.

    Raises BadQuery.
    """
    told = address.without(*FORM_FIELDS)
    if words := address.get("concept"):
        told = told.plus(("minus" if address.get("sign") == "minus" else "plus", words))
    if any(name in address for name in CROP_FIELDS):
        crop = crop_of(",".join(_thousandths(address.get(name, whole)) for name, whole in zip(CROP_FIELDS, _WHOLE, strict=True)))
        told = told.without("crop", *PAGE)
        told = told.plus(("crop", f"{crop.left},{crop.top},{crop.right},{crop.bottom}")) if crop else told
    return told


_WHOLE = ("0", "0", "100", "100")


def _thousandths(per_cent: str) -> str:
    try:
        return str(round(float(per_cent.replace(",", ".")) * 10))
    except (ValueError, OverflowError):
        raise BadQuery("bad_crop", "The edges of a part are numbers between 0 and 100 per cent.") from None


# --- the same question with one thing changed -------------------------------------------------------------------------


def kept(address: Address | QueryDict, *, besides: Iterable[str] = ("q",)) -> list[tuple[str, str]]:
    """Name and value of all that a form keeps as hidden fields: the whole question ``besides`` what the form itself asks for."""
    known = {*SUBJECTS, "crop", *FILTERS, WITHOUT, *SWITCHES} - {*besides}
    return [(name, value) for name, value in _address(address).pairs if name in known]


def joined(address: Address) -> Address:
    """The question that another picture joins: without its own one, and without what no question knows."""
    return Address(tuple(kept(address, besides=(*PICTURES, "crop", "other_cases"))))


def chips(address: Address | QueryDict, facets: Facets) -> list[Chip]:
    """The filters that are on."""
    told, names = _address(address), names_of(facets)
    return [
        Chip(label=FILTERS[name], value=names.get((name, value), value), href=told.less((name, value)).href)
        for name, value in told.pairs
        if name in FILTERS
    ]


def names_of(facets: Facets) -> dict[tuple[str, str], str]:
    """Filter's name and value -> what people read."""
    return {(field, value.value): value.label for field, values in facets.items() for value in values}


def choices(address: Address | QueryDict, facets: Facets) -> list[tuple[str, list[Choice]]]:
    """Field's label -> its values with the addresses that turn them on or off."""
    told = _address(address)
    return [
        (
            FILTERS[field],
            [
                Choice(
                    label=value.label,
                    count=value.count,
                    chosen=told.has(field, value.value),
                    href=toggled(told, field, value.value),
                )
                for value in values
            ],
        )
        for field, values in facets.items()
        if values
    ]


def toggled(address: Address | QueryDict, name: str, value: str = "1") -> str:
    """The same question with one filter value or switch turned the other way, from its first page."""
    told = _address(address)
    if name in SWITCHES and name in told:
        return told.without(name, *PAGE).href
    return (told.less((name, value)) if told.has(name, value) else told.plus((name, value))).href


def judged(address: Address, name: str, image: str, *, region: str = "") -> str:
    """With this image liked (or disliked); no more where it was already, by its own or the region's id, and never both."""
    both = [(judgement, one) for judgement in JUDGED for one in (image, region)]
    rest = address.less(*both)
    was = any(address.has(name, one) for one in (image, region))
    return (rest if was else rest.plus((name, image))).href


def without_filters(address: Address | QueryDict) -> str:
    return _address(address).without(*FILTERS, WITHOUT, *PAGE).href


def next_page(address: Address | QueryDict, cursor: str, *, below_line: bool) -> str:
    """``below_line``: the page before it ended among hits no better than chance, so the line is drawn already."""
    told = _address(address).without(*PAGE)
    return told.plus(("cursor", cursor), *((("below", "1"),) if below_line else ())).href


def _address(told: Address | QueryDict) -> Address:
    return told if isinstance(told, Address) else Address.of(told)
