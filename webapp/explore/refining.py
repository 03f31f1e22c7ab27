"""What was asked, as the page shows it: a chip for each part with the addresses that change it, notices, forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from django.conf import settings

from webapp.explore import addresses, language, negation
from webapp.explore.addresses import Address, told_concept
from webapp.explore.asking import HEAVIEST, LIGHTEST, BadQuery, Concept, Crop
from webapp.explore.builder import MAGNIFICATIONS
from webapp.explore.queries import ResultPage
from webapp.explore.subjects import View

WEIGHTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # the steps of a chip's two arrows; addresses take any weight between
ENCODER_NAMES = {"conch": "CONCH"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One part of the question. ``href``: the question without it. The other addresses are "" where there is no such change.

    ``sign``: "plus", "minus" or "" for what has none. ``image``, ``picture``: whose thumbnail stands for it. ``gone``: it names
    an image that is not there for this user.
    """

    name: str
    label: str
    value: str
    href: str
    sign: Literal["plus", "minus", ""] = ""
    weight: float = 1.0
    lighter: str = ""
    heavier: str = ""
    turned: str = ""
    image: str = ""
    picture: str = ""
    gone: bool = False

    @property
    def told_weight(self) -> str:
        return f"{self.weight:g}"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """``kind``: a stable code. ``action``, ``href``: what can be done about it in one click, "" where nothing can."""

    kind: str
    sentence: str
    action: str = ""
    href: str = ""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A field of the query builder. ``kind``: of the terms that are suggested for it, "" for none."""

    name: str
    label: str
    value: str
    kind: str = ""
    example: str = ""


@dataclass(frozen=True, kw_only=True)
class CropField:
    name: str
    label: str
    per_cent: float


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The whole question for templates; without a page (nothing was asked, or it was refused) only what the address says.

    Addresses are "" where there is nothing to go to. ``undo``: the question without its last step. ``keep``: the address that
    another picture joins. ``kept``, ``kept_by_builder``, ``kept_by_crop``: hidden fields of the form that adds a concept, of the
    builder's and of the crop's.
    """

    steps: list[Step]
    notices: list[Notice]
    undo: str
    anew: str
    keep: str
    slots: list[Slot]
    magnifications: tuple[str, ...] = MAGNIFICATIONS
    prompts: tuple[str, ...] = ()
    kept: list[tuple[str, str]]
    kept_by_builder: list[tuple[str, str]]
    kept_by_crop: list[tuple[str, str]]
    view: View | None = None
    crop: list[CropField] = field(default_factory=list)
    whole: str = ""
    may_crop: bool = False
    kept_days: int = 0
    describe: str = ""

    @classmethod
    def of(cls, address: Address, page: ResultPage | None = None) -> Asked:
        steps = [step for pair in address.pairs if (step := _step(pair, address, page))]
        crop = _crop(address)
        may_crop = "image" in address or "picture" in address
        return cls(
            steps=steps,
            notices=notices(address, page),
            undo=steps[-1].href if len(steps) > 1 else "",
            anew=address.only(*addresses.SWITCHES).href if steps else "",
            keep=addresses.joined(address).href.removeprefix("?"),
            slots=_slots(address),
            prompts=page.built.prompts if page and page.built else (),
            kept=addresses.kept(address, besides=()),
            kept_by_builder=addresses.kept(address, besides=addresses.SLOTS),
            kept_by_crop=addresses.kept(address, besides=("crop",)),
            view=page.shown.view if page and page.shown else None,
            crop=_crop_fields(crop),
            whole=address.without("crop", *addresses.PAGE).href if crop else "",
            may_crop=may_crop,
            kept_days=settings.QUERY_PICTURE_DAYS,
            describe=address.only(*addresses.PICTURES, "crop").href if page and page.shown else "",
        )


# --- steps ------------------------------------------------------------------------------------------------------------


def _step(pair: tuple[str, str], address: Address, page: ResultPage | None) -> Step | None:
    """None for what is no step: the page, a switch, a name that nobody knows."""
    name, value = pair
    href = address.less(pair).href
    if name in addresses.CONCEPTS:
        return _concept(pair, address)
    if name in addresses.JUDGED:
        return _judged(pair, href, page)
    if name in addresses.PICTURES:
        return _picture(pair, href, page)
    if name in addresses.FILTERS:
        names = addresses.names_of(page.facets) if page else {}
        return Step(name=name, label=f"Only {addresses.FILTERS[name].lower()}", value=names.get(pair, value), href=href)
    labels = {"q": "Words", "crop": "Part", addresses.WITHOUT: "Not case", **addresses.SLOTS}
    if name not in labels:
        return None
    shown = "of the picture" if name == "crop" else value
    return Step(name=name, label=labels[name], value=shown, href=href)


def _concept(pair: tuple[str, str], address: Address) -> Step:
    name, told = pair
    try:
        concept = addresses.concept_of(told)
    except BadQuery:  # the page says what is wrong with it; the chip is there to be taken away
        return Step(name=name, label=addresses.CONCEPTS[name], value=told, href=address.less(pair).href)
    lighter = max((weight for weight in WEIGHTS if LIGHTEST <= weight < concept.weight), default=None)
    heavier = min((weight for weight in WEIGHTS if concept.weight < weight <= HEAVIEST), default=None)

    def weighing(weight: float | None) -> str:
        return address.changed(pair, (name, told_concept(Concept(concept.text, weight)))).href if weight else ""

    other = "minus" if name == "plus" else "plus"
    return Step(
        name=name,
        label=addresses.CONCEPTS[name],
        value=concept.text,
        href=address.less(pair).href,
        sign="plus" if name == "plus" else "minus",
        weight=concept.weight,
        lighter=weighing(lighter),
        heavier=weighing(heavier),
        turned=address.changed(pair, (other, told)).href,
    )


def _judged(pair: tuple[str, str], href: str, page: ResultPage | None) -> Step:
    name, told = pair
    images = {str(one): str(image) for one, image in page.judged.images.items()} if page else {}
    image = images.get(told, "")
    return Step(
        name=name,
        label=addresses.JUDGED[name],
        value="image" if image or not page else "image that is gone",
        href=href,
        sign="plus" if name == "like" else "minus",
        image=image,
        gone=page is not None and not image,
    )


def _picture(pair: tuple[str, str], href: str, page: ResultPage | None) -> Step:
    name, _ = pair
    values = {"image": "this image", "region": "this part of an image", "picture": "your picture"}
    return Step(
        name=name,
        label="Like",
        value=values[name],
        href=href,
        image=str(page.image.pk) if page and page.image else "",
        picture=str(page.picture.pk) if page and page.picture else "",
    )


# --- notices ----------------------------------------------------------------------------------------------------------


def notices(address: Address, page: ResultPage | None = None) -> list[Notice]:
    """What somebody should know about the words that they typed, and about parts that could not be used."""
    encoder = ENCODER_NAMES.get(settings.CONCHIVE_ENCODER, "The encoder")
    told = [*_denied(address, encoder), *_foreign(address, encoder)]
    if page is None:
        return told
    if page.cut_text:
        told.append(Notice(kind="cut", sentence=f"{encoder} reads only the beginning. This was left out: “{page.cut_text}”"))
    if page.judged.left_out:
        count = page.judged.left_out
        what = "One judged image is" if count == 1 else f"{count} judged images are"
        told.append(Notice(kind="left_out", sentence=f"{what} not there any more, and took no part."))
    if page.built and page.built.unknown:
        words = ", ".join(f"“{text}”" for text in page.built.unknown)
        told.append(
            Notice(kind="unknown_term", sentence=f"{words}: in no vocabulary of yours, so taken as written, without synonyms.")
        )
    return told


def _denied(address: Address, encoder: str) -> list[Notice]:
    found = negation.find(address.get("q"))
    if found is None:
        return []
    words = " and ".join(f"“{concept}”" for concept in found.concepts)
    sentence = f"{encoder} does not understand negations: it looks for {words} all the same."
    if not found.rest and not any(name in address for name in ("plus", "like", *addresses.PICTURES, *addresses.SLOTS)):
        return [Notice(kind="negation", sentence=f"{sentence} Say what you look for, and put what you do not want under “Less”.")]
    action = "Push it away instead" if len(found.concepts) == 1 else "Push them away instead"
    return [Notice(kind="negation", sentence=sentence, action=action, href=without_negation(address, found).href)]


def without_negation(address: Address, found: negation.Negation) -> Address:
    """The words cleaned of what they deny, and that as concepts with a minus."""
    words = ("q", address.get("q"))
    cleaned = address.changed(words, ("q", found.rest)) if found.rest else address.less(words)
    return cleaned.plus(*(("minus", concept) for concept in found.concepts if not cleaned.has("minus", concept)))


def _foreign(address: Address, encoder: str) -> list[Notice]:
    texts = [address.get("q"), *address.getlist("plus"), *address.getlist("minus")]
    for text in texts:
        if told := language.noticed(text):
            return [Notice(kind="language", sentence=language.sentence(told, encoder=encoder))]
    return []


# --- forms ------------------------------------------------------------------------------------------------------------


def _slots(address: Address) -> list[Slot]:
    kinds = {"organ_is": ("organ", "kidney"), "stain_is": ("stain", "PAS"), "finding_is": ("finding", "necrosis"), "at": ("", "")}
    return [
        Slot(name=name, label=label, value=address.get(name), kind=kinds[name][0], example=kinds[name][1])
        for name, label in addresses.SLOTS.items()
    ]


def _crop(address: Address) -> Crop | None:
    try:
        return addresses.crop_of(address.get("crop"))
    except BadQuery:
        return None


def _crop_fields(crop: Crop | None) -> list[CropField]:
    edges = (crop.left, crop.top, crop.right, crop.bottom) if crop else (0, 0, 1000, 1000)
    labels = ("Left", "Top", "Right", "Bottom")
    return [
        CropField(name=name, label=label, per_cent=edge / 10)
        for name, label, edge in zip(addresses.CROP_FIELDS, labels, edges, strict=True)
    ]
