"""Any table that people send, by its content; its name plays no part."""

from __future__ import annotations

from django.conf import settings

from webapp.library.tables.csv_sheet import read_csv
from webapp.library.tables.sheet import BadTable, Sheet
from webapp.library.tables.workbook import read_workbook

ZIP, OLE = b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1")
SUFFIXES = (".csv", ".tsv", ".xlsx", ".xlsm")  # as which a table is known before it is opened


def read(data: bytes, name: str = "", *, sheet: str = "") -> Sheet:
    """CSV in any usual encoding, or XLSX, of which ``sheet`` or the first one. Raises BadTable with a sentence for people."""
    if len(data) > settings.TABLE_MAX_BYTES:
        raise BadTable(f"The table is larger than {settings.TABLE_MAX_BYTES // 2**20:,} MB.")
    if data.startswith(ZIP):
        return read_workbook(data, sheet)
    if data.startswith(OLE):
        kind = "an old Excel table" if name.lower().endswith(".xls") else "an old Excel table, or protected by a password"
        raise BadTable(f"The table is {kind}: save it as .xlsx or «CSV UTF-8» without a password.")
    return read_csv(data)
