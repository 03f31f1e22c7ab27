"""What a person decides about two images that may be the same: keep both, or keep one and throw the other into the trash.

Both rows are locked and asked again: whoever is to be kept must be there, so that of three that are alike no two decisions throw
away the last. What only the other one says can be taken over first. Each decision can be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.library import editing, trash
from webapp.library.duplicates import SHOWN, reviewable, siblings
from webapp.library.editing import MOST_CAPTIONS, EditedMeanwhile
from webapp.library.metadata import MAX_EXTRA, MAX_TAGS, BadMetadata
from webapp.library.models import DuplicatePair, Image, Likeness
from webapp.library.models.images import ImageQuerySet
from webapp.library.slicing import slices

Decision = Literal["both", "first", "second"]
TAKEN_OVER = ("organ", "stain", "finding", "case", "slide", "mpp")
ONE_IS_GONE = "One of the two has gone since you looked, so nothing was done: what is left is not thrown away."


class NotDone(Exception):
    """The decision does not fit any more; the sentence is for people."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What one image says and the other, which is kept, does not."""

    fields: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(vars(self).values())


@dataclass(frozen=True, kw_only=True)
class Decided:
    """How to take it back; JSON both ways, for the session. ``thrown``: "" where both are kept.

    ``change``: of the kept one's history, 0 where nothing was taken over. ``metadata``: names that were.
    """

    first: str
    second: str
    kept: str = ""
    thrown: str = ""
    change: int = 0
    metadata: list[str] = field(default_factory=list)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        return cls(**{name: told[name] for name in cls.__dataclass_fields__})

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


# --- what would be taken over -----------------------------------------------------------------------------------------


def gain(kept: Image, other: Image) -> Gain:
    """As much of it as ``kept`` has room for."""
    said = {name: getattr(other, name) for name in TAKEN_OVER if _unsaid(kept, name) and not _unsaid(other, name)}
    if kept.width != other.width or kept.height != other.height:
        said.pop("mpp", None)  # of a picture that was resized, another resolution
    tags = [tag for tag in other.tags if tag not in kept.tags][: max(0, MAX_TAGS - len(kept.tags))]
    mine = {caption.key for caption in kept.captions.all()}
    texts = {caption.key: caption.text for caption in other.captions.all() if caption.key not in mine}
    captions = list(texts.values())[: max(0, MOST_CAPTIONS - len(mine))]
    further = {name: value for name, value in other.metadata.items() if name not in kept.metadata}
    room = max(0, MAX_EXTRA - len(kept.metadata))
    return Gain(fields=said, tags=tags, captions=captions, metadata=dict(list(further.items())[:room]))


def _unsaid(image: Image, name: str) -> bool:
    return getattr(image, name) in (None, "")


def _take_over(kept: Image, other: Image, user: User) -> int:
    """The change of ``kept``'s history that it is, or 0. Raises BadMetadata."""
    more = gain(kept, other)
    before = kept.revision
    with editing.drafted(kept.pk, user=user) as draft:
        for name, value in more.fields.items():
            draft.set(name, value)
        if more.tags:
            draft.set("tags", [*draft.image.tags, *more.tags])
        for caption in more.captions:
            draft.add_caption(caption)
    if more.metadata:
        Image.objects.filter(pk=kept.pk).update(metadata=draft.image.metadata | more.metadata)
    change = kept.changes.filter(revision__gt=before).first()
    return change.pk if change else 0


# --- deciding ---------------------------------------------------------------------------------------------------------


def decide(first: UUID, second: UUID, decision: Decision, *, user: User, take_over: bool = False) -> Decided:
    """In one transaction. Raises Image.DoesNotExist for what is not a pair that ``user`` may decide on, NotDone."""
    with transaction.atomic():
        one, other = _locked(first, second, user)
        likeness = likeness_of(one, other)
        if likeness is None:
            raise Image.DoesNotExist
        if decision == "both":
            _note(one, other, likeness, DuplicatePair.Decision.KEEP_BOTH, user)
            done = Decided(first=str(first), second=str(second))
        else:
            kept, thrown = (one, other) if decision == "first" else (other, one)
            done = _throw_away(thrown, kept, user, take_over=take_over)
            _note(one, other, likeness, DuplicatePair.Decision.THROWN_AWAY, user)
        record(user, "duplicates-decided", one, other=str(other.pk), decision=decision, likeness=likeness.value)
    return done


def _locked(first: UUID, second: UUID, user: User) -> tuple[Image, Image]:
    """In one order, so that two decisions cannot block each other."""
    held = reviewable(user).filter(pk__in=[first, second]).order_by("pk").select_for_update(of=("self",))
    images = {image.pk: image for image in held}
    if first == second or not images:
        raise Image.DoesNotExist
    if len(images) < 2:
        missing = second if first in images else first
        _say_where(missing, user)
    return images[first], images[second]


def _say_where(missing: UUID, user: User) -> None:
    """What this user had, or could have, is told apart from what is not theirs to know."""
    mine = Image.objects.filter(pk=missing)
    if mine.trash_of(user).exists() or mine.editable_by(user).exclude(state__in=SHOWN).exists():
        raise NotDone(ONE_IS_GONE)
    raise Image.DoesNotExist


def likeness_of(one: Image, other: Image) -> Likeness | None:
    """How they are alike, by what SQL says now; None where they are no pair."""
    if siblings(one, other):
        return None
    if one.sha256 == other.sha256:
        return Likeness.BYTES
    if one.pixels_sha256 and one.pixels_sha256 == other.pixels_sha256:
        return Likeness.PIXELS
    return Likeness.NEAR if _row(one, other).filter(likeness=Likeness.NEAR).exists() else None


def _row(one: Image, other: Image) -> Any:
    low, high = sorted((one.pk, other.pk))
    return DuplicatePair.objects.filter(first=low, second=high)


def _note(one: Image, other: Image, likeness: Likeness, decision: str, user: User) -> None:
    low, high = sorted((one.pk, other.pk))
    told = {"decision": decision, "decided_by": user, "decided_at": Now()}
    DuplicatePair.objects.update_or_create(
        first_id=low, second_id=high, defaults=told, create_defaults=told | {"likeness": likeness}
    )  # fmt: skip


def _throw_away(thrown: Image, kept: Image, user: User, *, take_over: bool) -> Decided:
    names: list[str] = []
    change = 0
    if take_over:
        names = list(gain(kept, thrown).metadata)
        try:
            change = _take_over(kept, thrown, user)
        except BadMetadata as bad:
            raise NotDone(f"Nothing was done: what the other one says could not be taken over. {bad}") from bad
    if trash.throw_away(Image.objects.filter(pk=thrown.pk), user=user) != [thrown.pk]:
        raise NotDone(ONE_IS_GONE)
    first, second = sorted((str(kept.pk), str(thrown.pk)))
    return Decided(first=first, second=second, kept=str(kept.pk), thrown=str(thrown.pk), change=change, metadata=names)


# --- taking back ------------------------------------------------------------------------------------------------------


def take_back(done: Decided, *, user: User) -> str:
    """With the rights of now; what there is to say beside «Taken back», or "". Raises Image.DoesNotExist, NotDone."""
    with transaction.atomic():
        left = _bring_back(done, user) if done.thrown else ""
        if reviewable(user).filter(pk__in=[done.first, done.second]).count() < 2 and not done.thrown:
            raise Image.DoesNotExist
        first, second = UUID(done.first), UUID(done.second)
        pair = DuplicatePair.objects.filter(first=min(first, second), second=max(first, second))
        pair.exclude(likeness=Likeness.NEAR).delete()
        pair.update(decision="", decided_by=None, decided_at=None)
        record(user, "duplicates-taken-back", images=[done.first, done.second])
    return left


def _bring_back(done: Decided, user: User) -> str:
    thrown: ImageQuerySet = Image.objects.filter(pk=done.thrown)
    if not trash.bring_back(thrown, user=user).back:
        raise NotDone("It cannot be brought back: it has left the trash, or the same file lies in the collection again.")
    try:
        with transaction.atomic():
            _give_back(done, user)
    except (EditedMeanwhile, BadMetadata, Image.DoesNotExist):
        return "What the other one had taken over was changed since and stays."
    return ""


def _give_back(done: Decided, user: User) -> None:
    """Raises EditedMeanwhile, BadMetadata, Image.DoesNotExist."""
    if done.change:
        editing.undo(UUID(done.kept), done.change, user=user)
    if done.metadata:
        kept = Image.objects.editable_by(user).select_for_update(of=("self",)).get(pk=done.kept)
        other = Image.objects.get(pk=done.thrown)
        same = [name for name in done.metadata if kept.metadata.get(name) == other.metadata.get(name)]
        left = {name: value for name, value in kept.metadata.items() if name not in same}
        Image.objects.filter(pk=kept.pk).update(metadata=left)


# --- many at once -----------------------------------------------------------------------------------------------------


def oldest_of_each(pairs: Iterable[tuple[UUID, UUID]], *, user: User) -> list[tuple[UUID, UUID]]:
    """(the one to keep, one to throw away): of all that undecided pairs link, the one that was there first stays."""
    groups = _linked(pairs)
    ages = _ages({pk for group in groups for pk in group}, user)
    orders: list[tuple[UUID, UUID]] = []
    for group in groups:
        ordered = sorted((pk for pk in group if pk in ages), key=lambda pk: (ages[pk], pk))
        orders += [(ordered[0], thrown) for thrown in ordered[1:]]
    return orders


def _linked(pairs: Iterable[tuple[UUID, UUID]]) -> list[set[UUID]]:
    group_of: dict[UUID, set[UUID]] = {}
    for one, other in pairs:
        joined = group_of.get(one, {one}) | group_of.get(other, {other})
        group_of.update(dict.fromkeys(joined, joined))
    return list({id(group): group for group in group_of.values()}.values())


def _ages(ids: set[UUID], user: User) -> dict[UUID, Any]:
    return {
        pk: at for some in slices(sorted(ids)) for pk, at in reviewable(user).filter(pk__in=some).values_list("pk", "stored_at")
    }
