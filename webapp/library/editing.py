"""Changing what is said about an image: one act, one row of its history, and the index hears of it right after.

Everything goes through the image's row, locked: of two people who save at once, the second is told what the first one wrote.
All functions raise Image.DoesNotExist where ``user`` may not edit the image or there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.dateparse import parse_datetime

from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.library import leases
from webapp.library.field_rules import EXTRA, Rules
from webapp.library.metadata import MAX_EXTRA, BadMetadata, checked_caption
from webapp.library.models import Caption, Entry, Image, ImageChange, Source, text_key
from webapp.library.sending import send_changed

FIELDS = ("organ", "stain", "finding", "case", "slide", "tags", "mpp")
MOST_CAPTIONS = 50


class EditedMeanwhile(Exception):
    """Somebody else changed the same thing after it was read. ``change``: theirs, or None where it can no longer be named."""

    def __init__(self, change: ImageChange | None = None) -> None:
        super().__init__("Somebody changed this meanwhile.")
        self.change = change


@dataclass
class Draft:
    """An image whose row is locked, and what is being changed about it. ``seen``: the revision that the person had read.

    ``rules``: of its collection, where the caller knows them already.
    """

    image: Image
    user: User
    seen: int | None = None
    source: Source = Source.EDIT
    undoes: ImageChange | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    rules: Rules | None = None

    def set(self, name: str, told: Any) -> None:
        """One of FIELDS, or EXTRA and the name of a further one. Raises BadMetadata, EditedMeanwhile. What stays the same is
        no change.
        """
        before, after = self.value(name), self._checked(name, told)
        if before == after:
            return
        self._refuse_stale(name)
        if name.startswith(EXTRA):
            self._set_further(name.removeprefix(EXTRA), str(after))
        else:
            setattr(self.image, name, after)
        self._note(name, before, after)

    def value(self, name: str) -> Any:
        """As it is now; a further field that is unsaid is empty."""
        if name.startswith(EXTRA):
            return self.image.metadata.get(name.removeprefix(EXTRA), "")
        if name not in FIELDS:
            raise BadMetadata(f"There is no field {name[:40]!r} to change.")
        return getattr(self.image, name)

    def _checked(self, name: str, told: Any) -> Any:
        """What is taken back was right when it was said, whatever lists were closed since."""
        if self.source == Source.UNDO:
            self.rules = Rules()
        elif self.rules is None:
            self.rules = Rules.of(self.image.collection)
        return self.rules.checked(name.removeprefix(EXTRA), told)

    def _set_further(self, name: str, value: str) -> None:
        metadata = {key: told for key, told in self.image.metadata.items() if key != name or value}
        if value:
            metadata[name] = value
        if len(metadata) > MAX_EXTRA:
            raise BadMetadata(f"At most {MAX_EXTRA} further fields are kept of an image.")
        self.image.metadata = metadata

    def add_caption(self, told: object, **row: Any) -> Caption:
        text = checked_caption(told)
        captions = self.image.captions
        if captions.filter(key=text_key(text)).exists():
            raise BadMetadata("The image has this caption already.")
        if captions.count() >= MOST_CAPTIONS:
            raise BadMetadata(f"An image has at most {MOST_CAPTIONS} captions.")
        caption = captions.create(text=text, **({"made_by": self.user} | row))
        self._note("caption", None, text, caption=caption)
        return caption

    def change_caption(self, pk: UUID, told: object) -> None:
        caption, text = self.caption(pk), checked_caption(told)
        if caption.text == text:
            return
        self._refuse_stale("caption", pk)
        if self.image.captions.exclude(pk=pk).filter(key=text_key(text)).exists():
            raise BadMetadata("The image has this caption already.")
        before, caption.text = caption.text, text
        caption.save()
        self._note("caption", before, text, caption=caption)

    def remove_caption(self, pk: UUID) -> None:
        caption = self.caption(pk)
        self._refuse_stale("caption", pk)
        made = {"made_at": caption.made_at.isoformat(), "made_by": caption.made_by_id}
        self._note("caption", caption.text, None, caption=caption, about=made)
        caption.delete()

    def caption(self, pk: UUID) -> Caption:
        """Raises EditedMeanwhile for one that is gone: whoever names it has seen it."""
        caption = self.image.captions.filter(pk=pk).first()
        if caption is None:
            raise EditedMeanwhile(self.last_change("caption", pk))
        return caption

    def _refuse_stale(self, name: str, caption: UUID | None = None) -> None:
        if self.seen is not None and (last := self.last_change(name, caption)) and last.revision > self.seen:
            raise EditedMeanwhile(last)

    def last_change(self, name: str, caption: UUID | None = None) -> ImageChange | None:
        changes = self.image.changes.select_related("by")
        return next((change for change in changes if change.touches(name, caption)), None)

    def _note(
        self, name: str, before: Any, after: Any, *, caption: Caption | None = None, about: dict[str, Any] | None = None
    ) -> None:
        pk = str(caption.pk) if caption else ""
        self.entries.append(Entry(field=name, caption=pk, before=before, after=after, about=about or {}))


@contextmanager
def drafted(pk: UUID, *, user: User, seen: int | None = None, **about: Any) -> Iterator[Draft]:
    """What is changed inside is kept as one change, or not at all where something raises."""
    with transaction.atomic():
        draft = Draft(_locked(pk, user), user, seen, **about)
        yield draft
        if draft.entries:
            _keep(draft)


def _locked(pk: UUID, user: User) -> Image:
    return Image.objects.editable_by(user).select_for_update(of=("self",)).get(pk=pk)


def _keep(draft: Draft) -> ImageChange:
    image, entries = draft.image, draft.entries
    image.revision += 1
    fields = {entry["field"] for entry in entries}
    columns = {"metadata" if name.startswith(EXTRA) else name for name in fields - {"caption"}}
    image.save(update_fields=["revision", *columns])
    change = image.changes.create(
        by=draft.user,
        revision=image.revision,
        source=draft.source,
        entries=entries,
        evidence=draft.evidence,
        undoes=draft.undoes,
    )
    record(draft.user, "image-changed", image, change=change.pk, source=draft.source.value, fields=sorted(fields))
    leases.unsent([image.pk])
    gone = [UUID(entry["caption"]) for entry in entries if entry["field"] == "caption" and entry["after"] is None]
    transaction.on_commit(partial(send_changed, gone))
    return change


# --- what people do ---------------------------------------------------------------------------------------------------


def edit(pk: UUID, said: Mapping[str, object], *, user: User, seen: int | None = None) -> Image:
    """Field -> its new value; ``captions``, if named, is the whole list of them. Raises BadMetadata, EditedMeanwhile."""
    with drafted(pk, user=user, seen=seen) as draft:
        for name, told in said.items():
            if name == "captions":
                _set_captions(draft, told)
            else:
                draft.set(name, told)
    return draft.image


def _set_captions(draft: Draft, told: object) -> None:
    """Captions that are named stay as they are; others go, new ones come."""
    texts = [checked_caption(text) for text in told] if isinstance(told, (list, tuple)) else None
    if texts is None:
        raise BadMetadata("captions are a list of sentences.")
    wanted = {text_key(text): text for text in texts}
    for caption in list(draft.image.captions.all()):
        if wanted.get(caption.key) == caption.text:
            del wanted[caption.key]
        elif caption.key in wanted:
            draft.change_caption(caption.pk, wanted.pop(caption.key))
        else:
            draft.remove_caption(caption.pk)
    for text in wanted.values():
        draft.add_caption(text)


def accept(
    pk: UUID, name: str, term: str, *, user: User, evidence: Mapping[str, object], seen: int | None = None
) -> ImageChange | None:
    """A term that the model suggested becomes what the image's field says: reviewed, by ``user``, now.

    A tag is added, any other field replaced. None where it was reviewed already. Raises BadMetadata, EditedMeanwhile.
    """
    kept = {"source": Source.ACCEPTED, "evidence": {**evidence, "field": name, "term": term}}
    with drafted(pk, user=user, seen=seen, **kept) as draft:
        image = draft.image
        if (name, term) in reviewed(image):
            return None
        draft.set(name, [*image.tags, term] if name == "tags" else term)
        if not draft.entries:  # somebody had written the same: from now on it is reviewed as well
            value = getattr(image, name)
            draft.entries.append(Entry(field=name, caption="", before=value, after=value, about={}))
    return image.changes.first()


def undo(pk: UUID, change_pk: int, *, user: User) -> ImageChange | None:
    """Everything that the change did is taken back; None where it was already, and for a release, which review.py takes back.

    Raises ImageChange.DoesNotExist, EditedMeanwhile where something else was written over it since.
    """
    with drafted(pk, user=user, source=Source.UNDO) as draft:
        change = draft.image.changes.select_related("undone_by").get(pk=change_pk)
        if change.is_undone or change.source == Source.UNDO or change.touches("review"):
            return None
        take_back(draft, change)
    return draft.image.changes.first()


def take_back(draft: Draft, change: ImageChange) -> None:
    """Raises EditedMeanwhile. ``draft``: with Source.UNDO, of the image that ``change`` is about."""
    draft.undoes = change
    for entry in reversed(change.entries):
        _take_back(draft, entry)


def _take_back(draft: Draft, entry: Entry) -> None:
    if entry["field"] == "caption":
        _take_back_caption(draft, entry)
    elif entry["field"] == "tags":
        _take_back_tags(draft, entry)
    elif draft.value(entry["field"]) != entry["after"]:
        raise EditedMeanwhile(draft.last_change(entry["field"]))
    elif entry["before"] == entry["after"]:
        draft.entries.append(entry)
    else:
        draft.set(entry["field"], entry["before"])


def _take_back_tags(draft: Draft, entry: Entry) -> None:
    """Only the tags that it added or took away: others may have come since."""
    added = [tag for tag in entry["after"] if tag not in entry["before"]]
    taken = [tag for tag in entry["before"] if tag not in entry["after"]]
    now = draft.image.tags
    if any(tag not in now for tag in added):
        raise EditedMeanwhile(draft.last_change("tags"))
    if added or taken:
        draft.set("tags", [tag for tag in now if tag not in added] + [tag for tag in taken if tag not in now])
    else:
        draft.entries.append(entry)


def _take_back_caption(draft: Draft, entry: Entry) -> None:
    pk, about = UUID(entry["caption"]), entry["about"]
    if entry["before"] is None or entry["after"] is not None:
        caption = draft.caption(pk)
        if caption.text != entry["after"]:
            raise EditedMeanwhile(draft.last_change("caption", pk))
    if entry["before"] is None:
        draft.remove_caption(pk)
    elif entry["after"] is not None:
        draft.change_caption(pk, entry["before"])
    else:
        author = User.objects.filter(pk=about["made_by"] or 0).first()
        draft.add_caption(entry["before"], pk=pk, made_by=author)
        Caption.objects.filter(pk=pk).update(made_at=parse_datetime(about["made_at"]))


def reviewed(image: Image) -> dict[tuple[str, str], ImageChange]:
    """(field, value) -> the acceptance that it stands on: who reviewed it, when, and what the model had said.

    An acceptance stands while it was not taken back and the image still says so.
    """
    accepted = image.changes.filter(source=Source.ACCEPTED, undone_by=None).select_related("by")
    found = {(change.evidence["field"], change.evidence["term"]): change for change in accepted}
    return {said: change for said, change in found.items() if says(image, *said)}


def says(image: Image, name: str, term: str) -> bool:
    return term in image.tags if name == "tags" else getattr(image, name) == term


def noted(image: Image, before: Mapping[str, Any], *, user: User) -> None:
    """For what was written past this module, by the admin: ``before`` are the fields that are different now."""
    draft = Draft(image, user)
    for name, value in before.items():
        if name in FIELDS and value != getattr(image, name):
            draft.entries.append(Entry(field=name, caption="", before=value, after=getattr(image, name), about={}))
    if draft.entries:
        _keep(draft)
