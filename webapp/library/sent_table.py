"""The table that comes beside an upload's files: read, mapped as its sender wants, and told back before anything is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from django.http import HttpRequest

from webapp.library.archives import tables as archive_tables
from webapp.library.models import Collection, Kind, Upload
from webapp.library.tables import BadTable, Mapping, Said, Sheet, guessed, keep, mapping_for, read, validated

UNNAMED = "Say which of its columns names the file."
MOST_ERRORS_TOLD = 5000  # with their rows; the receipt has them all


@dataclass(frozen=True)
class SentTable:
    collection: Collection
    sheet: Sheet
    mapping: Mapping
    said: Said

    @classmethod
    def of(cls, request: HttpRequest, collection: Collection) -> Self | None:
        """From the parts «table» and «mapping». None where no table came. Raises BadTable."""
        part = request.FILES.get("table")
        if part is None:
            return None
        sheet = read(part.read(), str(part.name))
        wanted = _wanted(request.POST.get("mapping", ""))
        mapping = mapping_for(collection, sheet, wanted) if wanted else guessed(collection, sheet)
        said = Said(mapping=mapping, headings=sheet.headings, total=len(sheet.rows))
        return cls(collection, sheet, mapping, validated(sheet, mapping, collection) if mapping.key_column else said)

    @property
    def names_files(self) -> bool:
        """Else its sender must say which column does."""
        return bool(self.mapping.key_column)

    def among(self, names: Iterable[str]) -> Self:
        """For these files: rows that could mean several of them are errors."""
        if not self.names_files:
            return self
        return replace(self, said=self.said.among(names))

    def shape(self) -> dict[str, Any]:
        """As JSON tells it to whoever maps the columns."""
        told, more = self.said.errors[:MOST_ERRORS_TOLD], self.said.errors[MOST_ERRORS_TOLD:]
        return {
            **self.mapping.as_dict(),
            "headings": list(self.sheet.headings),
            "preview": self.said.preview(),
            "errors": [each.as_dict() for each in told],
            "errors_untold": len(more),
            "rows": self.said.total,
            "notes": [*([] if self.names_files else [UNNAMED]), *self.mapping.notes],
        }

    def keep(self, upload: Upload) -> None:
        """How it was read, for the collection's next table; its errors, for the receipt; its words, for files in archives."""
        keep(self.collection, self.mapping)
        upload.table_errors = [each.as_dict() for each in self.said.errors]
        upload.save(update_fields=["table_errors"])
        if upload.items.filter(kind=Kind.ARCHIVE).exists():
            archive_tables.keep(upload, self.said)


def _wanted(told: str) -> dict[str, Any] | None:
    """Raises BadTable."""
    try:
        wanted = json.loads(told) if told else None
    except (ValueError, RecursionError):
        wanted = told
    if wanted is not None and not isinstance(wanted, dict):
        raise BadTable("How the table's columns are read could not be understood.")
    return wanted
