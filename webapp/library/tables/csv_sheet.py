"""Comma, semicolon or tab: CSV as spreadsheets of all countries write it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from itertools import islice

from webapp.library.tables.decoding import NoText, decoded
from webapp.library.tables.shaping import shaped
from webapp.library.tables.sheet import BadTable, Cell, Sheet, text_cell
from webapp.spreadsheets import as_meant

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
LOOKED_AT = 50  # rows
LONGEST_CELL = csv.field_size_limit()  # characters; one setting for the whole process, which nobody here changes


def read_csv(data: bytes) -> Sheet:
    """Raises BadTable."""
    try:
        text, encoding = decoded(data)
    except NoText as bad:
        raise BadTable(f"The table {bad}: save it as «CSV UTF-8».") from None
    delimiter, text = _delimiter(text.removesuffix("\x1a"))
    read_as = f"{encoding}, parted by {DELIMITERS[delimiter]}"
    return shaped(_records(text, delimiter), read_as=read_as)


def _records(text: str, delimiter: str) -> Iterator[tuple[Cell, ...]]:
    """Newlines of all systems are one here, so that an old Mac's file has lines too."""
    reader = csv.reader(StringIO(text, newline=None), delimiter=delimiter, strict=True)
    try:
        for record in reader:
            yield tuple(map(_cell, record))
    except csv.Error as exc:
        raise BadTable(f"The table, line {reader.line_num:,}: {_why(exc)}.") from exc


def _why(exc: csv.Error) -> str:
    told = str(exc)
    if "field limit" in told:
        return f"a cell has more than {LONGEST_CELL:,} characters; a quotation mark before it may lack its second one"
    return "a quotation mark lacks its second one" if "unexpected end" in told else told


def _cell(told: str) -> Cell:
    cell = text_cell(told)
    return as_meant(cell) if isinstance(cell, str) else cell


def _delimiter(text: str) -> tuple[str, str]:
    """(the delimiter, the text without Excel's line that names it)"""
    first, _, rest = text.partition("\n")
    named = first.strip("\r")
    if len(named) == 5 and named.lower().startswith("sep=") and named[4] in DELIMITERS:
        return named[4], rest
    if named.lower() == "sep=\t":
        return "\t", rest
    return max(DELIMITERS, key=lambda each: _fits(text, each)), text


def _fits(text: str, delimiter: str) -> tuple[float, int]:
    """How much of the beginning has rows as wide as the first one, where that has several cells; and how wide."""
    reader = csv.reader(StringIO(text[: 1 << 18], newline=None), delimiter=delimiter)
    try:
        widths = [len(record) for record in islice(reader, LOOKED_AT) if record]
    except csv.Error:
        return 0.0, 0
    if not widths or widths[0] < 2:
        return 0.0, 0
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]
