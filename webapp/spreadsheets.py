"""CSV files that no spreadsheet takes for a program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

# what spreadsheets begin a formula with, and the full-width forms that some of them read as the same
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

MARK = "\ufeff"  # before UTF-8: without it spreadsheets read umlauts as something else
BLANKS = " \u00a0\u3000\ufeff"


def csv_text(headings: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A heading and a line a row; every cell quoted."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow([harmless(heading) for heading in headings])
    for row in rows:
        writer.writerow([harmless(cell) for cell in row])
    return out.getvalue()


def harmless(cell: str) -> str:
    """With an apostrophe before what a spreadsheet would calculate, blanks before it or not; with another one before what has
    one already, so that as_meant() is exact.
    """
    return f"'{cell}" if cell.lstrip(BLANKS + "'").startswith(FORMULA) else cell


def as_meant(cell: str) -> str:
    """What harmless() was given: a table that was exported here comes back as it was."""
    return cell[1:] if cell.startswith("'") and harmless(cell[1:]) == cell else cell
