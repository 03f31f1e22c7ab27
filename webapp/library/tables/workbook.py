"""XLSX: a zip of XML, looked through before openpyxl is given it; values only, as the spreadsheet last calculated them."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError  # what defusedxml raises  # nosec B405
from xml.parsers import expat

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from webapp.library.tables.shaping import shaped
from webapp.library.tables.sheet import MOST_COLUMNS, BadTable, Cell, Sheet, Unusable, text_cell

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

MOST_MEMBERS = 2000
MOST_UNPACKED = 256 * 2**20
MOST_RATIO, RATIO_FROM = 200, 16 * 2**20  # times as large unpacked; asked of members from so many bytes on
CHUNK_BYTES = 1 << 18
ROOT_WITHIN = 1 << 20  # a document whose first element comes later than that is not a spreadsheet's
FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
ERRORS = ("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#SPILL!", "#CALC!", "#FIELD!", "#GETTING_DATA")
UNCALCULATED = "is a formula that no program has calculated: open the table in a spreadsheet and save it again"
WRONG = "is a formula that ends in an error"

# openpyxl trusts the file's structure and checks little: what is missing or misplaced there comes out as one of these
BROKEN = (
    AttributeError, EOFError, ImportError, InvalidFileException, LookupError, NotImplementedError, OSError, OverflowError,
    ParseError, RecursionError, TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_workbook(data: bytes, sheet: str = "") -> Sheet:
    """The sheet of that name, or the first one that is shown. Raises BadTable."""
    has_formulas = _look_through(data)
    try:
        return _read(data, sheet, has_formulas=has_formulas)
    except BadTable:
        raise
    except BROKEN as exc:
        raise BadTable("The workbook is damaged, or no XLSX: save it anew as .xlsx or «CSV UTF-8».") from exc


def _read(data: bytes, wanted: str, *, has_formulas: bool) -> Sheet:
    values = load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False)
    names = tuple(each.title for each in values.worksheets)
    chosen = _chosen(values.worksheets, wanted)
    records = _values(chosen)
    if has_formulas:
        formulas = load_workbook(BytesIO(data), read_only=True, data_only=False, keep_links=False)
        records = _told(records, _values(formulas[chosen.title]))
    return shaped(records, read_as=f"the sheet «{chosen.title}» of a workbook", name=chosen.title, names=names)


def _chosen(sheets: list[Any], wanted: str) -> ReadOnlyWorksheet:
    if wanted:
        named = [each for each in sheets if each.title.casefold() == wanted.casefold()]
        if not named:
            raise BadTable(f"The workbook has no sheet «{wanted[:60]}».")
        return named[0]  # type: ignore[no-any-return]
    if not sheets:
        raise BadTable("The workbook has no sheet of cells.")
    return next((each for each in sheets if each.sheet_state == "visible"), sheets[0])  # type: ignore[no-any-return]


def _values(sheet: ReadOnlyWorksheet) -> Iterator[tuple[Cell, ...]]:
    """As wide as the first row that says something, and one column more, so that what is there is noticed. What the sheet says
    of its own size is not believed.
    """
    sheet.reset_dimensions()
    first = next((width for row in _rows(sheet, MOST_COLUMNS + 1) if (width := _width(row))), 0)
    for row in _rows(sheet, min(first, MOST_COLUMNS) + 1):
        yield tuple(map(_cell, row[: _width(row)]))


def _rows(sheet: ReadOnlyWorksheet, most_columns: int) -> Iterator[tuple[Any, ...]]:
    return sheet.iter_rows(max_col=most_columns, values_only=True)  # type: ignore[misc]  # a mistake in the stubs


def _width(row: tuple[Any, ...]) -> int:
    """Without the empty cells at its end."""
    return max((index for index, value in enumerate(row, 1) if value is not None), default=0)


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return Unusable(value, WRONG) if value in ERRORS else text_cell(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    if isinstance(value, datetime):
        return value if value.time() != time() else value.date()
    return value if isinstance(value, date) else _time(value)


def _time(value: Any) -> Cell:
    """A time of day, a span, or what only a formula can be."""
    if isinstance(value, (time, timedelta)):
        return str(value)
    return f"={getattr(value, 'text', '') or ''}"


def _told(values: Iterator[tuple[Cell, ...]], formulas: Iterator[tuple[Cell, ...]]) -> Iterator[tuple[Cell, ...]]:
    """Values, but for those that a formula there has not got."""
    for row, behind in zip(values, formulas, strict=True):
        padded = row + (None,) * (len(behind) - len(row))
        yield tuple(
            Unusable(formula[:60], UNCALCULATED) if value is None and isinstance(formula, str) and formula[:1] == "=" else value
            for value, formula in zip(padded, behind + (None,) * (len(padded) - len(behind)), strict=True)
        )


# --- before it is opened ----------------------------------------------------------------------------------------------


def _look_through(data: bytes) -> bool:
    """Every member once, unpacked and forgotten; whether there are formulas. Raises BadTable."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
            _refuse_declared(members)
            return sum(_look_at(archive, each) for each in members if not each.is_dir()) > 0  # every one, not up to the first
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error, OSError) as exc:
        raise BadTable("The workbook is damaged or protected by a password.") from exc


def _refuse_declared(members: list[zipfile.ZipInfo]) -> None:
    names = [each.filename for each in members]
    if "[Content_Types].xml" not in names:
        raise BadTable("The table is a zip file, and no XLSX: save it as .xlsx or «CSV UTF-8».")
    if len(members) > MOST_MEMBERS or len(set(names)) < len(names):
        raise BadTable("The workbook is not built as spreadsheets build them: it has too many parts, or one twice.")
    if sum(each.file_size for each in members) > MOST_UNPACKED:
        raise BadTable(f"The workbook is larger than {MOST_UNPACKED // 2**20} MB when it is unpacked.")
    for each in members:
        if each.file_size > max(RATIO_FROM, MOST_RATIO * each.compress_size):
            raise BadTable("The workbook unpacks to far more than a table has.")


def _look_at(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """zipfile gives no more than was declared and compares the checksum at the end; what is declared has been looked at."""
    as_xml = member.filename.lower().endswith((".xml", ".rels", ".vml"))
    prologue, formulas, tail = _Prologue(), False, b""
    with archive.open(member) as file:
        while chunk := file.read(CHUNK_BYTES):
            if as_xml:
                prologue.feed(chunk)
            formulas = formulas or bool(FORMULA.search(tail + chunk))
            tail = chunk[-64:]
    return formulas and "worksheets/" in member.filename


class _Prologue:
    """What stands before a document's first element: no place for a DTD, whose entities could grow without end."""

    def __init__(self) -> None:
        self._parser: expat.XMLParserType | None = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._begun
        self._seen, self._root = 0, False

    def feed(self, chunk: bytes) -> None:
        if self._parser is None:
            return
        self._seen += len(chunk)
        try:
            self._parser.Parse(chunk, False)
        except expat.ExpatError as exc:
            raise BadTable("The workbook is damaged: a part of it is no XML.") from exc
        if self._root:
            self._parser = None
        elif self._seen > ROOT_WITHIN:
            raise BadTable("The workbook is not built as spreadsheets build them: it begins with nothing for too long.")

    def _refuse(self, *_: object) -> None:
        raise BadTable("The workbook declares XML entities, as no spreadsheet does: it is not read.")

    def _begun(self, *_: object) -> None:
        self._root = True
