"""Chosen images as a zip file that is made while it is sent: a piece at a time lies in memory, nothing on the disk."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import BinaryIO

from django.utils import timezone

from webapp.accounts.models import User
from webapp.library import files, licences, store, tray_table
from webapp.library import originals as kept
from webapp.library.choosing import Chosen
from webapp.library.models import Image
from webapp.library.models.images import ImageQuerySet

PIECE_BYTES = 1 << 18
NOTE, TABLE, MISSING = "LICENCE-AND-CITATION.txt", "images.csv", "NOT-INCLUDED.txt"
LONGEST_NAME = 120  # bytes of a file's own name; file systems take 255 of the whole
Sized = tuple[BinaryIO, int]  # a file, and its bytes
LARGE = 2**31  # bytes from which on a zip entry needs its long form


class _Outlet:
    """What zipfile writes into, and what is taken out of it in between. It cannot be wound back, as a connection cannot."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        data, self._parts = b"".join(self._parts), []
        return data


def stream(chosen: Chosen, *, user: User, originals: bool) -> Iterator[bytes]:
    """The archive's bytes. ``originals``: of the images that ``user`` may change, beside their pictures.

    The right to each image is asked again when its turn comes: a long download ends where a right does.
    """
    outlet, now = _Outlet(), timezone.localtime()
    missing: list[str] = []
    with zipfile.ZipFile(outlet, "w") as archive:  # type: ignore[call-overload]
        yield from _text(archive, outlet, NOTE, _note(chosen, originals=originals, at=now), now)
        yield from _text(archive, outlet, TABLE, tray_table.table(chosen), now)
        for image in chosen.images:
            wanted: list[tuple[str, Callable[[Image], Sized], ImageQuerySet]]
            wanted = [(f"images/{image.pk}.jpg", _display, Image.objects.visible_to(user))]
            if originals and image.pk in chosen.editable:
                name = f"originals/{image.pk}-{safe(kept.download_name(image))}"
                wanted.append((name, kept.opened, Image.objects.editable_by(user)))
            for name, opened, allowed in wanted:
                source = _opened(opened, image) if allowed.filter(pk=image.pk).exists() else None
                if source is None:
                    missing.append(name)
                else:
                    yield from _file(archive, outlet, name, *source, now)
        if missing:
            told = "These were not there any more, or have no picture yet:\n\n" + "\n".join(missing) + "\n"
            yield from _text(archive, outlet, MISSING, told, now)
    yield outlet.take()


def safe(name: str) -> str:
    """A file's name that stays in its folder, whatever unpacks it."""
    plain = "".join(letter if letter.isalnum() or letter in "-_. ()" else "_" for letter in name).strip(". ")
    return plain.encode()[-LONGEST_NAME:].decode(errors="ignore") or "unnamed"


def _text(archive: zipfile.ZipFile, outlet: _Outlet, name: str, text: str, now: datetime) -> Iterator[bytes]:
    info = _entry(name, now)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, text.encode())
    yield outlet.take()


def _opened(opened: Callable[[Image], Sized], image: Image) -> Sized | None:
    """None for a file that is not there: an image may be deleted while the others are sent."""
    try:
        return opened(image)
    except FileNotFoundError:
        return None


def _display(image: Image) -> Sized:
    stored, file = store.current().open(files.display(image.pk))
    return file, stored.size


def _file(
    archive: zipfile.ZipFile, outlet: _Outlet, name: str, source: BinaryIO, size: int, now: datetime
) -> Iterator[bytes]:  # fmt: skip
    """As it is: pictures are compressed already."""
    with source, archive.open(_entry(name, now), "w", force_zip64=size > LARGE) as entry:
        while piece := source.read(PIECE_BYTES):
            entry.write(piece)
            yield outlet.take()
    yield outlet.take()


def _entry(name: str, now: datetime) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, now.timetuple()[:6])
    info.external_attr = 0o644 << 16
    return info


def _note(chosen: Chosen, *, originals: bool, at: datetime) -> str:
    told = [f"{TABLE}: what is known about each image.", "images/: display copies, re-encoded, without metadata."]
    if originals and chosen.editable:
        told.append(
            "originals/: the files as they came, with whatever they say about themselves and their patients. Handle with care."
        )
    collections = {image.collection.name for image in chosen.images}
    return licences.note(collections=list(collections), images=len(chosen.images), contents="\n".join(told), at=at)
