"""The store in the data folder: renamed into place and forced onto the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import ENOENT
from pathlib import Path
from typing import BinaryIO

from webapp.library import files
from webapp.library.store.interface import Stored

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Folder:
    root: Path

    def put(self, draft: Path, name: str) -> None:
        files.put(draft, self.root / name)

    def write(self, name: str, content: bytes | memoryview) -> None:
        files.write_atomically(self.root / name, content)

    def copy_in(self, source: Path, name: str, *, changed_ns: int, durable: bool = True) -> None:
        with files.incoming() as (draft, file):
            with source.open("rb") as reading:
                shutil.copyfileobj(reading, file, CHUNK_BYTES)
            file.flush()
            os.utime(draft, ns=(changed_ns, changed_ns))
            if durable:
                files.force(file)
            files.put(draft, self.root / name, durable=durable)

    def stat(self, name: str) -> Stored:
        return _stored(name, (self.root / name).stat())

    def has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def lookup(self) -> Callable[[str], Stored | None]:
        return self._found

    def _found(self, name: str) -> Stored | None:
        try:
            return self.stat(name)
        except FileNotFoundError:
            return None

    def open(self, name: str) -> tuple[Stored, BinaryIO]:
        opened = (self.root / name).open("rb")
        return _stored(name, os.fstat(opened.fileno())), opened

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """The file itself."""
        path = self.root / name
        if not path.is_file():
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), name)
        yield path

    def delete(self, *names: str) -> None:
        for name in names:
            (self.root / name).unlink(missing_ok=True)

    def listed(self, kind: str) -> Iterator[Stored]:
        for path in sorted((self.root / kind).rglob("*")):
            if path.is_file() and (found := self._found(path.relative_to(self.root).as_posix())):
                yield found

    def set_aside(self, kind: str, under: str) -> str:
        present, target = self.root / kind, self.root / under / kind
        if not present.is_dir():
            return ""
        target.parent.mkdir(parents=True, exist_ok=True)
        present.rename(target)
        return str(target)

    def for_proxy(self, name: str) -> str:
        return name

    def check(self) -> None:
        """The disk has a part of its own in /readyz."""


def _stored(name: str, told: os.stat_result) -> Stored:
    return Stored(name=name, size=told.st_size, changed_ns=told.st_mtime_ns)
