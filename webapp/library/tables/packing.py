"""A sheet as JSON: opening a large workbook takes half a minute, and it is looked at more than once."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

from webapp.library.tables.sheet import Cell, Row, Sheet, Unusable


def packed(sheet: Sheet) -> bytes:
    rows = [[row.number, row.surplus, *map(_packed, row.cells)] for row in sheet.rows]
    about = {"headings": sheet.headings, "read_as": sheet.read_as, "name": sheet.name, "names": sheet.names, "notes": sheet.notes}
    return json.dumps(about | {"rows": rows}, ensure_ascii=False, separators=(",", ":")).encode()


def unpacked(data: bytes) -> Sheet:
    about: dict[str, Any] = json.loads(data)
    rows = [Row(number, tuple(map(_unpacked, cells)), surplus) for number, surplus, *cells in about.pop("rows")]
    read_as, name = about.pop("read_as"), about.pop("name")
    return Sheet(rows=rows, read_as=read_as, name=name, **{key: tuple(told) for key, told in about.items()})


def _packed(cell: Cell) -> Any:
    if isinstance(cell, Unusable):
        return {"unusable": [cell.shown, cell.why]}
    if isinstance(cell, datetime):
        return {"at": cell.isoformat()}
    return {"on": cell.isoformat()} if isinstance(cell, date) else cell


def _unpacked(told: Any) -> Cell:
    if not isinstance(told, dict):
        return told  # type: ignore[no-any-return]
    if "unusable" in told:
        return Unusable(*told["unusable"])
    return datetime.fromisoformat(told["at"]) if "at" in told else date.fromisoformat(told["on"])
