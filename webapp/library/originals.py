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
from webapp.library import age, files, paging
from webapp.library.leases import unclaimed
from webapp.library.models import Image, Kept, State

Rows = NDArray[np.uint8]
KEEP, ENCRYPT, PIXELS = "keep", "encrypt", "pixels"
NEVER_KEPT = ("whole_slide", "label_only")  # reasons to fail: these files hold a label, and no retry makes a picture of them
WRONG_KEY = "wrong_key"
PNG_LEVEL = 3  # of 9: a third of the time that the usual one takes, and a tenth larger
A_SWEEP = 500
_PLACES = {Kept.ORIGINAL: files.original, Kept.ENCRYPTED: files.encrypted, Kept.PIXELS: files.pixels_alone}


def place(kept: str, image: UUID) -> Path:
    """Where a file of this form lies."""
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


def located(image: Image) -> tuple[Path | Streamed, int]:
    """(source, page of it from 0): the image's own file, or that which it is still to be taken out of."""
    own = place(image.kept, image.pk)
    if own.is_file():
        return _readable(own), 0
    if paging.is_further(image):
        holder = paging.file_of(image)
        found = None if holder is None else _bytes_of(holder)
        page = (image.page or 1) - 1
    else:  # not decoded yet, or of another form since the row was read
        found, page = _bytes_of(image) or files.pixels_alone(image.pk), 0
    if found is None:
        raise FileNotFoundError(own)
    return _readable(found), page


def has_pixels_alone(image: Image) -> bool:
    """Its source is the PNG: what else the file said was read when it was decoded first."""
    return image.kept == Kept.PIXELS and files.pixels_alone(image.pk).is_file()


def _bytes_of(image: Image) -> Path | None:
    return next((path for path in _byte_places(image.pk) if path.is_file()), None)


def _byte_places(image: UUID) -> list[Path]:
    return [files.original(image), files.encrypted(image)]


def _readable(path: Path) -> Path | Streamed:
    if path.suffix != age.SUFFIX:
        if not path.is_file():
            raise FileNotFoundError(path)
        return path
    return Streamed(age.plain_bytes(path), lambda: age.opened(path))


def opened(image: Image) -> tuple[BinaryIO, int]:
    """(what is kept of it as a file to read from its beginning, bytes). Raises FileNotFoundError, age.KeyUnusable."""
    path = kept_path(image)
    if is_encrypted(path):
        return age.opened(path), age.plain_bytes(path)
    file = path.open("rb")
    return file, os.fstat(file.fileno()).st_size


def kept_path(image: Image) -> Path:
    """Where what is kept of it lies."""
    path = place(image.kept, image.pk)
    if not path.is_file() and image.kept != Kept.PIXELS:
        path = _bytes_of(image) or path
    return path


def is_encrypted(path: Path) -> bool:
    return path.suffix == age.SUFFIX


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
    return "original_lost", "The original file is no longer in the archive's data folder."


# --- pixels alone -----------------------------------------------------------------------------------------------------


def keeps_pixels(image: Image, header: Header) -> bool:
    """Whether nothing but pixels may stay of what was just decoded."""
    return settings.ORIGINALS == PIXELS or image.kept == Kept.PIXELS or header.has_label or paging.is_further(image)


def write_pixels(image: UUID, rows: Rows) -> int:
    """A PNG of ``rows``, lossless, with nothing beside them, forced onto the disk; its bytes."""
    packed = io.BytesIO()
    Pictures.fromarray(rows).save(packed, "PNG", compress_level=PNG_LEVEL)
    files.write_atomically(files.pixels_alone(image), packed.getbuffer())
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
    for path in _byte_places(image):
        path.unlink(missing_ok=True)


def drop(image: UUID) -> bool:
    """A failed file's bytes go; False where somebody has begun to retry it."""
    failed = Image.objects.filter(pk=image, state=State.FAILED, decoded_at=None)
    if not failed.update(kept=Kept.PIXELS):
        return False
    _remove_bytes(image)
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
    """Whether what is to be encrypted can be, and what was encrypted last can be read. Raises age.KeyUnusable."""
    if settings.ORIGINALS == ENCRYPT:
        age.check_key()
    last = Image.objects.filter(kept=Kept.ENCRYPTED).order_by("-stored_at").values_list("pk", flat=True).first()
    if last is not None and files.encrypted(last).is_file():
        age.opened(files.encrypted(last)).close()
