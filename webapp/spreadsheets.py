"""CSV files that no spreadsheet takes for a program."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence

# what spreadsheets begin a formula with, and the full-width forms that some of them read as the same
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

MARK = "\ufeff"  # before UTF-8: without it spreadsheets read umlauts as something else
BLANKS = " \u00a0\u3000\ufeff"


class _Line:
    """What csv.writer wants of a file: write() gives the line back."""

    def write(self, line: str) -> str:
        return line


def csv_lines(headings: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A heading and a line a row, as they are read; every cell quoted."""
    writer = csv.writer(_Line(), quoting=csv.QUOTE_ALL)
    yield writer.writerow(map(harmless, headings))
    for row in rows:
        yield writer.writerow(map(harmless, row))


def csv_text(headings: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """csv_lines() together."""
    return "".join(csv_lines(headings, rows))


def harmless(cell: str) -> str:
    """With an apostrophe before what a spreadsheet would calculate, blanks before it or not; with another one before what has
    one already, so that as_meant() is exact.
    """
    return f"'{cell}" if cell.lstrip(BLANKS + "'").startswith(FORMULA) else cell


def as_meant(cell: str) -> str:
    """What harmless() was given: a table that was exported here comes back as it was."""
    return cell[1:] if cell.startswith("'") and harmless(cell[1:]) == cell else cell
