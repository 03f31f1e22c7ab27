"""verify.py's checks of files against rows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import BinaryIO
from uuid import UUID

from embedder import errors
from webapp import wiring
from webapp.library import files, originals, paging, pipeline, pixels, store
from webapp.library.models import Image, Kept, State
from webapp.library.store import Stored

SETTLED_S = 600  # a file is in its place a moment before its row is committed
ROWS_A_STEP = 1000


def originals_missing() -> list[UUID]:
    """An image that failed for want of its file says so already; pixels are there once they were decoded."""
    kept = Image.objects.exclude(state=State.FAILED, reason="original_lost").exclude(kept=Kept.PIXELS, decoded_at=None)
    rows = kept.order_by("pk").values_list("pk", "kept").iterator(ROWS_A_STEP)
    find = _finder()
    return [image for image, form in rows if find(originals.place(form, image)) is None]


def _finder() -> Callable[[str], Stored | None]:
    """As Store.lookup(), and what has come since is found as well."""
    kept = store.current()
    find = kept.lookup()

    def found(name: str) -> Stored | None:
        stored = find(name)
        if stored is None:
            with suppress(FileNotFoundError):
                stored = kept.stat(name)
        return stored

    return found


def originals_changed(*, deep: bool) -> list[UUID]:
    """Of another size than SQL says; with ``deep``, of another checksum, of what was encrypted or of the pixels.

    May raise age.KeyUnusable, errors.SandboxUnavailable, StoreAway.
    """
    rows = Image.objects.exclude(kept=Kept.PIXELS, decoded_at=None).order_by("pk").iterator(ROWS_A_STEP)
    find = store.current().lookup()
    return [image.pk for image in rows if (stored := find(_name(image))) and _changed(image, stored, deep=deep)]


def _name(image: Image) -> str:
    return originals.place(image.kept, image.pk)


def _changed(image: Image, stored: Stored, *, deep: bool) -> bool:
    try:
        if image.kept == Kept.PIXELS:
            return deep and _pixels_changed(image)
        if originals.received_bytes(stored) != image.bytes:
            return True
        return deep and _bytes_changed(image)
    except errors.ImageError:  # damaged: it cannot be read
        return True


def _bytes_changed(image: Image) -> bool:
    file, _ = originals.opened(image)
    with file:
        return digest_of(file) != image.sha256


def _pixels_changed(image: Image) -> bool:
    with store.current().local(files.pixels_alone(image.pk)) as path:
        rows = wiring.get_sandbox().decode(path, limits=wiring.decode_limits())[1]
    return pixels.digest_of(rows) != image.pixels_sha256


def digest_of(file: BinaryIO) -> str:
    """Hex SHA-256 of what is still to be read, in pieces: hashlib.file_digest would want a file on the disk."""
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def originals_surplus() -> list[str]:
    """Of another form than the row says: what a crash left of a file that was to be gone."""
    return [name for some in _steps(_old_files(files.ORIGINALS)) for name in _of_another_form(some)]


def _of_another_form(names: list[str]) -> list[str]:
    named = [(files.image_of(name), name) for name in names]
    rows = {image.pk: image for image in Image.objects.filter(pk__in={pk for pk, _ in named if pk is not None})}
    wrong = [(rows[pk], name) for pk, name in named if pk in rows and name != originals.place(rows[pk].kept, pk)]
    return [name for image, name in wrong if image.kept != Kept.PIXELS or not paging.waiting_pages(image).exists()]


def derivatives_missing() -> list[UUID]:
    drawn = Image.objects.filter(state__in=[State.HELD, State.DECODED, State.EMBEDDED, State.READY])
    ids = drawn.order_by("pk").values_list("pk", flat=True).iterator(ROWS_A_STEP)
    displays, thumbnails = _finder(), _finder()
    return [pk for pk in ids if not (_whole(displays(files.display(pk))) and _whole(thumbnails(files.thumbnail(pk))))]


def _whole(stored: Stored | None) -> bool:
    return stored is not None and stored.size > 0


def draw_again(images: Sequence[UUID]) -> None:
    for pk in images:
        if image := Image.objects.filter(pk=pk).first():
            with suppress(FileNotFoundError):
                pipeline.draw(image)


def files_without_row() -> list[str]:
    """Named after no image that there is; half-received ones included."""
    every = (files.ORIGINALS, *files.DERIVATIVES, files.PIXELS, files.INCOMING)
    return [name for some in _steps(_old_files(*every)) for name in _orphans(some)]


def _old_files(*kinds: str) -> Iterator[str]:
    before_ns = int((time.time() - SETTLED_S) * 1e9)
    for kind in kinds:
        for stored in store.holding(kind).listed(kind):
            if stored.changed_ns < before_ns:
                yield stored.name


def _orphans(names: list[str]) -> list[str]:
    named = [(_owner(name), name) for name in names]
    known = set(Image.objects.filter(pk__in={pk for pk, _ in named if pk}).values_list("pk", flat=True))
    return [name for pk, name in named if pk not in known]


def _owner(name: str) -> UUID | None:
    """Nobody's while it is arriving, whatever it is called."""
    return None if files.kind_of(name) == files.INCOMING else files.image_of(name)


def _steps(names: Iterator[str]) -> Iterator[list[str]]:
    while some := list(islice(names, 500)):
        yield some


def remove(names: Sequence[str]) -> None:
    for kind in {files.kind_of(name) for name in names}:
        store.holding(kind).delete(*(name for name in names if files.kind_of(name) == kind))
