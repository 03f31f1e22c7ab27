"""What a collection's fields may say: its own definitions over the archive's own rules."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Self

from webapp.library import measures
from webapp.library.measures import Unclear
from webapp.library.metadata import LENGTHS, BadMetadata, Metadata, checked, checked_caption
from webapp.library.models import Collection, FieldDefinition, FieldKind

OWN = ("caption", "stain", "organ", "finding", "case", "slide", "mpp", "tags")
CLOSABLE = ("stain", "organ", "finding", "case", "slide")  # of the archive's own, what a definition may close or require
EXTRA = "further: "  # before a further field's name, where a history entry names it beside the archive's own
EXTRA_LENGTH, NAME_LENGTH = 1000, 80  # as Metadata keeps them
LISTED = 8  # words of a closed list that a refusal names

Said = str | int | float | bool | date | Sequence[str] | None
Kept = str | float | list[str] | None


@dataclass(frozen=True)
class Rules:
    """Of one collection. ``defined``: by field name, folded."""

    defined: Mapping[str, FieldDefinition] = field(default_factory=dict)

    @classmethod
    def of(cls, collection: Collection | None) -> Self:
        """None: of one that is not there yet, and has defined nothing."""
        return cls({folded(each.name): each for each in collection.field_definitions.all()} if collection else {})

    @property
    def required(self) -> list[str]:
        return [each.name for each in self.defined.values() if each.required]

    @property
    def further(self) -> list[FieldDefinition]:
        """Those beyond the archive's own."""
        return [each for name, each in self.defined.items() if name not in OWN]

    def kept_name(self, name: str) -> str:
        """How a field is called where it is kept: as it was defined, or in small letters."""
        definition = self.defined.get(folded(name))
        return definition.name if definition else " ".join(name.split()).lower()[:NAME_LENGTH]

    def choices(self, name: str) -> list[str]:
        """Of a closed list; else none."""
        definition = self.defined.get(folded(name))
        return [str(each) for each in definition.choices] if definition and definition.kind == FieldKind.CHOICE else []

    def checked(self, name: str, told: Said, *, unit: str = "") -> Kept:
        """One field's value as it is kept. ``unit``: of a bare number. Raises BadMetadata with a sentence that names the field.

        Text; for ``mpp`` a float or None, for ``tags`` a list. Fields beyond the archive's own are text, whatever their kind:
        a number with its unit, a date in ISO.
        """
        try:
            return self._own(name, told, unit) if name in OWN else self._defined(name, told, unit)
        except Unclear as exc:
            raise BadMetadata(f"{name}: {exc}." if not str(exc).startswith(name) else f"{exc}.") from exc

    def _own(self, name: str, told: Said, unit: str) -> Kept:
        if name == "mpp":
            return checked(name, _microns(told, unit))
        if name == "tags":
            return checked(name, told if isinstance(told, (list, tuple)) else plain(told))
        if name == "caption":
            return checked_caption(told) if plain(told) else ""
        if name in self.defined and name in CLOSABLE and plain(told):
            told = self._defined(name, told, unit)
        return checked(name, plain(told) if name in LENGTHS else told)

    def _defined(self, name: str, told: Said, unit: str) -> str:
        definition = self.defined.get(folded(name))
        text = plain(told)
        if len(text) > EXTRA_LENGTH:
            raise BadMetadata(f"{name} has {len(text):,} characters; at most {EXTRA_LENGTH:,} are kept.")
        if not text or definition is None or definition.kind == FieldKind.TEXT:
            return text
        if definition.kind == FieldKind.CHOICE:
            return one_of(name, text, self.choices(name))
        if definition.kind == FieldKind.DATE:
            return _day(told).isoformat()
        return _measured(told, text, unit, definition.unit)


def as_metadata(kept: Mapping[str, Kept]) -> Metadata:
    """From field -> value, each as Rules.checked() gave it."""
    own: dict[str, Any] = {name: tuple(told) if isinstance(told, list) else told for name, told in kept.items() if name in OWN}
    return Metadata(**own, extra={name: str(told) for name, told in kept.items() if name not in OWN and told})


def one_of(name: str, told: str, choices: Sequence[str]) -> str:
    """The word of the list, however it is written. Raises BadMetadata with what may have been meant."""
    known = {folded(each): each for each in choices}
    if folded(told) in known:
        return known[folded(told)]
    meant = _meant(told, choices)
    if meant:
        raise BadMetadata(f"{name} has no «{told[:40]}» in its list. «{meant}»?")
    listed = ", ".join(choices[:LISTED]) + (", …" if len(choices) > LISTED else "")
    raise BadMetadata(f"{name} has no «{told[:40]}» in its list: {listed}.")


def _meant(told: str, choices: Sequence[str]) -> str:
    letters = {_letters(each): each for each in reversed(choices)}
    if _letters(told) and _letters(told) in letters:
        return letters[_letters(told)]
    near = difflib.get_close_matches(folded(told), list(map(folded, choices)), n=1, cutoff=0.6)
    return next(each for each in choices if folded(each) == near[0]) if near else ""


def folded(told: str) -> str:
    """The same for all ways to write one word: case, width, composed letters, blanks."""
    return " ".join(unicodedata.normalize("NFKC", told).casefold().split())


def _letters(told: str) -> str:
    return "".join(letter for letter in folded(told) if letter.isalnum())


def plain(told: Said) -> str:
    if told is None:
        return ""
    if isinstance(told, bool):
        return "yes" if told else "no"
    if isinstance(told, float):
        return f"{told:.15g}"
    if isinstance(told, datetime):
        return told.isoformat(" ", "minutes")
    if isinstance(told, date):
        return told.isoformat()
    return " ".join(str(told).split())


def _microns(told: Said, unit: str) -> float | None:
    if isinstance(told, (date, bool)):
        raise Unclear("mpp is a number of micrometres per pixel")
    return measures.microns_per_pixel(plain(told), unit=unit) if plain(told) else None


def _day(told: Said) -> date:
    if isinstance(told, datetime):
        return told.date()
    if isinstance(told, date):
        return told
    if not isinstance(told, str):
        raise Unclear(f"«{plain(told)[:40]}» is not a date: write it as 2024-03-05")
    return measures.day(told)


def _measured(told: Said, text: str, unit: str, into: str) -> str:
    if isinstance(told, (date, bool)):
        raise Unclear(f"«{text[:40]}» is not a number")
    number, said = measures.number_with_unit(text)
    value = measures.converted(number, said or measures.unit_called(unit), into)
    return f"{value:.12g} {measures.unit_called(into)}".strip()
