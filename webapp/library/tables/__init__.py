"""Tables of captions and metadata: read, mapped to fields, validated row by row.

sheet = read(data, "captions.csv")              BadTable where it is no table
mapping = mapping_for(collection, sheet)        what each column is: as the last time, or by its heading
said = validated(sheet, mapping, collection)    rows that can be taken, and errors for the others
said = said.among(names)                        errors too where one row may mean two of these files
said.of("folder/a.png") -> Metadata
"""

from webapp.library.tables.mapping import Mapping, guessed, keep, mapping_for
from webapp.library.tables.reading import SUFFIXES, read
from webapp.library.tables.said import RowError, Said, SaidRow, errors_csv, errors_table, validated
from webapp.library.tables.sheet import BadTable, Row, Sheet

__all__ = [
    "SUFFIXES",
    "BadTable",
    "Mapping",
    "Row",
    "RowError",
    "Said",
    "SaidRow",
    "Sheet",
    "errors_csv",
    "errors_table",
    "guessed",
    "keep",
    "mapping_for",
    "read",
    "validated",
]
