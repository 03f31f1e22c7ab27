"""What a table says of each file, and which of its rows cannot be taken and why."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Mappings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from webapp.library.field_rules import OWN, Rules, as_metadata
from webapp.library.metadata import BadMetadata, Metadata
from webapp.library.models import Collection
from webapp.library.tables.mapping import IGNORED, Mapping, Match, as_id, unit_of
from webapp.library.tables.sheet import Cell, Row, Sheet, Unusable, shown
from webapp.spreadsheets import csv_text

PREVIEWED = 20
ROW, WRONG = "row", "what is wrong"  # the columns that errors.csv has besides the table's own
VALUE_LENGTH = 200
MOST_KNOWN = 50_000  # values that are remembered while a table is read
MOST_PARTS = 16  # of a path, that are compared


@dataclass(frozen=True, kw_only=True)
class RowError:
    """``row`` as the spreadsheet shows it. ``cells``: the whole row as (heading, text), in the table's order, to be corrected and
    sent again; pairs, because neither PostgreSQL's jsonb nor JavaScript keeps the order of an object's keys.
    """

    row: int
    column: str
    value: str
    text: str
    cells: Sequence[tuple[str, str]] = ()

    def as_dict(self) -> dict[str, Any]:
        return vars(self) | {"cells": [list(pair) for pair in self.cells]}


@dataclass(frozen=True, kw_only=True)
class SaidRow:
    """``key``: what names the file, as it stands there."""

    number: int
    key: str
    metadata: Metadata
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Said:
    """``rows`` are those that can be taken, ``errors`` say why others cannot. ``total``: of the table's rows, these and those
    that said the same as another one. ``apart``: files that a row would name if another file were not called so exactly.
    """

    mapping: Mapping | None = None
    headings: tuple[str, ...] = ()
    rows: Sequence[SaidRow] = ()
    errors: Sequence[RowError] = ()
    total: int = 0
    apart: frozenset[str] = frozenset()

    def of(self, name: str) -> Metadata:
        """Of a file by its path below what was chosen; nothing where no row names it."""
        row = self.row_of(name)
        return row.metadata if row else Metadata()

    def row_of(self, name: str) -> SaidRow | None:
        """By its whole path; else by as much of the path's end as both the table and the upload know of it."""
        if name in self.apart:
            return None
        for spelt in (_spelt, _folded):
            if row := self._by_path[spelt].found(spelt(name), by_name=self._by_name):
                return row
        return None

    def keys(self) -> list[tuple[int, str]]:
        """(row, what names the file) of the rows that can be taken."""
        return [(row.number, row.key) for row in self.rows]

    def among(self, names: Iterable[str]) -> Said:
        """The same for these files only: a row that several of them could be meant by is an error, and no longer taken.

        Of several, one that the row names by its whole path is meant.
        """
        of_row: dict[int, list[str]] = defaultdict(list)
        for name in names:
            if row := self.row_of(name):
                of_row[row.number].append(name)
        several = {row.number: row for row in self.rows if len(of_row.get(row.number, ())) > 1}
        exactly = {n: [name for name in of_row[n] if self._is_exactly(row, name)] for n, row in several.items()}
        unclear = {n for n in several if len(exactly[n]) != 1}
        apart = {name for n in several.keys() - unclear for name in of_row[n] if name not in exactly[n]}
        errors = [self._two_files(row, of_row[n]) for n, row in several.items() if n in unclear]
        return replace(
            self,
            rows=[row for row in self.rows if row.number not in unclear],
            errors=sorted([*self.errors, *errors], key=lambda each: each.row),
            apart=self.apart | apart,
        )

    def _is_exactly(self, row: SaidRow, name: str) -> bool:
        return not self._by_name and same_path(row.key, name)

    def unused(self, names: Iterable[str]) -> list[tuple[int, str]]:
        """Rows that name none of these files."""
        used = {row.number for name in names if (row := self.row_of(name))}
        return [(row.number, row.key) for row in self.rows if row.number not in used]

    def unnamed(self, names: Iterable[str]) -> list[str]:
        """Those of the files that no row names."""
        return [name for name in names if self.row_of(name) is None]

    def preview(self, n: int = PREVIEWED) -> list[list[str]]:
        """The first rows as they will be kept: their number, the file, then each field of ``fields``."""
        return [[str(row.number), row.key, *(_previewed(row.metadata, name) for name in self.fields)] for row in self.rows[:n]]

    @property
    def fields(self) -> list[str]:
        """That the table speaks of, in its columns' order."""
        return [name for name in self.mapping.columns.values() if name != IGNORED] if self.mapping else []

    @property
    def _by_name(self) -> bool:
        return self.mapping is not None and self.mapping.match == Match.NAME

    @cached_property
    def _by_path(self) -> dict[Any, _Paths]:
        return {spelt: _Paths([(spelt(row.key), row) for row in self.rows]) for spelt in (_spelt, _folded)}

    def _two_files(self, row: SaidRow, names: Sequence[str]) -> RowError:
        text = f"«{row.key[:80]}» is the name of {len(names)} files in different folders: write it with its path."
        key = self.mapping.key_column if self.mapping else ""
        return error(row.number, key, row.key, text, self.headings, row.cells)


class _Paths:
    """Rows by what names their files, and by the ends of that."""

    def __init__(self, rows: Sequence[tuple[str, SaidRow]]) -> None:
        self._whole: dict[str, SaidRow | None] = {}
        self._ends: dict[str, SaidRow | None] = {}
        for key, row in rows:
            self._whole[key] = None if key in self._whole else row  # None: two rows, and nobody knows which is meant
            for end in _ends(key):
                self._ends[end] = None if end in self._ends else row

    def found(self, name: str, *, by_name: bool) -> SaidRow | None:
        if by_name:
            last = name.rpartition("/")[2]
            return self._whole.get(last) or self._ends.get(last)
        if name in self._whole:
            return self._whole[name]
        for end in _ends(name):
            if end in self._whole:
                return self._whole[end]
        return self._ends.get(name)


def _ends(path: str) -> Iterator[str]:
    """Of a/b/c: b/c and c."""
    for _ in range(MOST_PARTS):
        _, slash, path = path.partition("/")
        if not slash:
            return
        yield path


def _spelt(name: str) -> str:
    """One way to write a path: composed letters, slashes, no dots."""
    plain = name if name.isascii() else unicodedata.normalize("NFC", name)
    parts = plain.replace("\\", "/").split("/")
    return "/".join(part for each in parts if (part := each.strip()) not in ("", "."))


def same_path(one: str, other: str) -> bool:
    return _spelt(one) == _spelt(other)


def _folded(name: str) -> str:
    return _spelt(name).casefold()


def _previewed(metadata: Metadata, name: str) -> str:
    told = getattr(metadata, name) if name in OWN else metadata.extra.get(name, "")
    if isinstance(told, tuple):
        return "; ".join(told)
    return f"{told:g}" if isinstance(told, float) else told or ""


# --- a sheet's rows ---------------------------------------------------------------------------------------------------


def validated(sheet: Sheet, mapping: Mapping, collection: Collection | None, *, required: bool = True) -> Said:
    """Every row against the collection's fields. ``required`` False: of images that are there, which may say already what a
    row does not.
    """
    reader = _Reader(sheet, mapping, Rules.of(collection), required=required)
    rows, errors = reader.read()
    return Said(mapping=mapping, headings=sheet.headings, rows=rows, errors=errors, total=len(sheet.rows))


class _Reader:
    def __init__(self, sheet: Sheet, mapping: Mapping, rules: Rules, *, required: bool) -> None:
        self._sheet, self._mapping, self._rules = sheet, mapping, rules
        self._key = sheet.headings.index(mapping.key_column)
        self._columns = [
            (index, heading, mapping.columns[heading], unit_of(heading))
            for index, heading in enumerate(sheet.headings)
            if mapping.columns.get(heading, IGNORED) != IGNORED
        ]
        self._required = rules.required if required else []
        self._known: dict[tuple[str, type, Cell], Any] = {}  # a table says the same few words again and again

    def read(self) -> tuple[list[SaidRow], list[RowError]]:
        rows: list[SaidRow] = []
        errors: list[RowError] = []
        for row in self._sheet.rows:
            said = self._row(row)
            if isinstance(said, SaidRow):
                rows.append(said)
            else:
                errors += said
        rows, twice = self._once(rows)
        return rows, sorted([*errors, *twice], key=lambda each: each.row)

    def _row(self, row: Row) -> SaidRow | list[RowError]:
        errors: list[RowError] = []
        key = row.cells[self._key]
        if isinstance(key, Unusable) or not shown(key) or (self._mapping.match == Match.ID and not as_id(shown(key))):
            errors.append(self._error(row, self._mapping.key_column, key, self._bad_key(key)))
        if row.surplus:
            text = "The row has more cells than the table has headings: a text with the delimiter in it needs quotation marks."
            errors.append(self._error(row, "", None, text))
        kept: dict[str, Any] = {}
        for index, heading, name, unit in self._columns:
            try:
                kept[name] = self._value(name, row.cells[index], unit)
            except BadMetadata as bad:
                errors.append(self._error(row, heading, row.cells[index], str(bad)))
        if not errors:  # else one error would be told twice
            errors += [self._error(row, name, None, f"{name} must be given.") for name in self._required if not kept.get(name)]
        return errors or SaidRow(number=row.number, key=shown(key), metadata=as_metadata(kept), cells=row.cells)

    def _value(self, name: str, cell: Cell, unit: str) -> Any:
        if isinstance(cell, Unusable):
            raise BadMetadata(f"{name} {cell.why}.")
        asked = name, type(cell), cell  # 1 and True are equal
        if asked not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[asked] = self._rules.checked(name, cell, unit=unit)
        return self._known[asked]

    @staticmethod
    def _bad_key(key: Cell) -> str:
        if isinstance(key, Unusable):
            return f"What names the file {key.why}."
        return f"«{shown(key)[:40]}» is no image's id." if shown(key) else "The row names no file."

    def _once(self, rows: Sequence[SaidRow]) -> tuple[list[SaidRow], list[RowError]]:
        """Of rows about one file: one where they all say the same, none where they do not."""
        by_key: dict[str, list[SaidRow]] = defaultdict(list)
        for row in rows:
            by_key[_spelt(row.key)].append(row)
        several = {key: about for key, about in by_key.items() if len(about) > 1}
        left_out: set[int] = set()
        errors = []
        for about in several.values():
            same = all(row.metadata == about[0].metadata for row in about)
            left_out |= {row.number for row in (about[1:] if same else about)}
            if not same:
                errors += [self._twice(row, about) for row in about]
        return [row for row in rows if row.number not in left_out], errors

    def _twice(self, row: SaidRow, about: Sequence[SaidRow]) -> RowError:
        others = [str(each.number) for each in about if each is not row][:5]
        text = f"«{row.key[:80]}» is named in row {', '.join(others)} too, which says something else."
        return error(row.number, self._mapping.key_column, row.key, text, self._sheet.headings, row.cells)

    def _error(self, row: Row, column: str, cell: Cell, text: str) -> RowError:
        return error(row.number, column, shown(cell), text, self._sheet.headings, row.cells)


def error(row: int, column: str, value: str, text: str, headings: Sequence[str], cells: Sequence[Cell]) -> RowError:
    told = tuple(zip(headings, map(shown, cells), strict=False))
    return RowError(row=row, column=column, value=value[:VALUE_LENGTH], text=text, cells=told)


def errors_csv(errors: Sequence[RowError | Mappings[str, Any]]) -> str:
    """errors_table() as CSV."""
    return csv_text(*errors_table(errors))


def errors_table(errors: Sequence[RowError | Mappings[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """(headings, a line a row): its cells as they came, its number, and what is wrong with it. Corrected, it can be sent as a
    table.
    """
    told = [each.as_dict() if isinstance(each, RowError) else dict(each) for each in errors]
    headings = list(dict.fromkeys(heading for each in told for heading, _ in each.get("cells", ())))
    by_row: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for each in told:
        by_row[int(each.get("row") or 0)].append(each)
    return [*headings, ROW, WRONG], [_error_line(number, about, headings) for number, about in sorted(by_row.items())]


def _error_line(number: int, about: Sequence[Mappings[str, Any]], headings: Sequence[str]) -> list[str]:
    cells = dict(about[0].get("cells", ()))
    wrong = " ".join(dict.fromkeys(str(each["text"]) for each in about))
    return [*(str(cells.get(heading, "")) for heading in headings), str(number), wrong]
