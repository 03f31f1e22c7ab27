"""Files into a backup and out of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from webapp.library import files, store
from webapp.library.store import Stored
from webapp.library.upkeep import Progress

# what cannot be made again; pixels can, and what is still arriving is sent again by whoever sends it
KINDS = (files.ORIGINALS, *files.DERIVATIVES, files.ARCHIVES, files.TABLES)
FOLDER = "files"
CHUNK = 1 << 20


@dataclass
class Copier:
    """Fills ``draft``. ``sums``: relative path -> hex SHA-256 of all that is in it. ``before``: the last backup, and its sums."""

    draft: Path
    before: Path | None
    sums_before: Mapping[str, str]
    sums: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    copied: int = 0
    copied_bytes: int = 0

    def take_new(self, progress: Progress, *, what: str) -> None:
        """Every stored file that is not in the draft yet. One that is deleted meanwhile is left out."""
        wanted = [stored for stored in _stored() if _path(stored) not in self.sums]
        for number, stored in enumerate(wanted):
            progress(what, number, len(wanted))
            with suppress(FileNotFoundError):
                self._take(stored)
        progress(what, len(wanted), len(wanted))

    def add(self, path: str) -> None:
        """A file that was written into the draft."""
        with (self.draft / path).open("rb") as file:
            self._note(path, hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size, copied=True)

    def _take(self, stored: Stored) -> None:
        path = _path(stored)
        target = self.draft / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if self._link(stored, path, target):
            self._note(path, self.sums_before[path], stored.size, copied=False)
            return
        now, reading = store.holding(stored.name).open(stored.name)
        with reading:
            digest = copy(reading, target, changed_ns=now.changed_ns)
        self._note(path, digest, now.size, copied=True)

    def _link(self, stored: Stored, path: str, target: Path) -> bool:
        """To the same file of the last backup. Stored files are replaced and never changed, so size and time tell them apart."""
        if self.before is None or path not in self.sums_before:
            return False
        earlier = self.before / path
        try:
            then = earlier.stat()
            if (stored.size, stored.changed_ns) != (then.st_size, then.st_mtime_ns):
                return False
            os.link(earlier, target)
        except OSError:  # it is missing there, or the folder knows no links: copied anew
            return False
        return True

    def _note(self, path: str, digest: str, size: int, *, copied: bool) -> None:
        self.sums[path] = digest
        self.bytes += size
        self.copied += copied
        self.copied_bytes += size * copied


def _stored() -> Iterator[Stored]:
    for kind in KINDS:
        yield from store.holding(kind).listed(kind)


def _path(stored: Stored) -> str:
    return f"{FOLDER}/{stored.name}"


def copy(reading: BinaryIO, target: Path, *, changed_ns: int) -> str:
    """The hex SHA-256 of what was copied. ``target`` gets that time, and is whole or not there."""
    digest = hashlib.sha256()
    draft = target.with_name(f".{target.name}.part")
    with draft.open("wb") as writing:
        while chunk := reading.read(CHUNK):
            digest.update(chunk)
            writing.write(chunk)
    draft.chmod(files.MODE)
    os.utime(draft, ns=(changed_ns, changed_ns))
    draft.replace(target)
    return digest.hexdigest()


def put_back(backup: Path, sums: Mapping[str, str], progress: Progress) -> int:
    """The backup's files into the data folder and the store; how many."""
    wanted = [path for path in sums if path.startswith(f"{FOLDER}/")]
    for number, path in enumerate(wanted):
        progress("files", number, len(wanted))
        name = path.removeprefix(f"{FOLDER}/")
        told = (backup / path).stat()
        store.holding(name).copy_in(backup / path, name, changed_ns=told.st_mtime_ns, durable=False)
    os.sync()  # once for all of them
    progress("files", len(wanted), len(wanted))
    return len(wanted)


def set_aside(name: str) -> list[str]:
    """Files that are there already, under ``files/``name of the data folder or of the bucket; where they lie now."""
    places = [store.holding(kind).set_aside(kind, name) for kind in KINDS]
    return [place for place in places if place]


def anything() -> bool:
    """Whether any of these files is there."""
    return any(True for _ in _stored())
