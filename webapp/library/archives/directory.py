"""A zip archive's directory, which stands at its end: read once, as a stream, and only so far as the archive may be large.

Own code rather than zipfile, so that what is judged is what is read: zipfile looks past bytes in front, cuts names at NUL, and
takes all of a directory into memory before anybody can count. Source: PKWARE's APPNOTE 6.3.10.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from struct import Struct, unpack_from
from typing import BinaryIO, NamedTuple

from webapp.library.archives.refusal import Refused

_END = Struct("<4s4H2LH")
_LOCATOR = Struct("<4sLQL")
_END64 = Struct("<4sQ2H2L4Q")
_ENTRY = Struct("<4s6H3L5H2L")
_LOCAL = Struct("<4s5H3L2H")
_ENTRY_SIGN, _LOCAL_SIGN, _END_SIGN = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
_END64_SIGN, _LOCATOR_SIGN, _DESCRIPTOR_SIGN = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF  # "stands in the wide field instead"
_WIDE = 1  # the extra field of wide sizes
LONGEST_COMMENT = 0xFFFF
ENTRY_BYTES = 4096  # of the directory for each entry, names and all; real ones have a hundred or two
BUFFER_BYTES = 1 << 20
ENCRYPTED, DESCRIBED_AFTER, PATCH, STRONG, MASKED, UTF8 = 1, 8, 1 << 5, 1 << 6, 1 << 13, 1 << 11
_AGREEING = ENCRYPTED | DESCRIBED_AFTER | PATCH | STRONG | MASKED


class Member(NamedTuple):
    """One entry as the directory declares it. ``number`` from 1; ``packed`` and ``size`` in bytes; ``mode``: of Unix, or 0."""

    number: int
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int


class Directory(NamedTuple):
    """Where it starts in the file, its bytes, and how many entries it says it has."""

    start: int
    bytes: int
    entries: int


def find_directory(file: BinaryIO, *, most_entries: int) -> Directory:
    """Reads the first bytes and the last 64 KB. Raises Refused where it is no whole archive, or one of too many entries."""
    length = file.seek(0, os.SEEK_END)
    head = os.pread(file.fileno(), 4, 0)
    tail_start = max(0, length - LONGEST_COMMENT - _END.size)
    tail = os.pread(file.fileno(), length - tail_start, tail_start)
    if head not in (_LOCAL_SIGN, _END_SIGN):
        raise _foreign(tail)
    at = _end_in(tail)
    directory = _wide(file, tail_start + at, _END.unpack_from(tail, at))
    if directory.entries > most_entries:
        raise Refused("too_many_files", f"The archive has {directory.entries:,} entries; at most {most_entries:,} are read.")
    if not 46 * directory.entries <= directory.bytes <= ENTRY_BYTES * directory.entries:
        raise Refused("bad_directory", "The archive's directory is not as long as its number of entries asks for.")
    return directory


def _foreign(tail: bytes) -> Refused:
    if _END_SIGN in tail:
        return Refused("prefix", "The file begins as something else than a zip archive, which only follows further on.")
    return Refused("not_a_zip", "The file is called an archive and is no zip archive.")


def _end_in(tail: bytes) -> int:
    """Where the one end record stands whose comment reaches to the file's last byte."""
    found, at = [], tail.find(_END_SIGN)
    signs = at >= 0
    while at >= 0:
        if at + _END.size <= len(tail) and at + _END.size + _END.unpack_from(tail, at)[-1] == len(tail):
            found.append(at)
        at = tail.find(_END_SIGN, at + 1)
    if not found and signs:
        raise Refused("bad_end", "The archive was cut off within its end, or something else follows it.")
    if not found:
        raise Refused("truncated", "The archive has no directory at its end: it was cut off on the way.")
    if len(found) > 1:
        raise Refused("bad_end", "The archive has two ends, and it is not clear which one counts.")
    return found[0]


def _wide(file: BinaryIO, end: int, told: tuple[int, ...]) -> Directory:
    """The end record with what a wide one (zip64) in front of it adds. It must follow the directory without a gap."""
    _, disk, first_disk, here, entries, size, start, _ = told
    if disk or first_disk or here != entries:
        raise Refused("spanned", "The archive is one part of several: send it as one file.")
    before = end
    locator = os.pread(file.fileno(), _LOCATOR.size, max(0, end - _LOCATOR.size))
    if end >= _LOCATOR.size + _END64.size and locator.startswith(_LOCATOR_SIGN):
        before = _LOCATOR.unpack(locator)[2]
        wide = os.pread(file.fileno(), _END64.size, before) if before + _END64.size <= end else b""
        entries, size, start = _wide_values(wide, end - _LOCATOR.size - before, (entries, size, start))
    if start + size != before:
        raise Refused("prefix", "The archive's directory is not where the archive says: something was put in front or between.")
    return Directory(start, size, entries)


def _wide_values(record: bytes, length: int, narrow: tuple[int, int, int]) -> tuple[int, int, int]:
    if len(record) < _END64.size or not record.startswith(_END64_SIGN):
        raise Refused("bad_end", "The archive's long end record is not where the archive says.")
    _, size, _, _, disk, first_disk, here, *values = _END64.unpack(record)
    if size + 12 != length or disk or first_disk or here != values[0]:
        raise Refused("bad_end", "The archive's long end record contradicts itself.")
    for short, full, value in zip(narrow, (_FULL16, _FULL32, _FULL32), values, strict=True):
        if short not in (full, value):
            raise Refused("bad_end", "The archive's two end records contradict each other.")
    return values[0], values[1], values[2]


def entries(file: BinaryIO, directory: Directory) -> Iterator[Member]:
    """In their order; nothing is kept. Raises Refused where the directory is not what it says."""
    file.seek(directory.start)
    left = directory.bytes
    for number in range(1, directory.entries + 1):
        head = file.read(_ENTRY.size)
        if left < _ENTRY.size or not head.startswith(_ENTRY_SIGN):
            raise _broken(number)
        (_, _, _, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, attributes, offset) = _ENTRY.unpack(head)
        left -= _ENTRY.size + name + extra + comment
        if left < 0 or disk not in (0, _FULL16):
            raise _broken(number)
        raw, more = file.read(name), file.read(extra)
        file.seek(comment, os.SEEK_CUR)
        size, packed, offset = _widened(more, (size, packed, offset), number)
        yield Member(number, raw, flags, method, crc, packed, size, offset, attributes >> 16)
    if left:
        raise Refused("bad_directory", "The archive's directory has more in it than its number of entries says.")


def _broken(number: int) -> Refused:
    return Refused("bad_directory", f"The archive's directory is broken at entry {number:,}.")


def _widened(extra: bytes, values: tuple[int, int, int], number: int) -> tuple[int, int, int]:
    """(size, packed, offset), each from the wide field where it is full."""
    if _FULL32 not in values:
        return values
    field = _wide_field(extra)
    wide: list[int] = []
    for value in values:
        if value == _FULL32:
            if len(field) < 8:
                raise _broken(number)
            value, field = unpack_from("<Q", field)[0], field[8:]
        wide.append(value)
    return wide[0], wide[1], wide[2]


def _wide_field(extra: bytes) -> bytes:
    """The one extra field of wide sizes; empty where there is none, or more than one."""
    found, at = [], 0
    while at + 4 <= len(extra):
        kind, length = unpack_from("<HH", extra, at)
        if kind == _WIDE:
            found.append(extra[at + 4 : at + 4 + length])
        at += 4 + length
    return found[0] if len(found) == 1 else b""


class Place(NamedTuple):
    """Where a member's packed bytes start, and where all that belongs to it ends."""

    data: int
    end: int


def place(file: BinaryIO, member: Member) -> Place:
    """Reads the member's own header, which must say what the directory says, and the record after it where there is one.

    Raises Refused.
    """
    head = os.pread(file.fileno(), _LOCAL.size + len(member.raw), member.offset)
    if len(head) < _LOCAL.size or not head.startswith(_LOCAL_SIGN):
        raise _lying(member)
    _, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack_from(head)
    data = member.offset + _LOCAL.size + name + extra
    if head[_LOCAL.size :] != member.raw or name != len(member.raw):
        raise _lying(member)
    if method != member.method or (flags ^ member.flags) & _AGREEING:
        raise _lying(member)
    if _FULL32 in (packed, size):
        field = _wide_field(os.pread(file.fileno(), extra, data - extra))
        size, packed = unpack_from("<QQ", field) if len(field) >= 16 else (size, packed)
    later = flags & DESCRIBED_AFTER
    for said, declared in ((crc, member.crc), (packed, member.packed), (size, member.size)):
        if said != declared and not (later and said == 0):
            raise _lying(member)
    end = data + member.packed
    return Place(data, end + _described(file, member, end) if later else end)


def _described(file: BinaryIO, member: Member, at: int) -> int:
    """Bytes of the record after the data: with or without a signature, with narrow or wide sizes."""
    record = os.pread(file.fileno(), 24, at)
    for sign in (_DESCRIPTOR_SIGN, b""):
        for sizes in ("<LQQ", "<LLL"):
            length = len(sign) + (20 if "Q" in sizes else 12)
            whole = record.startswith(sign) and len(record) >= length
            if whole and unpack_from(sizes, record, len(sign)) == (member.crc, member.packed, member.size):
                return length
    raise _lying(member)


def _lying(member: Member) -> Refused:
    return Refused("headers_differ", f"Entry {member.number:,} says one thing of itself and the archive's directory another.")
