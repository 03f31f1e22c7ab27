"""Tagging and moving many images at once, and taking back the last of it. Index and rights follow with the commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from webapp.accounts.models import User
from webapp.library import near_duplicates, resending, trash
from webapp.library.metadata import MAX_TAGS
from webapp.library.models import REPLACEABLE, Collection, Entry, Image, ImageChange, Source

TagChange = Literal["add", "remove"]
What = Literal["tags-added", "tags-removed", "moved", "thrown-away"]


@dataclass(frozen=True, kw_only=True)
class Undo:
    """How to take back one change. ``images``: id -> the tags that were added or removed, the collection it lay in before, or
    nothing where it was thrown away.

    ``into``: where it was moved. JSON both ways, for the session.
    """

    what: What
    images: dict[str, Any]
    into: str = ""

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        return cls(what=kept["what"], images=kept["images"], into=kept["into"])

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "images": self.images, "into": self.into}


@dataclass(frozen=True, kw_only=True)
class Done:
    """``changed``: so many images. ``duplicates``: their files lie in the target already. ``full``: they have too many tags."""

    changed: int
    undo: Undo | None = None
    duplicates: list[UUID] = field(default_factory=list)
    full: int = 0


# --- tags -------------------------------------------------------------------------------------------------------------


def tag(user: User, ids: Sequence[UUID], tags: Sequence[str], *, how: TagChange) -> Done:
    """Of ``ids`` those that ``user`` may change. An image that has the tags, or lacks them, stays as it is."""
    per_image = {str(pk): list(tags) for pk in ids}
    return _add(user, per_image) if how == "add" else _remove(user, per_image)


def _add(user: User, tags: dict[str, list[str]]) -> Done:
    added: dict[str, list[str]] = {}
    changed, full = [], 0
    with transaction.atomic():
        for image in _locked(user, tags):
            new = [each for each in tags[str(image.pk)] if each not in image.tags]
            if len(image.tags) + len(new) > MAX_TAGS:
                full += 1
            elif new:
                added[str(image.pk)] = new
                changed.append(_with_tags(image, [*image.tags, *new]))
        _keep_tags(user, changed)
    return Done(changed=len(changed), full=full, undo=Undo(what="tags-added", images=added) if added else None)


def _remove(user: User, tags: dict[str, list[str]]) -> Done:
    """However they are written: «Tumour» takes «tumour» away too."""
    removed: dict[str, list[str]] = {}
    changed = []
    with transaction.atomic():
        for image in _locked(user, tags):
            unwanted = {each.casefold() for each in tags[str(image.pk)]}
            gone = [each for each in image.tags if str(each).casefold() in unwanted]
            if gone:
                removed[str(image.pk)] = gone
                changed.append(_with_tags(image, [each for each in image.tags if each not in gone]))
        _keep_tags(user, changed)
    return Done(changed=len(changed), undo=Undo(what="tags-removed", images=removed) if removed else None)


def _with_tags(image: Image, tags: list[str]) -> tuple[Image, Entry]:
    """The image as it will be, and what its history says of it."""
    entry = Entry(field="tags", caption="", before=image.tags, after=tags, about={})
    image.tags, image.revision = tags, image.revision + 1
    return image, entry


def _keep_tags(user: User, changed: list[tuple[Image, Entry]]) -> None:
    images = [image for image, _ in changed]
    if not images:
        return
    Image.objects.bulk_update(images, ["tags", "revision"], batch_size=100)
    ImageChange.objects.bulk_create(
        ImageChange(image=image, by=user, revision=image.revision, source=Source.EDIT, entries=[entry])
        for image, entry in changed
    )
    resending.changed([image.pk for image in images])


def _locked(user: User, ids: dict[str, Any]) -> list[Image]:
    """Nobody else changes them until the transaction ends; in one order, so that two of these cannot block each other."""
    editable = Image.objects.editable_by(user).filter(pk__in=list(ids))
    return list(editable.select_for_update().order_by("pk"))


# --- moving -----------------------------------------------------------------------------------------------------------


def move(user: User, ids: Sequence[UUID], into: Collection) -> Done:
    """Of ``ids`` those that ``user`` may change, into a collection that the caller has checked to be theirs to change too.

    A file that lies there already stays where it is: nothing is overwritten.
    """
    return _move(user, dict.fromkeys(map(str, ids), into.pk), what_was=into)


def _move(user: User, targets: dict[str, UUID], *, what_was: Collection | None = None) -> Done:
    before: dict[str, str] = {}
    duplicates = []
    with transaction.atomic():
        images = [image for image in _locked(user, targets) if image.collection_id != targets[str(image.pk)]]
        for image in images:
            if _moved(image, targets[str(image.pk)]):
                before[str(image.pk)] = str(image.collection_id)
            else:
                duplicates.append(image.pk)
        if before:
            near_duplicates.compare_again(map(UUID, before))
            resending.changed([UUID(pk) for pk in before])
    undo = Undo(what="moved", images=before, into=str(what_was.pk)) if before and what_was else None
    return Done(changed=len(before), duplicates=duplicates, undo=undo)


def _moved(image: Image, target: UUID) -> bool:
    """False where the target has the same bytes."""
    if Image.objects.filter(collection=target, sha256=image.sha256).exclude(state__in=REPLACEABLE).exists():
        return False
    try:
        with transaction.atomic():
            return bool(Image.objects.filter(pk=image.pk).update(collection=target, revision=F("revision") + 1))
    except IntegrityError:  # the same file came in by an upload at this moment
        return False


# --- throwing away ----------------------------------------------------------------------------------------------------


def throw_away(user: User, ids: Sequence[UUID]) -> Done:
    """Of ``ids`` those that ``user`` may change, into the trash."""
    gone = trash.throw_away(Image.objects.filter(pk__in=ids), user=user)
    undo = Undo(what="thrown-away", images=dict.fromkeys(map(str, gone), "")) if gone else None
    return Done(changed=len(gone), undo=undo)


# --- taking back ------------------------------------------------------------------------------------------------------


def take_back(user: User, undo: Undo) -> Done:
    """With the rights of now. What others have changed since stays: an image that was moved on is not brought back."""
    if undo.what == "tags-added":
        return _remove_exactly(user, undo.images)
    if undo.what == "tags-removed":
        return _add(user, undo.images)
    if undo.what == "thrown-away":
        brought = trash.bring_back(Image.objects.filter(pk__in=list(undo.images)), user=user)
        return Done(changed=len(brought.back), duplicates=brought.same)
    mine = Collection.objects.editable_by(user).filter(pk__in=set(undo.images.values()))
    open_to_me = set(mine.values_list("pk", flat=True))
    still = set(Image.objects.filter(pk__in=list(undo.images), collection=UUID(undo.into)).values_list("pk", flat=True))
    home = {pk: UUID(was) for pk, was in undo.images.items() if UUID(was) in open_to_me and UUID(pk) in still}
    return _move(user, home)


def _remove_exactly(user: User, tags: dict[str, list[str]]) -> Done:
    changed = []
    with transaction.atomic():
        for image in _locked(user, tags):
            kept = [each for each in image.tags if each not in tags[str(image.pk)]]
            if kept != image.tags:
                changed.append(_with_tags(image, kept))
        _keep_tags(user, changed)
    return Done(changed=len(changed))
