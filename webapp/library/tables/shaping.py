"""From records to a sheet: the heading found, rows of one width, empty ones left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from django.conf import settings

from webapp.library.tables.sheet import MOST_CELLS, MOST_COLUMNS, BadTable, Cell, Row, Sheet, column_letters, shown

# what a file's name ends with, and no heading does
FILE_NAME = re.compile(r".\.(jpe?g|jpe|png|tiff?|webp|bmp|gif|jp2|j2k|jpx|avif|dcm|dicom|svs|ndpi|scn|txt|csv)$", re.IGNORECASE)
Record = tuple[Cell, ...]


def shaped(records: Iterable[Record], *, read_as: str, name: str = "", names: tuple[str, ...] = ()) -> Sheet:
    """Raises BadTable: too many rows, columns or cells, or none."""
    numbered = enumerate(records, 1)
    first = next(((number, record) for number, record in numbered if _says_something(record)), None)
    if first is None:
        raise BadTable("The table is empty.")
    if len(_trimmed(first[1])) > MOST_COLUMNS:
        raise BadTable(f"The table has more than {MOST_COLUMNS} columns.")
    headless = any(isinstance(cell, str) and FILE_NAME.search(cell) for cell in first[1])
    headings, notes = _headings(_trimmed(first[1]), headless=headless)
    rows = list(_rows(_again(first, numbered) if headless else numbered, len(headings)))
    if not rows:
        raise BadTable("The table has a heading and no row below it.")
    return _without_empty_columns(Sheet(headings, rows, read_as, name, names, tuple(notes)), headless=headless)


def _again(first: tuple[int, Record], rest: Iterable[tuple[int, Record]]) -> Iterator[tuple[int, Record]]:
    yield first
    yield from rest


def _rows(numbered: Iterable[tuple[int, Record]], width: int) -> Iterator[Row]:
    cells = 0
    for number, record in numbered:
        if number > settings.TABLE_MAX_ROWS + 1:
            raise BadTable(f"The table has more than {settings.TABLE_MAX_ROWS:,} rows.")
        if not _says_something(record):
            continue
        cells += width
        if cells > MOST_CELLS:
            raise BadTable(f"The table has more than {MOST_CELLS:,} cells: leave out columns, or part it.")
        kept = record[:width] + (None,) * (width - len(record))
        yield Row(number, kept, surplus=_says_something(record[width:]))


def _headings(cells: Sequence[Cell], *, headless: bool) -> tuple[tuple[str, ...], list[str]]:
    """Unique ones, and what is to be told about them."""
    if headless:
        names = tuple(f"Column {column_letters(index)}" for index in range(len(cells)))
        return names, ["The first row names a file, so the table has no heading: its columns are called by their letters."]
    told = [" ".join(shown(cell).split())[:200] or f"Column {column_letters(index)}" for index, cell in enumerate(cells)]
    twice = sorted({name for name, n in Counter(map(str.casefold, told)).items() if n > 1})
    notes = [f"Several columns are called «{name}»: the first one counts." for name in twice]
    return _unique(told), notes


def _unique(told: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    taken: set[str] = set()
    for name in told:
        new, n = name, 1
        while new.casefold() in taken:
            n += 1
            new = f"{name} ({n})"
        taken.add(new.casefold())
        names.append(new)
    return tuple(names)


def _without_empty_columns(sheet: Sheet, *, headless: bool) -> Sheet:
    """A column that nobody has named or filled is what a spreadsheet's edge left behind."""
    unnamed = [i for i, name in enumerate(sheet.headings) if not headless and name == f"Column {column_letters(i)}"]
    empty = {i for i in unnamed if not any(shown(row.cells[i]) for row in sheet.rows)}
    if not empty:
        return sheet
    kept = [i for i in range(len(sheet.headings)) if i not in empty]
    rows = [Row(row.number, tuple(row.cells[i] for i in kept), row.surplus) for row in sheet.rows]
    return replace(sheet, headings=tuple(sheet.headings[i] for i in kept), rows=rows)


def _trimmed(record: Record) -> Record:
    """Without empty cells at its end."""
    width = max((index for index, cell in enumerate(record, 1) if cell not in (None, "")), default=0)
    return record[:width]


def _says_something(record: Record) -> bool:
    return any(cell not in (None, "") for cell in record)
