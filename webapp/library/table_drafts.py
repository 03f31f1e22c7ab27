"""Tables on their way from a form to a job: on disk, never in the queue, and gone when the job is done or after a day."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from webapp.library import files
from webapp.library.models import Job
from webapp.library.slicing import slices
from webapp.library.tables import Sheet, read
from webapp.library.tables.packing import packed, unpacked

KEPT_S = 24 * 3600
OPEN = ("waiting", "running")


class Gone(LookupError):
    """It was imported, given up or forgotten."""


@dataclass(frozen=True)
class Draft:
    """``wanted``: the mapping that a person chose, as Mapping.as_dict(); empty: not chosen yet. ``sheet``: of a workbook."""

    number: UUID
    name: str
    sheet: str = ""
    wanted: Mapping[str, Any] = field(default_factory=dict)

    def opened(self) -> Sheet:
        """Raises BadTable, Gone. A workbook's sheet is kept as it was read the first time."""
        try:
            if (kept := _read_before(self.number, self.sheet)).is_file():
                return unpacked(kept.read_bytes())
            data = files.table(self.number).read_bytes()
        except FileNotFoundError as exc:
            raise Gone(self.number) from exc
        sheet = read(data, self.name, sheet=self.sheet)
        if sheet.names:
            files.write_atomically(kept, packed(sheet), durable=False)
        return sheet


def keep(data: bytes, name: str) -> Draft:
    draft = Draft(uuid.uuid4(), name[-200:])
    files.write_atomically(files.table(draft.number), data)
    write(draft)
    return draft


def write(draft: Draft) -> None:
    about = {"name": draft.name, "sheet": draft.sheet, "wanted": dict(draft.wanted)}
    files.write_atomically(_about(draft.number), json.dumps(about).encode())


def load(number: UUID) -> Draft:
    """Raises Gone."""
    try:
        return Draft(number, **json.loads(_about(number).read_bytes()))
    except FileNotFoundError as exc:
        raise Gone(number) from exc


def hand_over(draft: Draft, job: Job) -> None:
    """The table is the job's from now on."""
    write(Draft(job.pk, draft.name, draft.sheet, draft.wanted))
    files.put(files.table(draft.number), files.table(job.pk))
    if (kept := _read_before(draft.number, draft.sheet)).is_file():
        files.put(kept, _read_before(job.pk, draft.sheet), durable=False)
    forget(draft.number)


def forget(number: UUID) -> None:
    for path in (files.root() / files.TABLES).glob(f"{number}*"):
        path.unlink(missing_ok=True)


def forget_old() -> int:
    """Those of jobs that have ended, and those older than a day that are no open job's; how many files."""
    lying = {path: path.name.partition(".")[0] for path in (files.root() / files.TABLES).glob("*")}
    states = _states(set(lying.values()))
    old = [path for path, number in lying.items() if number not in states and _age_s(path) > KEPT_S]
    gone = old + [path for path, number in lying.items() if states.get(number, OPEN[0]) not in OPEN]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _states(numbers: Iterable[str]) -> dict[str, str]:
    """Of those that are a job's: the job's state."""
    found: dict[str, str] = {}
    for some in slices(UUID(number) for number in numbers):
        found |= {str(pk): state for pk, state in Job.objects.filter(pk__in=some).values_list("pk", "state")}
    return found


def _about(number: UUID) -> Path:
    return files.table(number).with_suffix(".json")


def _read_before(number: UUID, sheet: str) -> Path:
    which = hashlib.sha256(sheet.encode()).hexdigest()[:16]  # a sheet's name is no file's name
    return files.table(number).with_suffix(f".{which}")


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
