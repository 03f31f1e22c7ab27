"""Rows of vectors on the disk while they are made: any number of them in constant memory, and an interrupted run goes on.

While rows come in they lie in a folder TARGET.part: about.json, one .f32 file a space, names.jsonl. At the end they become
TARGET, an .npz with one float32 array a space and ``about`` as JSON text, and TARGET's name with .jsonl: a line a file.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
ZIP_BLOCK = 2**20


@dataclass(frozen=True, kw_only=True)
class Line:
    """One file: its row in the arrays, or why it has none. ``stamp``: size and time of change, so that a new version is read."""

    path: str
    stamp: str
    row: int | None = None
    reason: str | None = None
    message: str | None = None

    def to_json(self) -> str:
        return json.dumps({name: value for name, value in vars(self).items() if value is not None}, ensure_ascii=False) + "\n"


class VectorFile:
    """Opened for one run. ``about``: everything that decides the rows, as JSON can hold it; ``dims``: length by space.

    Rows of an earlier run about the same are kept: `is_done` knows them. Failures are tried again.
    """

    def __init__(self, target: Path, *, about: Mapping[str, Any], dims: Mapping[str, int]) -> None:
        self._target = target
        self._dims = dict(dims)
        self._folder = target.with_name(target.name + ".part")
        self._about = {**about, "dims": self._dims}
        self._done: dict[str, str] = {}
        self.rows = 0
        self._take_up()
        self._files = {space: self._data(space).open("ab") for space in self._dims}
        self._names = self._lines.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for file in (*self._files.values(), self._names):
            file.close()

    def is_done(self, path: str, stamp: str) -> bool:
        """True where this very version of the file has its row already."""
        return self._done.get(path) == stamp

    def add(self, named: list[tuple[str, str]], vectors: Mapping[str, Array]) -> None:
        """Rows for (path, stamp) pairs. Vectors reach the disk before their names: a name without a row must not be."""
        for space, file in self._files.items():
            file.write(np.ascontiguousarray(vectors[space], "<f4").tobytes())
            file.flush()
        for offset, (path, stamp) in enumerate(named):
            self._names.write(Line(path=path, stamp=stamp, row=self.rows + offset).to_json())
        self._names.flush()
        self.rows += len(named)

    def fail(self, path: str, stamp: str, reason: str, message: str) -> None:
        self._names.write(Line(path=path, stamp=stamp, reason=reason, message=message).to_json())

    def finish(self) -> None:
        """Puts each result in its place whole, and removes what was needed to get there."""
        self.__exit__(None, None, None)
        made = self._folder / "result.npz"
        self._write_npz(made)
        self._lines.replace(self._target.with_suffix(".jsonl"))
        made.replace(self._target)
        shutil.rmtree(self._folder)

    @property
    def _lines(self) -> Path:
        return self._folder / "names.jsonl"

    def _data(self, space: str) -> Path:
        return self._folder / f"{space}.f32"

    def _take_up(self) -> None:
        """Keeps what an earlier run with the same encoder left, else begins anew."""
        about = self._folder / "about.json"
        same = about.is_file() and _read_json(about.read_text()) == self._about
        if not same:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            about.write_text(json.dumps(self._about))
            return
        kept = self._whole_rows()
        self._lines.write_text("".join(line.to_json() for line in kept), encoding="utf-8")
        for space, dim in self._dims.items():
            os.truncate(self._data(space), len(kept) * dim * 4)
        self._done = {line.path: line.stamp for line in kept}
        self.rows = len(kept)

    def _whole_rows(self) -> list[Line]:
        """The names whose vectors are on the disk in every space, in order."""
        for file in (self._lines, *(self._data(space) for space in self._dims)):
            file.touch()
        most = min(self._data(space).stat().st_size // (4 * dim) for space, dim in self._dims.items())
        found = [_read_json(text) for text in self._lines.read_text(encoding="utf-8").splitlines()]
        rows = [Line(**entry) for entry in found if entry is not None and "row" in entry]
        return rows[:most]

    def _write_npz(self, path: Path) -> None:
        with ZipFile(path, "w", allowZip64=True) as archive:
            for space, dim in self._dims.items():
                with archive.open(f"{space}.npy", "w", force_zip64=True) as member, self._data(space).open("rb") as data:
                    header = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, dim)}
                    np.lib.format.write_array_header_1_0(member, header)
                    shutil.copyfileobj(data, member, ZIP_BLOCK)
            with archive.open("about.npy", "w") as member:
                np.lib.format.write_array(member, np.array(json.dumps(self._about)), allow_pickle=False)


def _read_json(text: str) -> Any:
    """None for a line that a crash cut short."""
    try:
        return json.loads(text)
    except ValueError:
        return None
