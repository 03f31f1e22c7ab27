"""Images that are held because they look like a patient's: an editor releases them, or throws them away.

A release is a change like any other: in the image's history and in the audit log, and it can be taken back. What was found is
kept as places and patterns, never in words; a neutral name replaces the file's own for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePosixPath
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from webapp.accounts.audit import record
from webapp.accounts.models import User
from webapp.library import history, identity, sending, trash
from webapp.library.identity import Found
from webapp.library.models import Entry, Image, ImageChange, ItemState, State, UploadItem
from webapp.library.models.images import ImageQuerySet
from webapp.library.slicing import slices

FIELD = history.REVIEW
HELD, RELEASED, RENAMED = "held for review", "released", "released under a neutral name"
FREE = {"attempts": 0, "lease_until": None, "lease_token": None}
LATELY = timedelta(days=1)  # what was reviewed so recently counts as part of the same sitting
NEVER_RELEASED = (State.HELD, State.FAILED, State.TRASHED)


@dataclass(frozen=True)
class Narrowing:
    """Which of the held images: those of a collection, an upload, a pattern; None and "" mean all."""

    collection: UUID | None = None
    upload: UUID | None = None
    pattern: str = ""

    def of(self, images: ImageQuerySet) -> ImageQuerySet:
        if self.collection:
            images = images.filter(collection=self.collection)
        if self.upload:
            images = images.filter(upload_items__upload=self.upload, upload_items__state=ItemState.ACCEPTED)
        return images.order_by("stored_at", "pk")

    def ids(self, images: ImageQuerySet) -> list[UUID]:
        """Findings are compared here and not in SQL: SQLite cannot look into JSON lists."""
        rows = self.of(images).values_list("pk", "found_identity")
        return [pk for pk, found in rows if not self.pattern or self.pattern in {pattern for _place, pattern in found}]

    def count(self, images: ImageQuerySet) -> int:
        """How many ids() would find; by SQL where no finding has to be looked into."""
        return len(self.ids(images)) if self.pattern else self.of(images).count()


@dataclass(frozen=True)
class Progress:
    """``done``: reviewed by anybody within LATELY."""

    left: int
    done: int

    @property
    def total(self) -> int:
        return self.left + self.done

    @property
    def share(self) -> float:
        """In per cent."""
        return 100 * self.done / self.total if self.total else 100.0


def progress(user: User, narrowing: Narrowing, *, left: int) -> Progress:
    since = timezone.now() - LATELY
    released = Image.objects.editable_by(user).filter(reviewed_at__gt=since)
    gone = Image.objects.trash_of(user).filter(trashed_at__gt=since, trashed_from=State.HELD)
    return Progress(left, narrowing.count(released) + narrowing.count(gone))


def by_pattern(images: ImageQuerySet) -> list[tuple[str, int]]:
    """Pattern -> how many of ``images`` it was found in, most frequent first."""
    counted: Counter[str] = Counter()
    for found in images.order_by().values_list("found_identity", flat=True):
        counted.update({pattern for _place, pattern in found})
    return counted.most_common()


def paths(images: Iterable[Image]) -> dict[UUID, str]:
    """The name that each file was sent with, its folders before it: what was found may stand there."""
    wanted = {image.pk: image.name for image in images}
    items = UploadItem.objects.filter(image__in=wanted, state=ItemState.ACCEPTED).values_list("image", "name")
    return wanted | dict(items)


# --- decisions --------------------------------------------------------------------------------------------------------


def release(ids: Sequence[UUID], *, user: User, rename: bool = False) -> tuple[list[UUID], datetime]:
    """Of ``ids`` those that ``user`` may review: they go on to be embedded. Which, and when, by which it can be taken back."""
    at, released = timezone.now(), []
    with transaction.atomic():
        for some in slices(ids):
            released += _release(some, user, at, rename)
        if released:
            record(user, "images-released", images=list(map(str, released)), renamed=rename)
            transaction.on_commit(partial(sending.send_embed, released))
    return released, at


def _release(ids: Sequence[UUID], user: User, at: datetime, rename: bool) -> list[UUID]:
    images = list(Image.objects.held_for(user).filter(pk__in=ids).order_by("pk").select_for_update(of=("self",)))
    for image in images:
        image.state, image.reviewed_by, image.reviewed_at = State.DECODED, user, at
        image.revision += 1
        if rename:
            image.name = neutral(image)
            UploadItem.objects.filter(image=image, state=ItemState.ACCEPTED).update(name=image.name)
    Image.objects.bulk_update(images, ["state", "reviewed_by", "reviewed_at", "revision", "name"], batch_size=100)
    _note(images, user, before=HELD, after=RENAMED if rename else RELEASED)
    return [image.pk for image in images]


def neutral(image: Image) -> str:
    """A name that says nothing but what kind of file it is."""
    ending = PurePosixPath(image.name).suffix.lower()
    return f"image-{image.pk.hex[:8]}{ending if ending[1:].isalnum() and len(ending) <= 6 else ''}"


def hold_again(images: ImageQuerySet, *, user: User) -> list[UUID]:
    """Of ``images`` those that were released and that ``user`` may change; which. Nobody finds them any more from here on.

    A neutral name stays: the old one is not known any more.
    """
    with transaction.atomic():
        held = Image.objects.editable_by(user).exclude(reviewed_at=None).exclude(state__in=NEVER_RELEASED)
        rows = list(held.filter(pk__in=images.order_by().values("pk")).order_by("pk").select_for_update(of=("self",)))
        for some in slices(rows):
            Image.objects.filter(pk__in=[row.pk for row in some]).update(
                state=State.HELD, reviewed_by=None, reviewed_at=None, revision=F("revision") + 1, **FREE
            )
        for row in rows:
            row.revision += 1
        _note(rows, user, before=RELEASED, after=HELD)
        ids = [row.pk for row in rows]
        if ids:
            record(user, "images-held", images=list(map(str, ids)))
            transaction.on_commit(partial(trash.forget_points, ids))
    return ids


def hold_found(found: Mapping[UUID, Found]) -> list[UUID]:
    """Image -> what was found in words that came to it later, in a table for example. Which are held now, whatever was reviewed
    before; those that wait to be decoded will be. In the caller's transaction.
    """
    asked = settings.IDENTITY_CHECK
    told = {pk: pairs for pk, pairs in found.items() if pairs and asked != "off"}
    held: list[UUID] = []
    for some in slices(told):
        images = list(Image.objects.filter(pk__in=some).order_by("pk").select_for_update(of=("self",)))
        for image in images:
            image.found_identity = identity.together(image.found_identity, told[image.pk])
            if asked == "hold" and image.state not in NEVER_RELEASED:
                image.reviewed_by = image.reviewed_at = None
                image.lease_until = image.lease_token = None
                image.state = State.STORED if image.decoded_at is None else State.HELD
                image.revision += 1
                held.append(image.pk)
        fields = ["found_identity", "reviewed_by", "reviewed_at", "lease_until", "lease_token", "state", "revision"]
        Image.objects.bulk_update(images, fields, batch_size=100)
    if held:
        record(None, "images-held", images=list(map(str, held)))
        transaction.on_commit(partial(trash.forget_points, held))
    return held


def released_at(user: User, at: datetime) -> ImageQuerySet:
    """What ``user`` released in one act."""
    return Image.objects.filter(reviewed_by=user, reviewed_at=at)


def _note(images: Sequence[Image], user: User, *, before: str, after: str) -> None:
    entry = Entry(field=FIELD, caption="", before=before, after=after, about={})
    changes = [ImageChange(image=image, by=user, revision=image.revision, entries=[entry]) for image in images]
    ImageChange.objects.bulk_create(changes, batch_size=100)
