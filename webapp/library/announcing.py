"""What a sender says of files before it sends them, and what it is told back: the list, the table beside it, the check."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from webapp.library import transfer
from webapp.library.checking import Check
from webapp.library.forms import UploadDefaults
from webapp.library.kinds import NewFile
from webapp.library.metadata import Metadata
from webapp.library.models import Collection, ItemState, Upload, UploadItem
from webapp.library.sent_table import SentTable
from webapp.library.tables import BadTable

LIST_BYTES = 64 * 2**20  # a hundred thousand long paths with their checksums are a third of it
NAME_LETTERS = 4096
SHA256 = re.compile(r"[0-9a-f]{64}")
Address = Callable[[UploadItem], str]


class BadList(ValueError):
    """What was said cannot be used; the sentence is for people."""


def file_list(request: HttpRequest) -> list[NewFile]:
    """Of the part «files», a file or a field: JSON [[name, bytes, sha256 or ""], …]. Raises BadList."""
    part = request.FILES.get("files")
    if part is not None and (part.size or 0) > LIST_BYTES:
        raise BadList(f"The list of files is larger than {LIST_BYTES // 2**20} MB.")
    return read_list(part.read() if part is not None else request.POST.get("files", ""))


def read_list(told: bytes | str) -> list[NewFile]:
    """Raises BadList."""
    try:
        files = [_new_file(*each) for each in json.loads(told)]
    except (ValueError, TypeError, RecursionError):
        raise BadList("The list of files could not be read.") from None
    if not files:
        raise BadList("An upload has at least one file.")
    return files


def _new_file(name: Any, size: Any, sha256: Any = "") -> NewFile:
    """Raises ValueError or TypeError."""
    counted = size is None or (isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**53)
    if not (isinstance(name, str) and 0 < len(name) <= NAME_LETTERS and counted):
        raise ValueError(name)
    if not isinstance(sha256, str) or (sha256 and not SHA256.fullmatch(sha256)):
        raise ValueError(sha256)
    return NewFile(name, size, sha256)


def defaults(request: HttpRequest) -> Metadata:
    """What is true of every file. Raises BadList."""
    form = UploadDefaults(request.POST)
    if not form.is_valid():
        raise BadList(sentences(form.errors.values()))
    return form.metadata


def table(request: HttpRequest, collection: Collection) -> SentTable | None:
    """Raises BadList."""
    try:
        return SentTable.of(request, collection)
    except BadTable as bad:
        raise BadList(str(bad)) from bad


def check_shape(check: Check, *, image_address: Callable[[UUID], str]) -> dict[str, Any]:
    """As JSON says it."""
    return {
        "files": [
            {
                "name": each.name,
                "bytes": each.bytes,
                "verdict": each.verdict,
                "text": each.text,
                "image": None if each.image is None else image_address(each.image),
                "held": each.held,
            }
            for each in check.files
        ],
        "rows_without_file": [{"row": row, "key": key} for row, key in check.rows_without_file],
        "rows_for_archives": check.rows_for_archives,
        "files_without_row": check.files_without_row,
        "counts": check.counts,
        "refusal": check.refusal,
        "table": None,
    }


def to_send(upload: Upload, address: Address) -> list[dict[str, Any]]:
    """The files that are to be sent, and where to."""
    items = upload.items.filter(state=ItemState.PENDING).order_by("pk")
    return [{"name": item.name, "address": address(item), "bytes": item.bytes} for item in items]


def still_to_send(upload: Upload, address: Address) -> list[dict[str, Any]]:
    """The same with how much of each has arrived, for whoever goes on."""
    waiting = transfer.offsets(upload.items.filter(state=ItemState.PENDING, parent=None).order_by("pk"))
    return [_pending_shape(item, offset, address(item)) for item, offset in waiting]


def _pending_shape(item: UploadItem, offset: int, address: str) -> dict[str, Any]:
    return {"name": item.name, "bytes": item.bytes, "sha256": item.sha256, "address": address, "offset": offset}


def sentences(errors: Iterable[Iterable[object]]) -> str:
    return " ".join(str(each) for some in errors for each in some)
