"""Pages: a file that holds several pictures becomes as many images of one slide, each with a line of its own in the receipt.

The file's own image is page 1. The others are made in the transaction that stores page 1 as decoded, so that a crash leaves all
of them or none; then each goes the pipeline's way by itself, taken out of the file by its number, and fails by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction

from webapp.library.models import REPLACEABLE, Caption, Image, ItemState, Kept, State, UploadItem
from webapp.library.models.images import ImageQuerySet
from webapp.library.models.uploads import Kind
from webapp.library.sending import send_prepare
from webapp.library.slicing import slices

if TYPE_CHECKING:
    from webapp.library.models.collections import Viewer

SAME = ("duplicate", "The same page of the same file is already in this collection.")
COPIED = ("collection_id", "added_by_id", "stain", "organ", "finding", "case", "slide", "tags", "metadata", "found_identity")
NEAR = 2
NAME_LENGTH, ITEM_LENGTH = 255, 1024


@dataclass(frozen=True, kw_only=True)
class Pages:
    """``count``: of the file; ``seen``: those of them that one may see, in order."""

    number: int
    count: int
    seen: Sequence[Image]

    @property
    def near(self) -> list[Image]:
        """The first, the last, and those around this one."""
        ends = {self.seen[0], self.seen[-1]} if self.seen else set()
        return [page for page in self.seen if page in ends or abs((page.page or 0) - self.number) <= NEAR]


def is_further(image: Image) -> bool:
    return image.page is not None and image.page > 1


def own_slide(image: Image) -> str:
    """A slide's name for pages that belong together and of which nobody has said one; the file's name may be a patient's."""
    return image.pk.hex[:8]


def page_sha256(file_sha256: str, number: int) -> str:
    """Stands for one page of one file, so that a file that comes in again does not bring its pages twice."""
    return hashlib.sha256(f"{file_sha256}#{number}".encode()).hexdigest()


def add_pages(first: Image, count: int) -> list[Image]:
    """Pages 2 to ``count`` of the file that ``first`` is page 1 of, where they are not there yet. In the caller's transaction."""
    said_mpp = first.mpp  # by a person, before the file's own was stored: each page says its own
    first = Image.objects.get(pk=first.pk)
    item = _item_of_file(first)
    if item is None:
        return []
    there = set(item.members.filter(kind=Kind.PAGE).values_list("name", flat=True))
    wanted = [number for number in range(2, count + 1) if _named(item.name, number, ITEM_LENGTH) not in there]
    known = _known(first, wanted)
    made = {number: _page(first, number, said_mpp) for number in wanted if number not in known}
    Image.objects.bulk_create(made.values())
    said = list(first.captions.all())
    Caption.objects.bulk_create(
        Caption(image=page, text=caption.text, key=caption.key, made_by_id=caption.made_by_id)
        for page in made.values()
        for caption in said
    )
    UploadItem.objects.bulk_create(_line(item, number, made.get(number), known.get(number)) for number in wanted)
    transaction.on_commit(partial(send_prepare, [page.pk for page in made.values()]))
    return list(made.values())


def _known(first: Image, numbers: Sequence[int]) -> dict[int, Image]:
    digests = {page_sha256(first.sha256, number): number for number in numbers}
    same = Image.objects.filter(collection=first.collection_id).exclude(state__in=REPLACEABLE)
    return {digests[image.sha256]: image for some in slices(list(digests)) for image in same.filter(sha256__in=some)}


def _page(first: Image, number: int, mpp: float | None) -> Image:
    return Image(
        name=_named(first.name, number, NAME_LENGTH),
        sha256=page_sha256(first.sha256, number),
        bytes=0,  # until it is decoded, and has a file of its own
        kept=Kept.PIXELS,
        page=number,
        mpp=mpp,
        **{name: getattr(first, name) for name in COPIED},
    )


def _line(item: UploadItem, number: int, made: Image | None, known: Image | None) -> UploadItem:
    name = _named(item.name, number, ITEM_LENGTH)
    line = UploadItem(upload_id=item.upload_id, name=name, kind=Kind.PAGE, parent=item, received_at=item.received_at)
    line.image, line.state = made or known, ItemState.ACCEPTED if made else ItemState.DUPLICATE
    if made is None:
        line.reason, line.reason_text = SAME
    return line


def _named(name: str, number: int, length: int) -> str:
    ending = f", page {number}"
    return name[: length - len(ending)] + ending


def _item_of_file(first: Image) -> UploadItem | None:
    return first.upload_items.filter(state=ItemState.ACCEPTED).exclude(kind=Kind.PAGE).order_by("pk").first()


def _item_of_page(page: Image) -> UploadItem | None:
    return page.upload_items.filter(kind=Kind.PAGE, state=ItemState.ACCEPTED).select_related("parent__image").first()


def file_of(page: Image) -> Image | None:
    """The image that has the file which this further page is taken out of; None where it is gone."""
    item = _item_of_page(page)
    return None if item is None or item.parent is None else item.parent.image


def waiting_pages(first: Image) -> ImageQuerySet:
    """Pages that are still to be taken out of the file of ``first``."""
    item = _item_of_file(first)
    lines = UploadItem.objects.none() if item is None else item.members.filter(kind=Kind.PAGE, state=ItemState.ACCEPTED)
    return Image.objects.filter(pk__in=lines.values("image"), state=State.STORED)


def pages_of(image: Image, user: Viewer) -> Pages | None:
    """None for an image whose file has one picture."""
    if image.page is None:
        return None
    item = _item_of_file(image)
    if is_further(image):
        line = _item_of_page(image)
        item = None if line is None else line.parent
    if item is None:
        return None
    lines = item.members.filter(kind=Kind.PAGE)
    ids = [item.image_id, *lines.values_list("image", flat=True)]
    seen = Image.objects.visible_to(user).filter(pk__in=[pk for pk in ids if pk], page__isnull=False)
    return Pages(number=image.page, count=1 + lines.count(), seen=list(seen.order_by("page")))
