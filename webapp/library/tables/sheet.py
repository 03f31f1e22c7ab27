"""A table as it was read: headings and rows, nothing of it understood yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

MOST_COLUMNS = 256
MOST_CELLS = 5_000_000
NO_TEXT = re.compile("[\0\ud800-\udfff]")


class BadTable(ValueError):
    """The table cannot be used; the sentence says why."""


@dataclass(frozen=True)
class Unusable:
    """A cell that has no value to keep. ``shown``: what stands there, ``why``: a sentence without its subject."""

    shown: str
    why: str


Cell = str | int | float | bool | date | Unusable | None  # a datetime is a date


@dataclass(frozen=True)
class Row:
    """``number`` as the spreadsheet shows it; as many cells as the sheet has headings. ``surplus``: it had more than that."""

    number: int
    cells: tuple[Cell, ...]
    surplus: bool = False


@dataclass(frozen=True)
class Sheet:
    """``headings`` are unique and not empty. ``read_as``: encoding and delimiter, or which sheet of a workbook, in words.

    ``name`` of its sheet and ``names`` of all, where it is a workbook. ``notes``: what was done to make it a table.
    """

    headings: tuple[str, ...]
    rows: Sequence[Row]
    read_as: str
    name: str = ""
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def text_cell(told: str) -> Cell:
    """Text without blanks around it; unusable where no database would keep it."""
    if NO_TEXT.search(told):
        return Unusable(NO_TEXT.sub("�", told).strip(), "has a NUL, or half of a character, which no text has")
    return told.strip()


def shown(cell: Cell) -> str:
    """A cell as people read it, and as it is kept where it is to be text."""
    if cell is None:
        return ""
    if isinstance(cell, Unusable):
        return cell.shown
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.15g}"
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "minutes")
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def column_letters(index: int) -> str:
    """A, B, … Z, AA: a column's name in a spreadsheet, from 0."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
