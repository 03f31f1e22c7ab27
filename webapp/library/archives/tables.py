"""Words about an archive's files: of a table that came beside it, kept until it is unpacked, and of one that lies inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Protocol
from uuid import UUID

from django.db import transaction

from webapp.library import files
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, ItemState, Upload, UploadItem
from webapp.library.tables import SUFFIXES, BadTable, Said, SaidRow, mapping_for, read, validated
from webapp.library.tables.mapping import Mapping, Match

NAMED = frozenset(f"{name}{suffix}" for name in ("captions", "metadata") for suffix in SUFFIXES)


# --- beside the archive -----------------------------------------------------------------------------------------------


class Words(Protocol):
    """A table about files, however it was read."""

    def of(self, name: str) -> Metadata: ...
    def keys(self) -> list[tuple[int, str]]: ...


def keep(upload: Upload, said: Words) -> None:
    """Until the upload's last archive is unpacked: what the table says of files that nobody could see yet."""
    match = said.mapping.match if isinstance(said, Said) and said.mapping else Match.PATH
    rows = [[number, key, said.of(key).as_dict()] for number, key in said.keys()]  # noqa: SIM118  no mapping, a table
    files.write_atomically(files.archive(upload.pk), json.dumps({"match": match, "rows": rows}).encode())


def kept(upload: Upload) -> Said:
    """Nothing said where no table came."""
    try:
        told = json.loads(files.archive(upload.pk).read_bytes())
    except FileNotFoundError:
        return Said()
    rows = [SaidRow(number=n, key=key, metadata=Metadata.from_mapping(said), cells=()) for n, key, said in told["rows"]]
    return Said(mapping=Mapping(match=told["match"], key_column="", columns={}), rows=rows)


def forget(upload: UUID) -> None:
    files.archive(upload).unlink(missing_ok=True)


# --- inside the archive -----------------------------------------------------------------------------------------------


def table_among(names: Sequence[str]) -> str | None:
    """The table that speaks of the others: called captions or metadata, the nearest to the top; else the only one there is."""
    found = [name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES]
    called = [name for name in found if PurePosixPath(name).name.lower() in NAMED]
    if called:
        return min(called, key=lambda name: (name.count("/"), name))
    return found[0] if len(found) == 1 else None


def said_by(data: bytes, name: str, collection: Collection, names: Sequence[str]) -> Said:
    """Raises BadTable."""
    sheet = read(data, name)
    return validated(sheet, mapping_for(collection, sheet), collection).among(names)


def attach(item: UploadItem, said: Said) -> None:
    """The table's own line ends, and its errors are the upload's: once, however often the archive is looked at."""
    with transaction.atomic():
        waiting = UploadItem.objects.filter(pk=item.pk, state=ItemState.PENDING)
        text = f"{len(said.rows):,} rows read, {len({error.row for error in said.errors}):,} not."
        if waiting.update(state=ItemState.ATTACHED, reason_text=text):
            upload = Upload.objects.select_for_update().get(pk=item.upload_id)
            upload.table_errors = [*upload.table_errors, *(error.as_dict() for error in said.errors)]
            upload.save(update_fields=["table_errors"])


__all__ = ["BadTable", "attach", "forget", "keep", "kept", "said_by", "table_among"]
