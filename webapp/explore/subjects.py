"""Whatever was asked with -> the one vector to search with, and what must not be among the hits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import UUID

from django.http import Http404

from search import Filters
from webapp.accounts.models import User
from webapp.explore import crops, pictures
from webapp.explore.asking import BadQuery, Crop, SearchQuery
from webapp.explore.builder import Built
from webapp.explore.composing import unit_sum
from webapp.explore.encoding import Array
from webapp.explore.judging import Judged, judged
from webapp.explore.models import QueryPicture
from webapp.explore.wording import said
from webapp.library.models import Embedding, Image
from webapp.library.models.vectors import from_bytes
from webapp.library.regions import Box, standard_box


@dataclass(frozen=True, kw_only=True)
class View:
    """What the model sees of a picture of ``width`` × ``height`` pixels: the square ``box``, the middle of ``part`` where one
    was cropped. Boxes are left, top, right, bottom in the upright picture's own pixels.
    """

    width: int
    height: int
    box: Box
    part: Box | None = None

    @classmethod
    def of(cls, width: int, height: int, crop: Crop | None = None) -> View:
        """The view that every model's preprocessing takes: the shortest side resized, then the square in the middle."""
        if crop is None:
            return cls(width=width, height=height, box=standard_box(width, height))
        left, top, right, bottom = part = crop.box(width, height)
        inner = standard_box(right - left, bottom - top)
        return cls(width=width, height=height, box=(left + inner[0], top + inner[1], left + inner[2], top + inner[3]), part=part)

    @property
    def leaves_something_out(self) -> bool:
        return self.box != (0, 0, self.width, self.height)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """The one picture of a question. ``vector``: float32 [dim], unit. ``view`` None: its size was not kept."""

    vector: Array
    image: Image | None = None
    picture: QueryPicture | None = None
    view: View | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """How a question was read. ``cut_text``: words that were not. ``shown``: the picture that was asked with, if there was one.
    ``built``: what the builder's slots became. ``judged``: the liked and disliked images that took part.
    """

    cut_text: str = ""
    shown: Shown | None = None
    built: Built | None = None
    judged: Judged = field(default_factory=lambda: Judged(parts=[]))

    @property
    def image(self) -> Image | None:
        return self.shown.image if self.shown else None

    @property
    def picture(self) -> QueryPicture | None:
        return self.shown.picture if self.shown else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject(Read):
    """``vector``: float32 [dim], unit. ``kind``: "image" where pictures alone are asked with."""

    vector: Array
    kind: Literal["text", "image"]

    def excluded(self, filters: Filters, *, case_too: bool) -> Filters:
        """``filters``, and never the image itself; nor, where asked, anything else of its case."""
        if self.image is None:
            return filters
        cases = (self.image.case,) if case_too and self.image.case else ()
        return replace(filters, exclude_images=(str(self.image.pk),), exclude_cases=(*filters.exclude_cases, *cases))


def subject_of(query: SearchQuery, *, user: User, fingerprint: str) -> Subject:
    """Raises Http404 for a picture that ``user`` may not see or that is not there, BadQuery, Outage."""
    shown = shown_in(query, user=user, fingerprint=fingerprint)
    chosen = judged(query, user=user, fingerprint=fingerprint)
    words = said(query, user=user, fingerprint=fingerprint)
    seen = [(1.0, shown.vector)] if shown else []
    return Subject(
        vector=unit_sum([*seen, *words.parts, *chosen.parts]),
        kind="text" if query.says_something else "image",
        cut_text=words.cut_text,
        shown=shown,
        built=words.built,
        judged=chosen,
    )


def shown_in(query: SearchQuery, *, user: User, fingerprint: str) -> Shown | None:
    """The question's picture, None where it has none. Raises as subject_of()."""
    if query.image_bytes is not None:
        return _of_picture(pictures.remember(query.image_bytes, user=user, fingerprint=fingerprint), None, fingerprint)
    if query.picture_id is not None:
        return _of_picture(_own_picture(query.picture_id, user), query.crop, fingerprint)
    if query.image_id is not None and query.crop is not None:
        return _of_image_part(_visible_image(query.image_id, user), query.crop, fingerprint)
    return _of_region(query, user, fingerprint) if query.has_picture else None


def _of_picture(picture: QueryPicture, crop: Crop | None, fingerprint: str) -> Shown:
    view = View.of(picture.width, picture.height, crop) if picture.width and picture.height else None
    if crop is None:
        vector = pictures.vector_of(picture, fingerprint=fingerprint)
    else:
        vector = crops.of_picture(picture, crop, fingerprint=fingerprint)
    return Shown(vector=vector, picture=picture, view=view)


def _of_image_part(image: Image, crop: Crop, fingerprint: str) -> Shown:
    view = View.of(image.width, image.height, crop) if image.width and image.height else None
    return Shown(vector=crops.of_image(image, crop, fingerprint=fingerprint), image=image, view=view)


def _of_region(query: SearchQuery, user: User, fingerprint: str) -> Shown:
    """From SQL, not from the index: exact, and there while the encoder is not. One statement where it is there."""
    visible = Image.objects.visible_to(user)
    wanted = {"region": query.region_id} if query.region_id else {"region__image": query.image_id, "region__standard": True}
    stored = Embedding.objects.filter(fingerprint=fingerprint, region__image__in=visible, **wanted)
    found = stored.select_related("region__image").first()
    if found is None:
        raise _why_not_there(query, user)
    region, image = found.region, found.region.image
    view = View(width=image.width, height=image.height, box=region.box) if image.width and image.height else None
    return Shown(vector=from_bytes(found.search), image=image, view=view)


def _why_not_there(query: SearchQuery, user: User) -> BadQuery | Http404:
    named = {"pk": query.image_id} if query.image_id else {"regions": query.region_id}
    if Image.objects.visible_to(user).filter(**named).exists():
        return BadQuery("not_searchable_yet", "This image is not in the index yet: try again when it is ready.")
    return Http404("There is no such image.")


def _own_picture(picture_id: UUID, user: User) -> QueryPicture:
    picture = QueryPicture.objects.visible_to(user).light().filter(pk=picture_id).first()
    if picture is None:
        raise Http404("There is no such picture.")
    return picture


def _visible_image(image_id: UUID, user: User) -> Image:
    image = Image.objects.visible_to(user).filter(pk=image_id).first()
    if image is None:
        raise Http404("There is no such image.")
    return image
