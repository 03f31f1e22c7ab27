"""How much an archive may hold. What a browser sends is limited more narrowly than what comes by commands, API and imports."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from webapp.library import quotas
from webapp.library.models import Upload

RATIO = 200  # unpacked bytes for each packed one; real images stay below 20, emptied tiles aside
RATIO_FROM_BYTES = 2**20  # flat tiles, masks and the like are small and pack far better
PATH_BYTES, COMPONENT_BYTES = 1024, 255
FORM = "form"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """``files`` that count as such, ``bytes`` when they are unpacked; ``form``: of the narrower kind."""

    files: int
    bytes: int
    form: bool = False

    @classmethod
    def of(cls, upload: Upload) -> Limits:
        if upload.source == FORM:
            return cls(files=settings.MAX_ARCHIVE_FILES_FORM, bytes=settings.MAX_UNPACKED_BYTES_FORM, form=True)
        return cls(files=settings.MAX_ARCHIVE_FILES, bytes=settings.MAX_UNPACKED_BYTES)

    @property
    def entries(self) -> int:
        """Of the directory: folders and a system's own notes stand there too, up to one for each file and folder."""
        return 3 * self.files + 1000

    @property
    def said_files(self) -> str:
        return f"{self.files:,} files (MAX_ARCHIVE_FILES{self._form})"

    @property
    def said_bytes(self) -> str:
        return f"{quotas.size(self.bytes)} (MAX_UNPACKED_BYTES{self._form})"

    @property
    def _form(self) -> str:
        return "_FORM" if self.form else ""
