"""verify.py's checks of files against rows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from embedder import errors
from webapp import wiring
from webapp.library import age, files, originals, paging, pipeline, pixels
from webapp.library.models import Image, Kept, State

SETTLED_S = 600  # a file is in its place a moment before its row is committed
ROWS_A_STEP = 1000


def originals_missing() -> list[UUID]:
    """An image that failed for want of its file says so already; pixels are there once they were decoded."""
    kept = Image.objects.exclude(state=State.FAILED, reason="original_lost").exclude(kept=Kept.PIXELS, decoded_at=None)
    rows = kept.order_by().values_list("pk", "kept").iterator(ROWS_A_STEP)
    return [image for image, form in rows if not originals.place(form, image).is_file()]


def originals_changed(*, deep: bool) -> list[UUID]:
    """Of another size than SQL says; with ``deep``, of another checksum, of what was encrypted or of the pixels.

    May raise age.KeyUnusable, errors.SandboxUnavailable.
    """
    rows = Image.objects.exclude(kept=Kept.PIXELS, decoded_at=None).order_by().iterator(ROWS_A_STEP)
    return [image.pk for image in rows if originals.place(image.kept, image.pk).is_file() and _changed(image, deep=deep)]


def _changed(image: Image, *, deep: bool) -> bool:
    try:
        if image.kept == Kept.PIXELS:
            return deep and _pixels_changed(image)
        file, size = originals.opened(image) if deep else (None, _size(image))
        if file is None or size != image.bytes:
            return size != image.bytes
        with file:
            return digest_of(file) != image.sha256
    except errors.ImageError:  # damaged: it cannot be read
        return True


def _pixels_changed(image: Image) -> bool:
    rows = wiring.get_sandbox().decode(files.pixels_alone(image.pk), limits=wiring.decode_limits())[1]
    return pixels.digest_of(rows) != image.pixels_sha256


def _size(image: Image) -> int:
    path = originals.place(image.kept, image.pk)
    return age.plain_bytes(path) if image.kept == Kept.ENCRYPTED else path.stat().st_size


def digest_of(file: BinaryIO) -> str:
    """Hex SHA-256 of what is still to be read, in pieces: hashlib.file_digest would want a file on the disk."""
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def originals_surplus() -> list[Path]:
    """Of another form than the row says: what a crash left of a file that was to be gone."""
    return [path for some in _steps(_old_files(files.ORIGINALS)) for path in _of_another_form(some)]


def _of_another_form(some: list[tuple[UUID | None, Path]]) -> list[Path]:
    rows = {image.pk: image for image in Image.objects.filter(pk__in={pk for pk, _ in some if pk is not None})}
    wrong = [(rows[pk], path) for pk, path in some if pk in rows and path != originals.place(rows[pk].kept, pk)]
    return [path for image, path in wrong if image.kept != Kept.PIXELS or not paging.waiting_pages(image).exists()]


def derivatives_missing() -> list[UUID]:
    drawn = Image.objects.filter(state__in=[State.HELD, State.DECODED, State.EMBEDDED, State.READY])
    ids = drawn.order_by().values_list("pk", flat=True).iterator(ROWS_A_STEP)
    return [image for image in ids if not (_whole(files.display(image)) and _whole(files.thumbnail(image)))]


def _whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def draw_again(images: Sequence[UUID]) -> None:
    for pk in images:
        if image := Image.objects.filter(pk=pk).first():
            with suppress(FileNotFoundError):
                pipeline.draw(image)


def files_without_row() -> list[Path]:
    """Named after no image that there is; half-received ones included."""
    every = (files.ORIGINALS, *files.DERIVATIVES, files.PIXELS, files.INCOMING)
    return [path for some in _steps(_old_files(*every)) for path in _orphans(some)]


def _old_files(*kinds: str) -> Iterator[tuple[UUID | None, Path]]:
    before = time.time() - SETTLED_S
    for kind in kinds:
        for image, path in files.listed(kind):
            if _modified(path) < before:
                yield (None if kind == files.INCOMING else image), path


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # removed since it was listed: nothing to complain of
        return time.time()


def _orphans(some: list[tuple[UUID | None, Path]]) -> list[Path]:
    ids = {image for image, _ in some if image is not None}
    known = set(Image.objects.filter(pk__in=ids).values_list("pk", flat=True))
    return [path for image, path in some if image not in known]


def _steps(listed: Iterator[tuple[UUID | None, Path]]) -> Iterator[list[tuple[UUID | None, Path]]]:
    while some := list(islice(listed, 500)):
        yield some


def remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
