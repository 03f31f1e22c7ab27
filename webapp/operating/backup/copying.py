"""Files into a backup and out of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from webapp.library import files
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
        wanted = [path for path in _stored() if _relative(path) not in self.sums]
        for number, path in enumerate(wanted):
            progress(what, number, len(wanted))
            with suppress(FileNotFoundError):
                self._take(path)
        progress(what, len(wanted), len(wanted))

    def add(self, path: str) -> None:
        """A file that was written into the draft."""
        with (self.draft / path).open("rb") as file:
            self._note(path, hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size, copied=True)

    def _take(self, source: Path) -> None:
        path, size = _relative(source), source.stat().st_size
        target = self.draft / path
        target.parent.mkdir(parents=True, exist_ok=True)
        linked = self._link(source, path, target)
        digest = self.sums_before[path] if linked else copy(source, target)
        self._note(path, digest, size, copied=not linked)

    def _link(self, source: Path, path: str, target: Path) -> bool:
        """To the same file of the last backup. Stored files are replaced and never changed, so size and time tell them apart."""
        if self.before is None or path not in self.sums_before:
            return False
        earlier, now = self.before / path, source.stat()
        try:
            then = earlier.stat()
            if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
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


def _stored() -> Iterator[Path]:
    for kind in KINDS:
        for _, path in files.listed(kind):
            yield path


def _relative(path: Path) -> str:
    return f"{FOLDER}/{path.relative_to(files.root()).as_posix()}"


def copy(source: Path, target: Path) -> str:
    """With its time; the hex SHA-256 of what was copied. ``target`` is whole or not there."""
    digest = hashlib.sha256()
    draft = target.with_name(f".{target.name}.part")
    with files.open_regular(source) as reading, draft.open("wb") as writing:
        while chunk := reading.read(CHUNK):
            digest.update(chunk)
            writing.write(chunk)
        told = os.fstat(reading.fileno())
    draft.chmod(files.MODE)
    os.utime(draft, ns=(told.st_atime_ns, told.st_mtime_ns))
    draft.replace(target)
    return digest.hexdigest()


def put_back(backup: Path, sums: Mapping[str, str], progress: Progress) -> int:
    """The backup's files into the data folder; how many."""
    wanted = [path for path in sums if path.startswith(f"{FOLDER}/")]
    for number, path in enumerate(wanted):
        progress("files", number, len(wanted))
        target = files.root() / path.removeprefix(f"{FOLDER}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        copy(backup / path, target)
    progress("files", len(wanted), len(wanted))
    return len(wanted)


def set_aside(name: str) -> list[str]:
    """Files that are there already, under ``files/``name of the data folder; where they lie now."""
    kept = []
    for kind in KINDS:
        present = files.root() / kind
        if present.is_dir():
            target = files.root() / name / kind
            target.parent.mkdir(parents=True, exist_ok=True)
            present.rename(target)
            kept.append(str(target))
    return kept
