"""What people say about a file beside its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from webapp.library.measures import Unclear, microns_per_pixel

LENGTHS = {"stain": 80, "organ": 80, "finding": 120, "case": 80, "slide": 80}
MAX_TAGS, MAX_TAG_LENGTH = 50, 60
MAX_CAPTION_LENGTH = 4000
MAX_EXTRA = 100
# columns that name the file itself, and what sidecars.py notes beside the words
_IGNORED = frozenset({"file", "path", "name", "filename", "caption from json"})


class BadMetadata(ValueError):
    """A value cannot be kept; the sentence names the field."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Empty means unsaid. ``mpp`` in µm per pixel; ``extra`` holds whatever else was said, as text."""

    caption: str = ""
    stain: str = ""
    organ: str = ""
    finding: str = ""
    case: str = ""
    slide: str = ""
    mpp: float | None = None
    tags: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, said: Mapping[str, Any]) -> Self:
        """From a form, JSON or a line of CSV: names in any case, tags as a list or parted by ``;``. Raises BadMetadata."""
        given = {str(name).strip().lower(): value for name, value in said.items() if value not in (None, "")}
        known = {each.name for each in fields(cls)} - {"extra"}
        extra = {name: value for name, value in given.items() if name not in known | _IGNORED | {"extra"}}
        return cls(
            caption=_line(given, "caption", MAX_CAPTION_LENGTH),
            **{name: _line(given, name, length) for name, length in LENGTHS.items()},
            mpp=_mpp(given.get("mpp")),
            tags=_tags(given.get("tags", ())),
            extra=_extra(given.get("extra") or {}) | _extra(extra),
        )

    def merged_over(self, defaults: Metadata) -> Metadata:
        """What is unsaid here is taken from ``defaults``; tags and extra of both are kept."""
        unsaid = {
            each.name: getattr(defaults, each.name) for each in fields(self) if getattr(self, each.name) in ("", None)
        }  # fmt: skip
        tags = tuple(dict.fromkeys((*defaults.tags, *self.tags)))
        return replace(self, **unsaid, tags=tags, extra={**defaults.extra, **self.extra})

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold, without what is unsaid; from_mapping() reads it back."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        told |= {"tags": list(self.tags), "extra": dict(self.extra)}
        return {name: value for name, value in told.items() if value not in ("", None, [], {})}


def checked(name: str, value: object) -> str | float | list[str] | None:
    """One field's value as it is kept: text, a number for ``mpp``, a list for ``tags``; empty clears. Raises BadMetadata."""
    if name == "mpp":
        return _mpp(value)
    if name == "tags":
        return list(_tags(value or ()))
    if name not in LENGTHS:
        raise BadMetadata(f"There is no field {name[:40]!r} to change.")
    return _line({name: "" if value is None else value}, name, LENGTHS[name])


def checked_caption(value: object) -> str:
    """Raises BadMetadata for one that is empty or too long."""
    text = _line({"caption": value}, "caption", MAX_CAPTION_LENGTH)
    if not any(letter.isalnum() for letter in text):
        raise BadMetadata("A caption needs words.")
    return text


def _line(given: Mapping[str, Any], name: str, length: int) -> str:
    text = _plain(given.get(name, ""))
    if len(text) > length:
        raise BadMetadata(f"{name} has {len(text)} characters; at most {length} are kept.")
    return text


def _plain(value: object) -> str:
    """One line without control characters, NUL above all, which PostgreSQL refuses."""
    text = str(value)
    return " ".join((text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)).split())


def _mpp(value: object) -> float | None:
    if value is None or not str(value).strip():
        return None
    try:
        number = microns_per_pixel(str(value))
    except Unclear as exc:
        raise BadMetadata(f"{exc}.") from exc
    if not 0.01 <= number <= 1000:
        raise BadMetadata("mpp is between 0.01 and 1000 micrometres per pixel.")
    return number


def _tags(value: object) -> tuple[str, ...]:
    parts: Iterable[object] = value.split(";") if isinstance(value, str) else value  # type: ignore[assignment]
    if not isinstance(parts, (list, tuple)):
        raise BadMetadata("tags are a list of words.")
    tags = tuple(dict.fromkeys(tag for part in parts if (tag := _plain(part))))
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH for tag in tags):
        raise BadMetadata(f"At most {MAX_TAGS} tags of {MAX_TAG_LENGTH} characters are kept.")
    return tags


def _extra(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > MAX_EXTRA:
        raise BadMetadata(f"Further metadata is at most {MAX_EXTRA} names with a value each.")
    return {_plain(name)[:80]: _plain(text)[:1000] for name, text in value.items()}
