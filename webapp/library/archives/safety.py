"""The verdict on a whole archive, before anything of it is written down: one pass over the directory, one over the headers."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from webapp.library import files
from webapp.library.archives import names
from webapp.library.archives.directory import (
    BUFFER_BYTES,
    ENCRYPTED,
    MASKED,
    PATCH,
    STRONG,
    Directory,
    Member,
    entries,
    find_directory,
    place,
)
from webapp.library.archives.limits import RATIO, RATIO_FROM_BYTES, Limits
from webapp.library.archives.refusal import Refused

STORED, DEFLATED = 0, 8
_METHODS = {1: "shrink", 6: "implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 96: "JPEG", 98: "PPMd"}
_AES = 99  # stands where the method would
BEAT_EVERY = 1000  # entries


@dataclass(frozen=True)
class Entry:
    """A file of the archive. ``name``: its path in there, as tables may call it."""

    name: str
    member: Member


@dataclass(frozen=True)
class Contents:
    """``files`` in the order in which they lie in the archive; ``left_out``: folders and systems' notes; ``bytes`` unpacked."""

    files: list[Entry]
    left_out: int
    bytes: int


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """For both passes: a large buffer for the directory, which is read as a stream."""
    with files.open_regular(path) as small, open(small.fileno(), "rb", buffering=BUFFER_BYTES, closefd=False) as file:
        yield file


def check_ends(path: Path, limits: Limits) -> None:
    """The first look, quick whatever the size: a zip archive to its end, with no more entries than may be. Raises Refused."""
    with opened(path) as file:
        find_directory(file, most_entries=limits.entries)


def contents(file: BinaryIO, limits: Limits, *, beat: Callable[[], None] = lambda: None) -> Contents:
    """Raises Refused for the first thing that is wrong with any entry, of those that are left out too.

    ``beat`` is called now and then, for whoever must show that it is alive.
    """
    directory = find_directory(file, most_entries=limits.entries)
    if not directory.entries:
        raise Refused("empty", "The archive is empty.")
    found: list[Entry] = []
    others: list[Member] = []
    taken: set[str] = set()
    total = 0
    for member in entries(file, directory):
        name = names.decoded(member)
        _check_entry(name, member)
        total += member.size
        _check_total(total, len(found), limits)
        if names.is_left_out(name):
            others.append(member)
            continue
        _check_single(name, member, taken)
        found.append(Entry(names.plain(name), member))
    _check_total(total, len(found), limits)
    if not found:
        raise Refused("empty", "The archive has no files in it.")
    found.sort(key=lambda entry: entry.member.offset)
    _check_places(file, directory, [*(entry.member for entry in found), *others], beat)
    return Contents(found, len(others), total)


def _check_entry(name: str, member: Member) -> None:
    number = f"{member.number:,}"
    names.check(name, member.number)
    if member.flags & (ENCRYPTED | STRONG | MASKED) or member.method == _AES:
        raise Refused("encrypted", f"Entry {number} is encrypted: send the archive without a password.")
    if member.method not in (STORED, DEFLATED) or member.flags & PATCH:
        method = _METHODS.get(member.method, f"method {member.method}")
        raise Refused("method", f"Entry {number} is packed with {method}; only «stored» and «deflate» are read.")
    kind = stat.S_IFMT(member.mode)
    if kind and kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise Refused("special_file", f"Entry {number} is a link or another special file; only files and folders are read.")
    if (kind == stat.S_IFDIR) != name.endswith("/") and kind:
        raise Refused("special_file", f"Entry {number} says that it is a folder and a file at once.")
    if name.endswith("/") and member.size:
        raise Refused("special_file", f"Entry {number} is a folder with bytes of its own.")
    if member.method == STORED and member.size != member.packed:
        raise Refused("lying_size", f"Entry {number} is stored as it is and declares two different sizes.")
    if member.size > RATIO_FROM_BYTES and member.size > RATIO * member.packed:
        raise Refused("ratio", f"Entry {number} unpacks to more than {RATIO} times its packed size.")


def _check_total(total: int, count: int, limits: Limits) -> None:
    if total > limits.bytes:
        raise Refused("too_many_bytes", f"The archive unpacks to more than the limit of {limits.said_bytes}.")
    if count > limits.files:
        raise Refused("too_many_files", f"The archive holds more than the limit of {limits.said_files}.")


def _check_single(name: str, member: Member, taken: set[str]) -> None:
    if names.is_archive(name):
        raise Refused("nested", f"Entry {member.number:,} is an archive itself: send it on its own.")
    key = names.key(name)
    if key in taken:
        raise Refused(
            "same_name", f"Entry {member.number:,} has the same name as one before it, or one that differs by case only."
        )
    taken.add(key)


def _check_places(file: BinaryIO, directory: Directory, members: list[Member], beat: Callable[[], None]) -> None:
    """No byte belongs to two entries, the first is the file's first, and each lies before the directory."""
    free = 0
    for member in sorted(members, key=lambda member: member.offset):
        if not free and member.offset:
            raise Refused("prefix", "Something stands in front of the archive's first entry.")
        if member.offset < free:
            raise Refused("overlap", f"Entry {member.number:,} shares its bytes with another one.")
        free = place(file, member).end
        if member.number % BEAT_EVERY == 0:
            beat()
        if free > directory.start:
            raise Refused("overlap", f"Entry {member.number:,} reaches into the archive's directory.")
