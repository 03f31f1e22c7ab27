"""Names in archives: labels that are shown, never paths that are written to. Those that could be paths elsewhere are refused."""

from __future__ import annotations

import re
import unicodedata

from webapp.library.archives.directory import UTF8, Member
from webapp.library.archives.limits import COMPONENT_BYTES, PATH_BYTES
from webapp.library.archives.refusal import Refused

ARCHIVES = frozenset(
    (".zip", ".zipx", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".zst", ".lz4", ".lzma", ".z")
) | {".cab", ".iso", ".jar", ".arj", ".lzh", ".cpio"}
SIGNS = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
)
TAR_SIGN, TAR_SIGN_AT = b"ustar", 257
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")
SYSTEM_FILES = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".localized", "icon\r"})
SYSTEM_FOLDERS = frozenset({"__macosx", ".spotlight-v100", ".trashes", ".fseventsd", "$recycle.bin", "system volume information"})


def decoded(member: Member) -> str:
    """Without the flag it is mostly UTF-8 all the same, else the code page that the format began with. Raises Refused."""
    try:
        return member.raw.decode()
    except UnicodeDecodeError:
        if member.flags & UTF8:
            raise Refused("bad_name", f"The name of entry {member.number:,} is not the UTF-8 that it claims to be.") from None
    return member.raw.decode("cp437")


def check(name: str, number: int) -> None:
    """Raises Refused for what a careless program would write outside its folder, or could not write at all."""
    if not name or "\0" in name:
        raise Refused("bad_name", f"The name of entry {number:,} is empty or has a NUL in it.")
    if name.startswith("/") or _DRIVE.match(name):
        raise Refused("absolute_name", f"The name of entry {number:,} is an absolute path.")
    if "\\" in name:
        raise Refused(
            "bad_name", f"The name of entry {number:,} has a backslash in it; folders are parted by «/» in a zip archive."
        )
    parts = name.split("/")
    if ".." in (part.strip() for part in parts):
        raise Refused("climbing_name", f"The name of entry {number:,} leads out of the archive («..»).")
    if any(_DEVICE.fullmatch(part.split(".")[0].strip()) for part in parts):
        raise Refused("device_name", f"The name of entry {number:,} is that of a device (CON, NUL, LPT1 …).")
    if len(name.encode()) > PATH_BYTES or any(len(part.encode()) > COMPONENT_BYTES for part in parts):
        limits = f"{COMPONENT_BYTES} bytes, and {PATH_BYTES:,} with its folders"
        raise Refused("long_name", f"The name of entry {number:,} is longer than {limits}.")


def plain(name: str) -> str:
    """As tables call it: without «./» and doubled slashes."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def key(name: str) -> str:
    """Equal for names that one file system or another takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", plain(name)).casefold())


def is_left_out(name: str) -> bool:
    """Folders, and what operating systems lay beside files by themselves."""
    parts = plain(name).casefold().split("/")
    if name.endswith("/") or parts[-1] in SYSTEM_FILES or parts[-1].startswith("._"):
        return True
    return not SYSTEM_FOLDERS.isdisjoint(parts)


def is_archive(name: str) -> bool:
    return any(name.casefold().endswith(suffix) for suffix in ARCHIVES)


def begins_as_archive(head: bytes) -> bool:
    """``head``: the first 300 bytes or so."""
    return head.startswith(SIGNS) or head[TAR_SIGN_AT : TAR_SIGN_AT + len(TAR_SIGN)] == TAR_SIGN
