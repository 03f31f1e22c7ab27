"""What the archive's files are called, where they lie under the data folder, and how they come to be there: whole, or not at all.

Lasting ones are named by their path below files/, and lie there or in a bucket: store/ puts them there and gives them back. What
is on its way always lies in the data folder.

files/originals/ab/<image>         the bytes as they came; a right of its own
files/originals/ab/<image>.age     those encrypted (age.py)
files/originals/ab/<image>.png     nothing but the pixels, where no more is kept (originals.py)
files/display/ab/<image>.jpg       long side at most 2048 px, no metadata
files/thumbnails/ab/<image>.jpg    long side at most 400 px, no metadata

files/pixels/<image>.npy           decoded RGB, kept until the image is embedded (pixels.py); can be made again
files/incoming/<random>            a file that is still arriving in one piece
files/transfers/<item's key>       a file that arrives in pieces, and may go on after a day (transfer.py)
files/archives/<item>              an archive, or a table beside archives, until its upload's files have been taken out of it
files/tables/<random or job>       a table about images that are there already, until it is imported; .json: how it is read
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL
from io import BufferedReader, FileIO
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import BinaryIO

from django.conf import settings

ORIGINALS, DISPLAY, THUMBNAILS, PIXELS = "originals", "display", "thumbnails", "pixels"
INCOMING, TRANSFERS, ARCHIVES, TABLES = "incoming", "transfers", "archives", "tables"
DERIVATIVES = (DISPLAY, THUMBNAILS)
LASTING = (ORIGINALS, *DERIVATIVES)
MODE = 0o640


def root() -> Path:
    folder: Path = settings.CONCHIVE_DATA / "files"
    return folder


def original(image: uuid.UUID) -> str:
    return f"{ORIGINALS}/{image.hex[:2]}/{image}"


def encrypted(image: uuid.UUID) -> str:
    return f"{ORIGINALS}/{image.hex[:2]}/{image}.age"


def pixels_alone(image: uuid.UUID) -> str:
    return f"{ORIGINALS}/{image.hex[:2]}/{image}.png"


def display(image: uuid.UUID) -> str:
    return f"{DISPLAY}/{image.hex[:2]}/{image}.jpg"


def thumbnail(image: uuid.UUID) -> str:
    return f"{THUMBNAILS}/{image.hex[:2]}/{image}.jpg"


def pixels(image: uuid.UUID) -> Path:
    return root() / PIXELS / f"{image}.npy"


def transfer(key: uuid.UUID) -> Path:
    return root() / TRANSFERS / key.hex


def archive(key: uuid.UUID) -> Path:
    """``key``: of the upload's item."""
    return root() / ARCHIVES / str(key)


def table(number: uuid.UUID) -> Path:
    """``number``: of the job that imports it, or its own until there is one."""
    return root() / TABLES / str(number)


def lasting(image: uuid.UUID) -> list[str]:
    """Every name that a file of an image may have in the store."""
    return [original(image), encrypted(image), pixels_alone(image), display(image), thumbnail(image)]


def kind_of(name: str) -> str:
    """What the first folder of a name says; a kind is its own."""
    return name.partition("/")[0]


def image_of(name: str) -> uuid.UUID | None:
    """The image that a file is named after; None where the name is nobody's."""
    with suppress(ValueError):
        return uuid.UUID(PurePosixPath(name).stem)
    return None


@contextmanager
def incoming() -> Iterator[tuple[Path, BinaryIO]]:
    """A new file to write into; whatever is left of it at the end is removed."""
    path = root() / INCOMING / uuid.uuid4().hex
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE), "wb") as file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | memoryview, *, durable: bool = True) -> None:
    """``path`` holds all of ``content`` or what it held before. ``durable`` False: it may be lost with the power, as what can
    be made again may be.
    """
    with incoming() as (draft, file):
        file.write(content)
        file.flush()
        if durable:
            force(file)
        put(draft, path, durable=durable)


def put(draft: Path, path: Path, *, durable: bool = True) -> None:
    """Renames a written file to its place; on disk on return where ``durable``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(path)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def listed(kind: str) -> Iterator[tuple[uuid.UUID | None, Path]]:
    """Files of one kind, of those on their way, with what they are named after; None where the name is nobody's."""
    for path in sorted((root() / kind).rglob("*")):
        if path.is_file():
            yield image_of(path.name), path


def force(file: BinaryIO | FileIO) -> None:
    """Onto the disk before anybody is told that it is there."""
    os.fsync(file.fileno())


def open_regular(path: Path) -> BufferedReader:
    """For reading. OSError also where it is no file: a pipe or a device would never come to an end."""
    return _regular(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))


def open_below(root: Path, path: str) -> BufferedReader:
    """As open_regular(), a file below ``root`` by its path with slashes, in which no link is followed at all."""
    *folders, name = path.split("/")
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for each in folders:
            below = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    return _regular(opened)


def _regular(descriptor: int) -> BufferedReader:
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(EINVAL, "not a regular file")
    return os.fdopen(descriptor, "rb")
