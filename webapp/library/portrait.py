"""What an image's own page tells: facts, and the steps of its way."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from webapp.library.editing import reviewed
from webapp.library.field_rules import EXTRA, Rules
from webapp.library.models import FieldDefinition, FieldKind, Image, ImageChange, Region, State


@dataclass(frozen=True, kw_only=True)
class Step:
    """``at`` None: not come there yet."""

    label: str
    at: datetime | None
    bad: bool = False


def steps(image: Image) -> list[Step]:
    """Received to searchable, or to the failure that ended it."""
    way = [
        Step(label="Received", at=image.stored_at),
        Step(label="Decoded", at=image.decoded_at),
        Step(label="Embedded", at=image.embedded_at),
        Step(label="Searchable", at=image.ready_at),
    ]
    if image.state != State.FAILED:
        return way
    return [*(step for step in way if step.at is not None), Step(label="Failed", at=image.failed_at, bad=True)]


def part(image: Image, told: str) -> Region | None:
    """The region that a search matched, to be drawn on the image; None where ``told`` is no part of this image."""
    with suppress(ValueError):
        return image.regions.filter(pk=UUID(told)).first()
    return None


@dataclass(frozen=True, kw_only=True)
class FieldView:
    """One field that editors change. ``value`` as people read it, ``typed`` as they type it.

    ``name`` in addresses, ``key`` as editing.py calls it. ``marks``: who reviewed what of it; ``choices``: of a closed list.
    """

    name: str
    key: str
    label: str
    value: str
    typed: str
    tags: list[str]
    marks: list[ImageChange]
    help: str = ""
    choices: list[str] = field(default_factory=list)


LABELS = {
    "organ": "Organ",
    "stain": "Stain",
    "finding": "Finding",
    "case": "Case",
    "slide": "Slide",
    "tags": "Tags",
    "mpp": "Resolution",
}
HELPS = {"tags": "Parted by semicolons.", "mpp": "Micrometres per pixel; empty where it is unknown."}


def fields(image: Image) -> list[FieldView]:
    """All that can be changed, also what is unsaid: the archive's own, then those that the collection defines."""
    marks, rules = reviewed(image), Rules.of(image.collection)
    own = [_field(image, name, [mark for (about, _), mark in marks.items() if about == name], rules) for name in LABELS]
    return own + [_defined(image, each, rules) for each in rules.further]


def one_field(image: Image, name: str) -> FieldView:
    """Raises KeyError for a name that is no field."""
    return {view.name: view for view in fields(image)}[name]


def _defined(image: Image, definition: FieldDefinition, rules: Rules) -> FieldView:
    value = str(image.metadata.get(definition.name, ""))
    return FieldView(
        name=f"further-{definition.pk}",
        key=f"{EXTRA}{definition.name}",
        label=sentence_case(definition.name),
        value=value,
        typed=value,
        tags=[],
        marks=[],
        help=_help(definition),
        choices=rules.choices(definition.name),
    )


def _help(definition: FieldDefinition) -> str:
    if definition.kind == FieldKind.DATE:
        return "A date, as 2024-03-05."
    return f"A number, in {definition.unit}." if definition.kind == FieldKind.NUMBER and definition.unit else ""


def sentence_case(name: str) -> str:
    return name[:1].upper() + name[1:]


def _field(image: Image, name: str, marks: list[ImageChange], rules: Rules) -> FieldView:
    return FieldView(
        name=name,
        key=name,
        label=LABELS[name],
        value=shown(name, getattr(image, name)),
        typed=typed(getattr(image, name)),
        tags=[str(tag) for tag in image.tags] if name == "tags" else [],
        marks=marks,
        help=HELPS.get(name, ""),
        choices=rules.choices(name),
    )


def shown(name: str, value: object) -> str:
    """A field's value as people read it."""
    if value in (None, "", []):
        return ""
    if name == "mpp":
        return f"{value:.3g} µm per pixel"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def typed(value: object) -> str:
    return "" if value is None else "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def facts(image: Image) -> list[tuple[str, str]]:
    """Name and value of what follows from the file, and of what else came with it; never its name, which only editors see."""
    defined = {each.name for each in Rules.of(image.collection).further}
    told = [
        ("Size", f"{image.width:,} × {image.height:,} px" if image.width and image.height else ""),
        ("Field of view", _field_of_view(image)),
        ("Format", " ".join(filter(None, (image.format, image.mode)))),
        *((str(name).capitalize(), str(value)) for name, value in sorted(image.metadata.items()) if name not in defined),
    ]
    return [(name, value) for name, value in told if value]


def _field_of_view(image: Image) -> str:
    if not (image.mpp and image.width and image.height):
        return ""
    return f"{image.width * image.mpp:,.0f} × {image.height * image.mpp:,.0f} µm"
