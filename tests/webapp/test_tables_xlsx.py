"""XLSX as spreadsheets write it, and as nobody should."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from webapp.library import tables
from webapp.library.models import FieldDefinition, FieldKind
from webapp.library.tables import BadTable
from webapp.library.tables import workbook as reading
from webapp.library.tables.packing import packed, unpacked

pytestmark = pytest.mark.django_db


def workbook(*rows, **sheets) -> bytes:
    book = Workbook()
    first = book.active
    assert first is not None
    for row in rows:
        first.append(row)
    for title, others in sheets.items():
        sheet = book.create_sheet(title)
        for row in others:
            sheet.append(row)
    return saved(book)


def saved(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def changed(data: bytes, **parts: bytes | None) -> bytes:
    """The same zip with some members replaced, left out (None) or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        for each in before.infolist():
            if each.filename not in parts:
                after.writestr(each.filename, before.read(each))
        for name, content in parts.items():
            if content is not None:
                after.writestr(name, content)
    return out.getvalue()


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = "xl/worksheets/sheet1.xml"
SMALL = [["file", "caption"], ["a.png", "Pink"]]


def sheet_of(cells: str, before: str = "") -> bytes:
    return f'<?xml version="1.0"?>{before}<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData></worksheet>'.encode()


def said(collection, data: bytes):
    sheet = tables.read(data)
    return tables.validated(sheet, tables.mapping_for(collection, sheet), collection)


def test_numbers_dates_and_truths_keep_their_types():
    at = datetime(2024, 3, 5, 10)  # noqa: DTZ001  spreadsheets know no time zones
    data = workbook(["file", "n", "whole", "on", "at", "yes"], ["a.png", 0.25, 12.0, date(2024, 3, 5), at, True])
    assert tables.read(data).rows[0].cells == ("a.png", 0.25, 12, date(2024, 3, 5), at, True)


def test_a_sheet_that_was_kept_is_the_one_that_was_read():
    at = datetime(2024, 3, 5, 10)  # noqa: DTZ001  spreadsheets know no time zones
    sheet = tables.read(
        workbook(["file", "n", "on", "at", "wrong"], ["a.png", 0.25, date(2024, 3, 5), at, "#REF!"], ["b.png", True, None])
    )
    assert unpacked(packed(sheet)) == sheet


def test_typed_cells_are_validated_as_written_ones(collection):
    FieldDefinition.objects.create(collection=collection, name="taken", kind=FieldKind.DATE)
    FieldDefinition.objects.create(collection=collection, name="depth", kind=FieldKind.NUMBER, unit="µm")
    data = workbook(
        ["file", "mpp", "case", "taken", "depth (mm)"],
        ["a.png", 0.25, 12345, date(2024, 3, 5), 2],
        ["b.png", date(2024, 1, 1), 1, 7, True],
    )
    told = said(collection, data)
    assert told.rows[0].metadata.as_dict() == {"mpp": 0.25, "case": "12345", "extra": {"taken": "2024-03-05", "depth": "2000 µm"}}
    assert [each.column for each in told.errors] == ["mpp", "taken", "depth (mm)"]


def test_rows_are_numbered_as_the_spreadsheet_shows_them():
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["B3"], sheet["C3"], sheet["B7"], sheet["C7"] = "file", "caption", "a.png", "Pink"
    read = tables.read(saved(book))
    assert (read.headings, [(row.number, row.cells) for row in read.rows]) == (("file", "caption"), [(7, ("a.png", "Pink"))])


def test_the_first_sheet_that_is_shown_is_read_or_the_one_that_is_named():
    data = workbook(*SMALL, Other=[["file", "stain"], ["b.png", "PAS"]])
    assert (tables.read(data).name, tables.read(data).names) == ("Sheet", ("Sheet", "Other"))
    assert tables.read(data, sheet="other").headings == ("file", "stain")
    with pytest.raises(BadTable, match="no sheet «Gone»"):
        tables.read(data, sheet="Gone")


def test_a_formula_counts_as_what_it_was_calculated_to_be(collection):
    cells = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>file</t></is></c><c r="B1" t="inlineStr"><is><t>stain</t></is></c></row>'
        '<row r="2"><c r="A2" t="inlineStr"><is><t>a.png</t></is></c><c r="B2" t="str"><f>"P"&amp;"AS"</f><v>PAS</v></c></row>'
        '<row r="3"><c r="A3" t="inlineStr"><is><t>b.png</t></is></c><c r="B3"><f>HYPERLINK("http://x")</f></c></row>'
        '<row r="4"><c r="A4" t="inlineStr"><is><t>c.png</t></is></c><c r="B4" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
    )
    told = said(collection, changed(workbook(*SMALL), **{SHEET: sheet_of(cells)}))
    assert [row.metadata.stain for row in told.rows] == ["PAS"]
    assert [(each.row, each.column, each.text.split(":")[0]) for each in told.errors] == [
        (3, "stain", "stain is a formula that no program has calculated"),
        (4, "stain", "stain is a formula that ends in an error."),
    ]


def test_a_sheets_word_about_its_own_size_is_not_believed():
    content = sheet_of('<row r="1"><c r="A1" t="str"><v>file</v></c></row><row r="2"><c r="A2" t="str"><v>a.png</v></c></row>')
    content = content.replace(b"<sheetData>", b'<dimension ref="A1:XFD1048576"/><sheetData>')
    assert len(tables.read(changed(workbook(*SMALL), **{SHEET: content})).rows) == 1


def test_links_to_other_files_are_not_followed():
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    space = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
    link = f'<externalLink xmlns="{MAIN}" xmlns:r="{office}"><externalBook r:id="rId1"/></externalLink>'
    target = 'Target="http://127.0.0.1:9/x.xlsx" TargetMode="External"'
    rels = f'<Relationships {space}><Relationship Id="rId1" Type="{office}/externalLinkPath" {target}/></Relationships>'
    data = workbook(*SMALL)
    book = zipfile.ZipFile(io.BytesIO(data)).read("xl/_rels/workbook.xml.rels").decode()
    added = (
        f'<Relationship Id="rId99" Type="{office}/externalLink" Target="/xl/externalLinks/externalLink1.xml"/></Relationships>'
    )
    parts = {
        "xl/externalLinks/externalLink1.xml": link.encode(),
        "xl/externalLinks/_rels/externalLink1.xml.rels": rels.encode(),
        "xl/_rels/workbook.xml.rels": book.replace("</Relationships>", added).encode(),
    }
    assert tables.read(changed(data, **parts)).rows[0].cells == ("a.png", "Pink")


# --- hostile ----------------------------------------------------------------------------------------------------------


def test_a_bomb_by_ratio_is_refused_before_it_is_unpacked():
    with pytest.raises(BadTable, match="far more than a table has"):
        tables.read(changed(workbook(*SMALL), **{"xl/media/x.bin": b"\0" * (40 * 2**20)}))


def test_a_bomb_by_sum_is_refused(monkeypatch):
    monkeypatch.setattr(reading, "MOST_UNPACKED", 2**20)
    with pytest.raises(BadTable, match="larger than 1 MB"):
        tables.read(changed(workbook(*SMALL), **{f"xl/media/{n}.bin": b"\0" * 2**19 for n in range(3)}))


def test_a_size_that_is_a_lie_is_found_out():
    data = bytearray(changed(workbook(*SMALL), **{"xl/media/x.bin": b"\0" * (40 * 2**20)}))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.getinfo("xl/media/x.bin").file_size.to_bytes(4, "little")
    lying = bytes(data).replace(size, (1000).to_bytes(4, "little"))
    with pytest.raises(BadTable):
        tables.read(lying)


def test_too_many_parts_and_parts_that_are_there_twice_are_refused(monkeypatch):
    twice = io.BytesIO(workbook(*SMALL))
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(SHEET, sheet_of(""))
    with pytest.raises(BadTable, match="one twice"):
        tables.read(twice.getvalue())
    monkeypatch.setattr(reading, "MOST_MEMBERS", 3)
    with pytest.raises(BadTable, match="too many parts"):
        tables.read(workbook(*SMALL))


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("part", [SHEET, "xl/workbook.xml", "xl/sharedStrings.xml", "docProps/core.xml"])
@pytest.mark.parametrize("prologue", [LAUGHS, OUTSIDE, "<!-- x -->" * 20_000 + LAUGHS])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_wherever_they_are_declared(part, prologue, encoding):
    text = sheet_of("", prologue).decode().replace('<?xml version="1.0"?>', f'<?xml version="1.0" encoding="{encoding}"?>')
    with pytest.raises(BadTable, match="declares XML entities"):
        tables.read(changed(workbook(*SMALL), **{part: text.encode(encoding)}))


def test_a_document_that_does_not_begin_is_refused():
    with pytest.raises(BadTable, match="begins with nothing"):
        tables.read(changed(workbook(*SMALL), **{SHEET: b"<!--" + b"x" * 3_000_000 + b"-->" + sheet_of("")}))


@pytest.mark.parametrize(
    "parts",
    [
        {"xl/workbook.xml": None},
        {"[Content_Types].xml": None},
        {SHEET: None},
        {SHEET: b"no xml"},
        {SHEET: sheet_of('<row r="1"><c r="A1" t="s"><v>999999</v></c></row>')},
        {SHEET: sheet_of('<row r="x"><c r="A1"><v>1</v></c></row>')},
        {SHEET: sheet_of('<row r="1"><c r="ZZZZ1"><v>1</v></c></row>')},
        {SHEET: sheet_of('<row r="1"><c r="A1"><v>nan and so on</v></c></row>')},
        {SHEET: sheet_of('<row r="1"><c r="A1">')},
        {"xl/_rels/workbook.xml.rels": b"<x/>"},
    ],
)
def test_a_damaged_workbook_is_refused_in_one_sentence(parts):
    with pytest.raises(BadTable):
        tables.read(changed(workbook(*SMALL), **parts))


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_workbook_that_is_cut_off_is_refused(share):
    data = workbook(*SMALL)
    with pytest.raises(BadTable, match="damaged"):
        tables.read(data[: int(len(data) * share)])


def test_a_workbook_under_a_password_is_refused():
    data = bytearray(workbook(*SMALL))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + offset] |= 1
    with pytest.raises(BadTable, match="password"):
        tables.read(bytes(data))


def test_a_zip_of_anything_else_is_no_table():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(BadTable, match="no XLSX"):
        tables.read(out.getvalue())


@pytest.mark.parametrize("number", [10**9, 2**40])
def test_a_row_far_below_is_no_way_to_keep_the_reader_busy(settings, number):
    settings.TABLE_MAX_ROWS = 1000
    cells = f'<row r="1"><c r="A1" t="str"><v>file</v></c></row><row r="{number}"><c r="A{number}" t="str"><v>a.png</v></c></row>'
    with pytest.raises(BadTable):
        tables.read(changed(workbook(*SMALL), **{SHEET: sheet_of(cells)}))


def test_too_many_columns_are_refused():
    with pytest.raises(BadTable, match="256 columns"):
        tables.read(workbook(["file", *map(str, range(300))], ["a.png"]))


def test_a_workbook_without_styles_is_read():
    assert len(tables.read(changed(workbook(*SMALL), **{"xl/styles.xml": None})).rows) == 1
