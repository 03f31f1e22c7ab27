"""What a file of an upload is, by its name alone: an image, an archive, words beside an image, or nothing that is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from webapp.library import sidecars
from webapp.library.models import Kind

# Files that may hold an image; what is in them decides in the end.
IMAGES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp", ".bmp", ".dib", ".gif", ".jp2", ".j2k", ".j2c")
) | {".jpx", ".jpf", ".avif", ".dcm", ".dicom", ".svs", ".ndpi", ".scn", ".svslide", ".bif", ".btf", ".tf8", ".tf2"}
ARCHIVES = frozenset({".zip"})


@dataclass(frozen=True)
class NewFile:
    """A file that is announced. ``name``: the path below what was chosen, with slashes. ``bytes`` None: not known yet.

    ``sha256``: in hexadecimal, empty where the sender did not compute it.
    """

    name: str
    bytes: int | None = None
    sha256: str = ""

    @property
    def plain(self) -> str:
        """The name as text that may be shown, searched, and asked the database for."""
        return plain(self.name)


def kind_of(name: str) -> Kind:
    """Of a file that nothing else is known of."""
    return Kind.ARCHIVE if _suffix(name) in ARCHIVES else Kind.FILE


def kinds(names: Sequence[str]) -> list[Kind]:
    """Of files that come together: words are a sidecar where an image of the same name lies beside them."""
    beside = sidecars.pair(names)
    return [Kind.SIDECAR if name in beside and may_be_image(beside[name]) else kind_of(name) for name in names]


def may_be_image(name: str) -> bool:
    """Cameras and scanners number their files («IM.0001», DICOM by its UID): an ending of digits is no ending."""
    suffix = _suffix(name)
    return suffix in IMAGES or suffix.removeprefix(".").isdecimal() or not suffix


def last_part(name: str) -> str:
    """The file's own name, of a path with slashes of either kind."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2] or name


def plain(name: str) -> str:
    """A file's name as text: no control characters, no halves of characters; never empty."""
    return "".join(letter if letter.isprintable() else "�" for letter in name).strip() or "unnamed"


def _suffix(name: str) -> str:
    return PurePosixPath(last_part(name)).suffix.lower()
