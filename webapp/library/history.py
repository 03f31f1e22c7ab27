"""The changes of an image as people read them, the latest first."""

from __future__ import annotations

from dataclasses import dataclass

from webapp.library.field_rules import EXTRA
from webapp.library.models import Entry, Image, ImageChange, Source
from webapp.library.portrait import LABELS, sentence_case, shown

SHOWN = 30
REVIEW = "review"  # the field of review.py's changes


@dataclass(frozen=True, kw_only=True)
class EntryView:
    """``before`` or ``after`` empty: it was unsaid."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class ChangeView:
    """``can_undo``: the latest one that stands."""

    change: ImageChange
    said: str
    entries: list[EntryView]
    can_undo: bool

    @property
    def by(self) -> str:
        return self.change.by.get_username() if self.change.by else "somebody who has left"


def history(image: Image) -> list[ChangeView]:
    """At most ``SHOWN``."""
    changes = list(image.changes.select_related("by", "undone_by", "undoes")[:SHOWN])
    latest = next((change for change in changes if _can_be_undone(change)), None)
    return [_view(change, can_undo=change is latest) for change in changes]


def _can_be_undone(change: ImageChange) -> bool:
    """A release is taken back on the review page."""
    return not change.is_undone and change.source != Source.UNDO and not change.touches(REVIEW)


def _view(change: ImageChange, *, can_undo: bool) -> ChangeView:
    entries = [entry_view(entry) for entry in change.entries]
    return ChangeView(change=change, said=_said(change), entries=entries, can_undo=can_undo)


def _said(change: ImageChange) -> str:
    if change.source == Source.UNDO:
        return "took back"
    if change.source == Source.ACCEPTED:
        return "accepted a suggestion"
    if change.source == Source.TABLE:
        return "changed from a table"
    return "changed"


_OTHER_LABELS = {"caption": "Caption", REVIEW: "Review"}


def _label(name: str) -> str:
    if name.startswith(EXTRA):
        return sentence_case(name.removeprefix(EXTRA))
    return _OTHER_LABELS.get(name) or LABELS[name]


def entry_view(entry: Entry) -> EntryView:
    name = entry["field"]
    return EntryView(
        label=_label(name),
        before=shown(name, entry["before"]),
        after=shown(name, entry["after"]),
    )
