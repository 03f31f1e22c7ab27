"""Deleting images: their rows, and with them every right, at once; files and points right after, or by verify --repair."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from django.db import transaction

from webapp.library import files, index, store
from webapp.library.models import Caption, Image
from webapp.library.models.images import ImageQuerySet
from webapp.library.sending import send_remove


def remove(images: ImageQuerySet) -> int:
    """Deletes the images (already narrowed to what the user may delete); how many. Rests are removed after the commit."""
    with transaction.atomic():
        ids = list(images.order_by().values_list("pk", flat=True))
        Image.objects.filter(pk__in=ids).delete()
        transaction.on_commit(partial(send_remove, ids))
    return len(ids)


def remove_rest(ids: Sequence[UUID]) -> None:
    """Files and points of images that have no row. May be repeated."""
    kept = set(Image.objects.filter(pk__in=ids).values_list("pk", flat=True))
    gone = [image for image in ids if image not in kept]
    if gone:
        _remove_files(gone)
        index.delete_images(gone)


def _remove_files(images: Sequence[UUID]) -> None:
    store.current().delete(*(name for image in images for name in files.lasting(image)))
    for image in images:
        files.pixels(image).unlink(missing_ok=True)


def forget_captions(ids: Sequence[UUID]) -> None:
    """Points of captions that have no row. May be repeated."""
    kept = set(Caption.objects.filter(pk__in=ids).values_list("pk", flat=True))
    if gone := [caption for caption in ids if caption not in kept]:
        index.delete_texts(gone)
