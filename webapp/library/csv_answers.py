"""Tables as answers: CSV files that are sent line by line as they are read, and that no spreadsheet takes for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from webapp.accounts import limits
from webapp.accounts.models import User
from webapp.library.tables import errors_table
from webapp.spreadsheets import MARK, csv_lines


def download(pieces: Iterable[Any], *, content_type: str, name: str) -> StreamingHttpResponse:
    """``name`` with its ending."""
    response = StreamingHttpResponse(pieces, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def csv_answer(headings: Sequence[str], rows: Iterable[Iterable[str]], *, name: str, user: User) -> HttpResponseBase:
    """A download, one of the exports of ``user``; ``name`` without its ending. Raises limits.TooMany."""
    limits.count("export", user)
    return download(chain([MARK], csv_lines(headings, rows)), content_type="text/csv; charset=utf-8", name=f"{name}.csv")


def report_answer(rows: Sequence[Mapping[str, Any]], *, name: str, user: User) -> HttpResponseBase:
    """What could not be done. Rows of a table come as they were sent, to be corrected; others with their columns by
    name, which is how PostgreSQL and SQLite can agree.
    """
    if any("cells" in row for row in rows):
        return errors_answer(rows, name=name, user=user)
    headings = sorted({heading for row in rows for heading in row})
    return csv_answer(headings, ([str(row.get(each, "")) for each in headings] for row in rows), name=name, user=user)


def errors_answer(errors: Sequence[Mapping[str, Any]], *, name: str, user: User) -> HttpResponseBase:
    """Rows of a table that were not taken: put right, the file is a table again."""
    headings, rows = errors_table(errors)
    return csv_answer(headings, rows, name=name, user=user)
