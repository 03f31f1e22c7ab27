"""Images that somebody chose for an action: at most so many, and only those that this person may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.http import QueryDict

from webapp.accounts.models import User
from webapp.library.models import Collection, Image
from webapp.requests import uuid_of

MOST = 500  # images an action
SURE_UP_TO = 20  # more are changed only after a question


class BadChoice(ValueError):
    """Nothing was chosen, or too much; the sentence is for people."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """``images``: in the order in which they were chosen. ``editable``: those of them that may be changed."""

    images: list[Image]
    editable: frozenset[UUID]

    @property
    def ids(self) -> list[UUID]:
        return [image.pk for image in self.images]

    @property
    def to_change(self) -> list[UUID]:
        return [image.pk for image in self.images if image.pk in self.editable]

    @property
    def looked_at(self) -> int:
        """How many may be seen and not changed."""
        return len(self.images) - len(self.editable)

    @property
    def as_text(self) -> str:
        return ",".join(map(str, self.ids))


def asked(form: QueryDict) -> list[UUID]:
    """``images``, parted by commas (the script's), and each ``image`` (a checkbox); what is no id is left out, as is the second
    of two.
    """
    told = [*form.get("images", "").split(","), *form.getlist("image")]
    return list(dict.fromkeys(pk for each in told if (pk := uuid_of(each.strip())) is not None))


def choose(user: User, ids: Sequence[UUID]) -> Chosen:
    """Whatever ``user`` may not see is as if it had not been chosen. Raises BadChoice."""
    if len(ids) > MOST:
        raise BadChoice(f"At most {MOST} images at a time: {len(ids):,} are selected.")
    visible = Image.objects.visible_to(user).filter(pk__in=ids)
    found = {image.pk: image for image in visible.select_related("collection").prefetch_related("captions").order_by()}
    if not found:
        raise BadChoice("Select images first: tick the box on their cards.")
    mine = set(
        Collection.objects.editable_by(user)
        .filter(pk__in={image.collection_id for image in found.values()})
        .values_list("pk", flat=True)
    )
    images = [found[pk] for pk in ids if pk in found]
    return Chosen(images=images, editable=frozenset(image.pk for image in images if image.collection_id in mine))
