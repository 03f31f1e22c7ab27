"""What stays of an uploaded file: its bytes, its bytes encrypted, or nothing but its pixels. settings.ORIGINALS says which.

What an image's row says in ``kept`` lies at:    original  files/originals/ab/<image>
                                                 encrypted files/originals/ab/<image>.age
                                                 pixels    files/originals/ab/<image>.png   once it is decoded
Whatever the setting, pixels alone stay of a scanner's slide file, which holds photographs of its label, and of each further page
of a file. The file of another form goes when the row is committed, so that a crash leaves something to read and nothing to guess.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db.models.functions import Now
from numpy.typing import NDArray
from PIL import Image as Pictures

from embedder import Header, Streamed
from webapp.library import age, files, paging, store
from webapp.library.leases import unclaimed
from webapp.library.models import Image, Kept, State

Rows = NDArray[np.uint8]
KEEP, ENCRYPT, PIXELS = "keep", "encrypt", "pixels"
NEVER_KEPT = ("whole_slide", "label_only")  # reasons to fail: these files hold a label, and no retry makes a picture of them
WRONG_KEY = "wrong_key"
PNG_LEVEL = 3  # of 9: a third of the time that the usual one takes, and a tenth larger
A_SWEEP = 500
_PLACES = {Kept.ORIGINAL: files.original, Kept.ENCRYPTED: files.encrypted, Kept.PIXELS: files.pixels_alone}


def place(kept: str, image: UUID) -> str:
    """What a file of this form is called in the store."""
    return _PLACES[Kept(kept)](image)


# --- on the way in ----------------------------------------------------------------------------------------------------


def kept_at_first() -> Kept:
    """How a file lies there until it is decoded."""
    return Kept.ENCRYPTED if settings.ORIGINALS == ENCRYPT else Kept.ORIGINAL


def write(source: age.Readable, file: BinaryIO) -> None:
    """All of ``source``, as kept_at_first() says: in the clear it never lies here then. Raises age.KeyUnusable."""
    if settings.ORIGINALS == ENCRYPT:
        age.encrypt(source, file)
        return
    while chunk := source.read(1 << 20):
        file.write(chunk)


# --- to be read -------------------------------------------------------------------------------------------------------


@contextmanager
def located(image: Image) -> Iterator[tuple[Path | Streamed, int]]:
    """(source on this machine, page of it from 0), while the block runs: the image's own file, or that which it is still to be
    taken out of. Raises FileNotFoundError, CorruptImage, StoreAway.
    """
    name, page = _source_of(image)
    with store.current().local(name) as path:
        yield _readable(path, encrypted=is_encrypted(name)), page


def _source_of(image: Image) -> tuple[str, int]:
    own = place(image.kept, image.pk)
    if store.current().has(own):
        return own, 0
    if paging.is_further(image):
        holder = paging.file_of(image)
        found = None if holder is None else _bytes_of(holder)
        page = (image.page or 1) - 1
    else:  # not decoded yet, or of another form since the row was read
        found, page = _bytes_of(image) or files.pixels_alone(image.pk), 0
    if found is None:
        raise FileNotFoundError(own)
    return found, page


def has_pixels_alone(image: Image) -> bool:
    """Its source is the PNG: what else the file said was read when it was decoded first."""
    return image.kept == Kept.PIXELS and store.current().has(files.pixels_alone(image.pk))


def _bytes_of(image: Image) -> str | None:
    return next((name for name in _byte_names(image.pk) if store.current().has(name)), None)


def _byte_names(image: UUID) -> list[str]:
    return [files.original(image), files.encrypted(image)]


def _readable(path: Path, *, encrypted: bool) -> Path | Streamed:
    if not encrypted:
        return path
    with path.open("rb") as file:
        size = age.plain_bytes(file, os.fstat(file.fileno()).st_size)
    return Streamed(size, lambda: age.opened(path.open("rb")))


def opened(image: Image) -> tuple[BinaryIO, int]:
    """(what is kept of it as a file to read from its beginning, bytes).

    Raises FileNotFoundError, age.KeyUnusable, CorruptImage, StoreAway.
    """
    name = kept_name(image)
    stored, file = store.current().open(name)
    return _deciphered(file, stored.size) if is_encrypted(name) else (file, stored.size)


def _deciphered(file: BinaryIO, size: int) -> tuple[BinaryIO, int]:
    try:
        plain = age.plain_bytes(file, size)
    except BaseException:
        file.close()
        raise
    return age.opened(file), plain


def received_bytes(stored: store.Stored) -> int:
    """How many came, by the length of the file that is kept of them. Raises FileNotFoundError, CorruptImage, StoreAway."""
    if not is_encrypted(stored.name):
        return stored.size
    _, file = store.current().open(stored.name)
    with file:
        return age.plain_bytes(file, stored.size)


def kept_name(image: Image) -> str:
    """What the file that is kept of it is called in the store."""
    name = place(image.kept, image.pk)
    if image.kept != Kept.PIXELS and not store.current().has(name):
        name = _bytes_of(image) or name
    return name


def is_encrypted(name: str) -> bool:
    return name.endswith(age.SUFFIX)


def download_name(image: Image) -> str:
    """The file's own name, its ending that of what is kept."""
    return f"{Path(image.name).stem}.png" if image.kept == Kept.PIXELS else image.name


def tag(image: Image) -> str:
    """Tells one content of the download from another."""
    return f"{image.kept}-{image.pixels_sha256}" if image.kept == Kept.PIXELS else image.sha256


def lost(image: Image) -> tuple[str, str]:
    """(reason, sentence) for an image whose file is not there."""
    if image.kept == Kept.PIXELS:
        return "original_lost", "The file it came in is no longer kept: send it again."
    return "original_lost", "The original file is no longer in the archive."


# --- pixels alone -----------------------------------------------------------------------------------------------------


def keeps_pixels(image: Image, header: Header) -> bool:
    """Whether nothing but pixels may stay of what was just decoded."""
    return settings.ORIGINALS == PIXELS or image.kept == Kept.PIXELS or header.has_label or paging.is_further(image)


def write_pixels(image: UUID, rows: Rows) -> int:
    """A PNG of ``rows``, lossless, with nothing beside them, safe on return; its bytes."""
    packed = io.BytesIO()
    Pictures.fromarray(rows).save(packed, "PNG", compress_level=PNG_LEVEL)
    store.current().write(files.pixels_alone(image), packed.getbuffer())
    return len(packed.getbuffer())


def settle(image: Image) -> None:
    """Removes the bytes of a file of which only pixels are kept, once every picture is taken out of it. May be repeated."""
    holder = paging.file_of(image) if paging.is_further(image) else image
    if holder is None:
        return
    kept = Image.objects.filter(pk=holder.pk).values_list("kept", flat=True).first()
    if kept == Kept.PIXELS and not paging.waiting_pages(holder).exists():
        _remove_bytes(holder.pk)


def _remove_bytes(image: UUID) -> None:
    store.current().delete(*_byte_names(image))


def drop(image: UUID) -> bool:
    """A failed file's bytes go; False where somebody has begun to retry it. Raises StoreAway; then they are still to go."""
    failed = Image.objects.filter(pk=image, state=State.FAILED, decoded_at=None)
    before = failed.values_list("kept", flat=True).first()
    if before is None or not failed.update(kept=Kept.PIXELS):
        return False
    try:
        _remove_bytes(image)
    except store.StoreAway:
        failed.update(kept=before)  # a label must not stay because a bucket was away: drop_failed() finds it so
        raise
    return True


def drop_failed() -> int:
    """What failed too long ago to be tried again, and what may never be kept; how many."""
    failed = Image.objects.filter(unclaimed(), state=State.FAILED, decoded_at=None).exclude(kept=Kept.PIXELS)
    failed = failed.exclude(reason=WRONG_KEY)  # through no fault of the file: the right key makes an image of it
    never = failed.filter(reason__in=NEVER_KEPT)
    late = failed.none()
    if hours := settings.FAILED_ORIGINAL_HOURS:
        late = failed.filter(failed_at__lt=Now() - timedelta(hours=hours))
    ids = {pk for some in (never, late) for pk in some.order_by().values_list("pk", flat=True)[:A_SWEEP]}
    return sum(drop(pk) for pk in ids)


# --- the key ----------------------------------------------------------------------------------------------------------


def check_key() -> None:
    """Whether what is to be encrypted can be, and what was encrypted last can be read. Raises age.KeyUnusable, StoreAway."""
    if settings.ORIGINALS == ENCRYPT:
        age.check_key()
    last = Image.objects.filter(kept=Kept.ENCRYPTED).order_by("-stored_at").values_list("pk", flat=True).first()
    if last is None:
        return
    with suppress(FileNotFoundError):
        _, file = store.current().open(files.encrypted(last))
        age.opened(file).close()
