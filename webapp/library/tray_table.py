"""Chosen images as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from webapp.library.choosing import Chosen
from webapp.library.models import Image
from webapp.spreadsheets import MARK, csv_text

COLUMNS = ("id", "collection", "stain", "organ", "finding", "case", "slide", "tags", "mpp", "caption")
FILE = "file"  # the file's own name: for editors, and blank for images that one may only look at


def table(chosen: Chosen) -> str:
    """CSV, a line an image, as a file that spreadsheets open."""
    return MARK + csv_text(headings(chosen), rows(chosen))


def headings(chosen: Chosen) -> Sequence[str]:
    return [*COLUMNS, FILE] if chosen.editable else COLUMNS


def rows(chosen: Chosen) -> Iterable[Iterable[str]]:
    return (_cells(image, chosen) for image in chosen.images)


def _cells(image: Image, chosen: Chosen) -> Iterator[str]:
    yield str(image.pk)
    yield image.collection.name
    yield from (image.stain, image.organ, image.finding, image.case, image.slide)
    yield "; ".join(map(str, image.tags))
    yield "" if image.mpp is None else f"{image.mpp:g}"
    yield " | ".join(caption.text for caption in image.captions.all())
    if chosen.editable:
        yield image.name if image.pk in chosen.editable else ""
