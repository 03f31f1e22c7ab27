"""What the upload form shows besides its fields, on the site and in the admin."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q

from webapp.accounts.models import User
from webapp.library import importing
from webapp.library.metadata import LENGTHS
from webapp.library.models import Collection, FieldDefinition, ItemState, Upload

DEFAULT_FIELDS = (*LENGTHS, "mpp", "tags")
TABLE_FIELDS = ("caption", *DEFAULT_FIELDS)
BY_BROWSER = ("form", "admin")
MOST_UNFINISHED = 5


@dataclass(frozen=True)
class Unfinished:
    """An upload of which ``missing`` of ``files`` files have not arrived."""

    upload: Upload
    missing: int
    files: int


@dataclass(frozen=True)
class UploadPage:
    unfinished: list[Unfinished]
    table_fields: list[str]
    most_files: int
    most_bytes: int
    most_archive_bytes: int
    resumable: bool
    folders: list[importing.Folder]
    default_fields: tuple[str, ...] = DEFAULT_FIELDS

    @classmethod
    def of(cls, collection: Collection, user: User) -> UploadPage:
        """``user`` must be known to be an editor of ``collection``."""
        return cls(
            unfinished=unfinished(collection, user),
            table_fields=table_fields(collection),
            most_files=settings.MAX_FILES_AN_UPLOAD,
            most_bytes=settings.MAX_FILE_BYTES,
            most_archive_bytes=settings.MAX_ARCHIVE_BYTES,
            resumable=settings.RESUMABLE,
            folders=importing.folders(),
        )


def unfinished(collection: Collection, user: User) -> list[Unfinished]:
    """The user's own uploads by browser that still wait for files, newest first."""
    own = Q(items__parent=None)
    uploads = (
        collection.uploads.filter(user=user, source__in=BY_BROWSER, cancelled_at=None)
        .annotate(files=Count("items", filter=own), missing=Count("items", filter=own & Q(items__state=ItemState.PENDING)))
        .filter(missing__gt=0)
        .order_by("-made_at")[:MOST_UNFINISHED]
    )
    return [Unfinished(upload, upload.missing, upload.files) for upload in uploads]


def table_fields(collection: Collection) -> list[str]:
    """What a table's column can be: the archive's own fields, then those that the collection defines."""
    defined = FieldDefinition.objects.filter(collection=collection).values_list("name", flat=True)
    return list(dict.fromkeys((*TABLE_FIELDS, *defined)))
