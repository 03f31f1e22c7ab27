"""CSV as people send it: read, its columns understood, its rows validated."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import pytest

from webapp.library import tables
from webapp.library.models import FieldDefinition, FieldKind, TableMapping
from webapp.library.tables import BadTable
from webapp.library.tables.sheet import Unusable
from webapp.spreadsheets import csv_text

pytestmark = pytest.mark.django_db

INPUTS = Path(__file__).parents[2].parent / "shared" / "data" / "inputs"


def said(collection, data: bytes | str, **wanted):
    sheet = tables.read(data.encode() if isinstance(data, str) else data)
    return tables.validated(sheet, tables.mapping_for(collection, sheet, wanted or None), collection)


def define(collection, name: str, kind: FieldKind = FieldKind.TEXT, **about) -> None:
    FieldDefinition.objects.create(collection=collection, name=name, kind=kind, **about)


def wrong(told) -> list[tuple[int, str, str]]:
    return [(each.row, each.column, each.text) for each in told.errors]


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_usual_encoding_and_delimiter_is_found(delimiter, encoding, newline):
    lines = [["file", "caption", "organ"], ["a.png", "Größe, 5 µm; rot", "Leber"], ["b.png", 'two\nlines "so"', ""]]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=newline).writerows(lines)
    sheet = tables.read(out.getvalue().encode(encoding))
    assert sheet.headings == ("file", "caption", "organ")
    assert [row.cells[1] for row in sheet.rows] == ["Größe, 5 µm; rot", 'two\nlines "so"']


def test_excels_line_about_the_delimiter_is_no_row():
    sheet = tables.read(b"sep=;\r\nfile;caption\r\na.png;one, two, three\r\n")
    assert (sheet.headings, sheet.rows[0].number) == (("file", "caption"), 2)


def test_rows_are_numbered_as_a_spreadsheet_shows_them():
    sheet = tables.read(b'file,caption\n\na.png,"one\ntwo"\n,\nb.png,x\n')
    assert [(row.number, row.cells[0]) for row in sheet.rows] == [(3, "a.png"), (5, "b.png")]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"\n\n , \n", "is empty"),
        (b"file,caption\n", "no row below"),
        (b"\xff\xfe\x00", "not text in UTF-16"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x02\x03", "not text"),
        (bytes(range(256)) * 4, "not text"),
        (b"caf\x81,x\n", "not text in Windows-1252"),
        (b'file,caption\na.png,"open', "lacks its second one"),
        (b'file,caption\na.png,"a"b\n', "line 2"),
        (b"file,caption\na.png," + b"x" * 200_000, "more than 131,072 characters"),
        (b",".join(b"c%d" % n for n in range(300)) + b"\nx\n", "more than 256 columns"),
        (b"PK\x03\x04 and so on", "damaged"),
        (b"PK\x05\x06" + b"\0" * 18, "not text"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"x" * 600, "old Excel table"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(data, why):
    with pytest.raises(BadTable, match=why):
        tables.read(data)


def test_a_table_that_is_too_large_is_refused(settings):
    settings.TABLE_MAX_BYTES = 2**20
    with pytest.raises(BadTable, match="larger than 1 MB"):
        tables.read(b"x" * (2**20 + 1))
    settings.TABLE_MAX_ROWS = 3
    tables.read(b"file\n" + b"a.png\n" * 3)
    with pytest.raises(BadTable, match="more than 3 rows"):
        tables.read(b"file\n" + b"a.png\n" * 4)


def test_a_nul_makes_one_cell_unusable_and_not_the_table():
    sheet = tables.read(b"file,caption\na.png,pi\0nk " + b"x" * 200 + b"\nb.png,brown\n")
    assert isinstance(sheet.rows[0].cells[1], Unusable)
    assert sheet.rows[1].cells[1] == "brown"


def test_ragged_rows_are_filled_up_and_surplus_cells_are_noticed(collection):
    told = said(collection, "file,caption,organ\na.png,pink\nb.png,pink, red,liver\n,,\nc.png,pink,liver,\n")
    assert [row.key for row in told.rows] == ["a.png", "c.png"]
    assert "more cells than" in told.errors[0].text
    assert told.errors[0].row == 3


def test_headings_that_are_empty_or_twice_become_names_of_their_own():
    sheet = tables.read(b"file,,stain,Stain,\na.png,x,H&E,PAS,\n")
    assert sheet.headings == ("file", "Column B", "stain", "Stain (2)")
    assert "«stain»" in sheet.notes[0]


def test_a_table_without_headings_is_noticed(collection):
    told = said(collection, "a.png,pink\nb.png,brown\n", columns={"Column B": "caption"})
    assert [(row.number, row.key, row.metadata.caption) for row in told.rows] == [(1, "a.png", "pink"), (2, "b.png", "brown")]


def test_what_was_exported_comes_back_as_it_was(collection):
    cells = ["=cmd|' /C calc'!A0", "+1", "-x", "@a", "'quoted", "'=kept", "plain"]
    exported = csv_text(["file", "note"], ([f"{n}.png", cell] for n, cell in enumerate(cells)))
    assert [row.metadata.extra["note"] for row in said(collection, exported).rows] == cells


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("Staining", "stain"), ("STAIN", "stain"), ("organ_site", "organ"), ("Tissue", "organ"), ("site", "organ"),
        ("µm/px", "mpp"), ("μm / px", "mpp"), ("mpp", "mpp"), ("Pixel size (nm)", "mpp"), ("Case No.", "case"),
        ("Accession-Number", "case"), ("Diagnosis", "finding"), ("keywords", "tags"), ("Description", "caption"),
        ("Depth (mm)", "depth"), ("My  Column", "my column"), ("Patient name", ""), ("DOB", ""),
        ("Date of birth", ""), ("Surname", ""),
        ("collection", ""), ("what is wrong", ""), ("Row", ""),
    ],
)  # fmt: skip
def test_columns_are_guessed_by_their_headings(collection, heading, field):
    sheet = tables.read(f'file,"{heading}"\na.png,x\n'.encode())
    assert list(tables.guessed(collection, sheet).columns.values()) == [field]


@pytest.mark.parametrize("heading", ["file", "Filename", "file name", "FILE_NAME", "image", "Path", "name", "whatever"])
def test_the_column_that_names_the_file_is_found(collection, heading):
    sheet = tables.read(f"stain,{heading}\nH&E,a.png\nPAS,b.png\n".encode())
    assert tables.mapping_for(collection, sheet).key_column == heading


def test_a_table_that_names_no_file_is_refused(collection):
    with pytest.raises(BadTable, match="no column that names the file"):
        said(collection, "stain,organ\nH&E,liver\n")


def test_columns_are_remembered_from_the_last_table(collection):
    sheet = tables.read(b"bild,farbe,notes\na.png,H&E,x\n")
    chosen = tables.mapping_for(
        collection, sheet, {"key_column": "bild", "match": "name", "columns": {"farbe": "stain", "notes": ""}}
    )
    tables.keep(collection, chosen)
    told = said(collection, "Notes,FARBE,Bild,organ\ny,PAS,b.png,liver\n")
    assert told.rows[0].metadata.as_dict() == {"stain": "PAS", "organ": "liver"}
    assert TableMapping.objects.get().columns == {"farbe": "stain", "notes": ""}


def test_two_columns_cannot_be_one_field(collection):
    with pytest.raises(BadTable, match="«a» and «b» cannot both be stain"):
        said(collection, "file,a,b\nx.png,1,2\n", columns={"a": "stain", "b": "stain"})


@pytest.mark.parametrize("wanted", [{"match": "nonsense"}, {"key_column": "gone"}, {"columns": ["x"]}, {"columns": "x"}])
def test_a_mapping_that_does_not_fit_is_refused(collection, wanted):
    with pytest.raises(BadTable):
        said(collection, "file,a\nx.png,1\n", **wanted)


def test_a_column_that_sounds_like_a_patients_identity_is_left_out_and_told(collection):
    sheet = tables.read(b"file,Patient\na.png,Doe\n")
    assert "«Patient» is left out" in tables.guessed(collection, sheet).notes[0]
    assert said(collection, "file,Patient\na.png,Doe\n").rows[0].metadata.extra == {}


# --- which file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.png", "a.png"), ("A.PNG", "a.png"), ("f\\a.png", "f/a.png"), ("./f/a.png", "f/a.png"), ("/f//a.png", "f/a.png"),
        ("f/a.png", "root/f/a.png"), ("root/f/a.png", "f/a.png"), ("x\u0308.png", "\u1e8d.png"), ("a.png", "deep/er/a.png"),
    ],
)  # fmt: skip
def test_a_file_is_found_however_its_path_is_written(collection, key, name):
    assert said(collection, f"path,stain\n{key},PAS\n", match="path").of(name).stain == "PAS"


def test_the_same_name_in_another_folder_is_another_file(collection):
    told = said(collection, "path,stain\nf/a.png,PAS\n")
    assert told.of("g/a.png").stain == ""


def test_names_that_differ_in_case_only_are_told_apart_where_both_are_there(collection):
    told = said(collection, "file,stain\na.png,PAS\nA.png,H&E\n")
    assert (told.of("a.png").stain, told.of("A.png").stain, told.of("f/A.png").stain) == ("PAS", "H&E", "H&E")


def test_two_rows_about_one_file_are_errors_unless_they_say_the_same(collection):
    told = said(collection, "file,stain\na.png,PAS\nb.png,x\na.png,H&E\nb.png,x\n")
    assert [(row, text) for row, _, text in wrong(told)] == [
        (2, "«a.png» is named in row 4 too, which says something else."),
        (4, "«a.png» is named in row 2 too, which says something else."),
    ]
    assert told.keys() == [(3, "b.png")]


@pytest.mark.parametrize("match", ["name", "path"])
def test_one_name_of_two_files_is_an_error(collection, match):
    told = said(collection, "file,stain\na.png,PAS\nb.png,H&E\n", match=match).among(["f/a.png", "g/a.png", "f/b.png"])
    assert "2 files in different folders" in told.errors[0].text
    assert (told.of("f/a.png").stain, told.of("f/b.png").stain) == ("", "H&E")


def test_of_two_files_the_one_is_meant_that_is_called_exactly_so(collection):
    names = ["a.png", "g/a.png"]
    told = said(collection, "file,stain\na.png,PAS\n", match="path").among(names)
    assert (told.errors, told.of("a.png").stain, told.of("g/a.png").stain) == ([], "PAS", "")
    assert (told.unused(names), told.unnamed(names)) == ([], ["g/a.png"])


def test_rows_without_a_file_and_files_without_a_row_are_told(collection):
    told = said(collection, "file,stain\na.png,PAS\nb.png,H&E\n")
    assert told.unused(["a.png", "c.png"]) == [(3, "b.png")]
    assert told.unnamed(["a.png", "c.png"]) == ["c.png"]


def test_a_row_that_names_no_file_is_an_error(collection):
    assert wrong(said(collection, "file,stain\n,PAS\nb.png,x\n")) == [(2, "file", "The row names no file.")]


# --- what it says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("0.25", 0.25), ("0,25", 0.25), ("0.25 µm/px", 0.25), ("0.25 μm / pixel", 0.25), ("250 nm/px", 0.25), ("250nm", 0.25),
        ("0.25 um/px", 0.25), ("0.25 mpp", 0.25), ("0.00025 mm per pixel", 0.25), ("2.5e-1", 0.25), ("", None),
    ],
)  # fmt: skip
def test_a_resolution_is_read_in_any_unit(collection, told, kept):
    assert said(collection, f'file,mpp\na.png,"{told}"\n').rows[0].metadata.mpp == kept


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("40x", "magnification"), ("x20", "magnification"), ("40 ×", "magnification"), ("wide", "not a number"),
        ("1,250", "may be 1250 or 1.250"), ("0", "between 0.01 and 1000"), ("-1", "between"), ("0.25 kg", "unit"),
        ("1e400", "too large"), ("9" * 100, "not a number"), ("2024-03-05", "unit"),
    ],
)  # fmt: skip
def test_what_is_no_resolution_is_refused_with_the_reason(collection, told, why):
    [error] = said(collection, f'file,mpp\na.png,"{told}"\n').errors
    assert (error.row, error.column) == (2, "mpp")
    assert why in error.text


def test_a_unit_in_the_heading_counts_for_bare_numbers(collection):
    told = said(collection, "file,Pixel size (nm)\na.png,250\nb.png,0.5 µm\n")
    assert [row.metadata.mpp for row in told.rows] == [0.25, 0.5]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("12", "12 mm"), ("1,5", "1.5 mm"), ("1.5 cm", "15 mm"), ("1500 µm", "1.5 mm"), ("1.234,5", "1234.5 mm"),
        ("1 200 mm", "1200 mm"), ("1'200", "1200 mm"), ("-3", "-3 mm"),
    ],
)  # fmt: skip
def test_a_length_is_converted_into_the_fields_unit(collection, told, kept):
    define(collection, "Depth", FieldKind.NUMBER, unit="mm")
    assert said(collection, f'file,depth\na.png,"{told}"\n').rows[0].metadata.extra == {"Depth": kept}


@pytest.mark.parametrize("told", ["deep", "3 kg", "1,200", "yes", "3-4"])
def test_what_is_no_length_is_refused(collection, told):
    define(collection, "Depth", FieldKind.NUMBER, unit="mm")
    assert said(collection, f'file,depth\na.png,"{told}"\n').errors[0].text.startswith("Depth: ")


@pytest.mark.parametrize(
    "told",
    ["2024-03-25", "20240325", "2024-03-25T10:00", "2024/3/25", "25.03.2024", "25. 3. 2024", "25/03/2024", "03/25/2024",
     "25 March 2024", "Mar 25, 2024", "25. Mar 2024"],
)  # fmt: skip
def test_a_date_is_kept_in_iso(collection, told):
    define(collection, "taken", FieldKind.DATE)
    assert said(collection, f'file,taken\na.png,"{told}"\n').rows[0].metadata.extra == {"taken": "2024-03-25"}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("03/05/2024", "may be 2024-05-03 or 2024-03-05"), ("31.02.2024", "not a day"), ("2024-13-01", "not a day"),
        ("5.3.24", "not a date"), ("yesterday", "not a date"), ("0001-01-01", "outside"), ("45123", "not a date"),
    ],
)  # fmt: skip
def test_what_is_no_date_or_may_be_two_is_refused(collection, told, why):
    define(collection, "taken", FieldKind.DATE)
    assert why in said(collection, f"file,taken\na.png,{told}\n").errors[0].text


def test_a_closed_list_takes_its_words_however_they_are_written(collection):
    define(collection, "stain", FieldKind.CHOICE, choices=["H&E", "PAS"])
    told = said(collection, "file,stain\na.png,h&e\nb.png, PAS \nc.png,\n")
    assert [row.metadata.stain for row in told.rows] == ["H&E", "PAS", ""]


@pytest.mark.parametrize(("told", "meant"), [("HE", "«H&E»?"), ("H+E", "«H&E»?"), ("Masson trichrom", "«Masson's trichrome»?")])
def test_a_word_that_is_not_in_the_list_is_refused_with_what_was_meant(collection, told, meant):
    define(collection, "stain", FieldKind.CHOICE, choices=["H&E", "PAS", "Masson's trichrome"])
    assert said(collection, f"file,stain\na.png,{told}\n").errors[0].text.endswith(meant)


def test_a_required_field_must_be_given(collection):
    define(collection, "stain", required=True)
    told = said(collection, "file,stain\na.png,PAS\nb.png,\n")
    assert wrong(told) == [(3, "stain", "stain must be given.")]


@pytest.mark.parametrize(
    ("column", "value"),
    [("stain", "x" * 81), ("caption", "x" * 4001), ("caption", "..."), ("tags", "x" * 61), ("note", "x" * 1001)],
)
def test_what_is_too_long_or_says_nothing_is_an_error_and_never_cut(collection, column, value):
    told = said(collection, f"file,{column}\na.png,{value}\nb.png,{'fine' if column != 'tags' else 'a; b'}\n")
    assert ([row.key for row in told.rows], [each.row for each in told.errors]) == (["b.png"], [2])


def test_a_formula_is_text_and_nothing_else(collection):
    told = said(collection, "file,caption\na.png,\"=cmd|' /C calc'!A0\"\n")
    assert told.rows[0].metadata.caption == "=cmd|' /C calc'!A0"
    assert "\"'=cmd" in tables.errors_csv(said(collection, "file,mpp\n=x.png,=1+1\n").errors).replace("=x", "=cmd")


def test_errors_can_be_corrected_and_sent_again(collection):
    told = said(collection, "file,mpp,stain\na.png,40x,PAS\nb.png,0.5,H&E\nc.png,wide,\n")
    listed = tables.errors_csv(told.errors)
    assert listed.splitlines()[0] == '"file","mpp","stain","row","what is wrong"'
    again = said(collection, listed.replace("40x", "0.25").replace("wide", "0.5"))
    assert (again.errors, [row.metadata.as_dict() for row in again.rows]) == ([], [{"stain": "PAS", "mpp": 0.25}, {"mpp": 0.5}])


def test_the_preview_shows_the_first_rows_as_they_will_be_kept(collection):
    told = said(
        collection, "file,mpp,tags,left out\n" + "".join(f"{n}.png,250 nm,a;b,x\n" for n in range(30)), columns={"left out": ""}
    )
    assert (told.fields, told.preview()[0], len(told.preview())) == (["mpp", "tags"], ["2", "0.png", "0.25", "a; b"], 20)


@pytest.mark.shared
def test_the_control_captions_are_read(collection):
    told = said(collection, (INPUTS / "00_control" / "captions.csv").read_bytes())
    assert told.errors == []
    assert told.of("tile_00.jpg").caption == "synthetic tissue tile 0, control"


def test_a_hundred_thousand_rows_take_seconds(collection):
    define(collection, "stain", FieldKind.CHOICE, choices=["H&E", "PAS"])
    lines = "".join(f"case {n % 999}/tile_{n:06}.jpg,Tissue {n},h&e,colon,0.25 µm/px,{n % 999},a; b\n" for n in range(100_000))
    started = time.process_time()
    told = said(collection, f"path,caption,stain,organ,mpp,case,tags\n{lines}")
    names = [row.key for row in told.rows]
    assert (len(told.among(names).rows), told.errors) == (100_000, [])
    assert time.process_time() - started < 30
