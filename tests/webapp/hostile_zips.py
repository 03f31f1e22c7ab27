"""Zip archives that somebody made to do harm, and ones that are merely odd; each made here, byte by byte where it has to be."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping

from tests.webapp.conftest import picture

GOOD = {"a.png": picture("pink"), "sub/b.png": picture("brown")}


def packed(files: Mapping[str, bytes] | None = None, *, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    """A plain archive, as zipfile makes it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in (GOOD if files is None else files).items():
            archive.writestr(name, data)
        archive.comment = comment
    return made.getvalue()


def named(name: str, data: bytes = GOOD["a.png"]) -> bytes:
    """One good file, and one whose name is ``name`` to the letter: zipfile would make it harmless."""
    stand_in = "x" * len(name.encode())
    raw = bytearray(packed({"good.png": GOOD["sub/b.png"], stand_in: data}))
    encoded = name.encode()
    for sign, at in ((b"PK\x03\x04", 30), (b"PK\x01\x02", 46)):
        start = _second(raw, sign)
        raw[start + at : start + at + len(encoded)] = encoded
        flags = start + (6 if at == 30 else 8)
        struct.pack_into("<H", raw, flags, 0x800)
    return bytes(raw)


def _second(raw: bytes | bytearray, sign: bytes) -> int:
    return raw.index(sign, raw.index(sign) + 4)


def patched(sign: bytes, offset: int, value: bytes, data: bytes | None = None, *, which: int = 1) -> bytes:
    """A plain archive in which the ``which``-th record of this signature says something else."""
    raw = bytearray(packed() if data is None else data)
    at = -1
    for _ in range(which):
        at = raw.index(sign, at + 1)
    raw[at + offset : at + offset + len(value)] = value
    return bytes(raw)


def special(kind: int) -> bytes:
    """A symlink, a pipe, a device …"""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.png", GOOD["a.png"])
        info = zipfile.ZipInfo("link.png")
        info.create_system, info.external_attr = 3, (kind | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return made.getvalue()


def twice(first: str, second: str) -> bytes:
    return packed({first: GOOD["a.png"], second: GOOD["sub/b.png"]}) if first != second else named("good.png")


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def local(name: bytes, data: bytes, *, size: int, crc: int, method: int = 8, packed: int | None = None) -> bytes:
    told = len(data) if packed is None else packed
    return struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, method, 0, 33, crc, told, size, len(name), 0) + name + data


def central(name: bytes, *, packed: int, size: int, crc: int, offset: int, method: int = 8) -> bytes:
    head = struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, method, 0, 33, crc, packed, size, len(name), 0, 0, 0, 0, 0, offset
    )
    return head + name


def end(entries: int, size: int, start: int, comment: bytes = b"") -> bytes:
    told = min(entries, 0xFFFF)
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, told, told, size, start, len(comment)) + comment


def overlapping(entries: int = 1000, size: int = 21_000_000) -> bytes:
    """Every entry of the directory is the same few kilobytes: 87 KB declare 21 GB."""
    kernel = deflated(bytes(size))
    name = b"flat.bmp"
    crc = zlib.crc32(bytes(size))
    body = local(name, kernel, size=size, crc=crc)
    directory = b"".join(central(b"f%06d" % n, packed=len(kernel), size=size, crc=crc, offset=0) for n in range(entries))
    return body + directory + end(entries, len(directory), len(body))


def quoting(entries: int = 20) -> bytes:
    """Entries whose data are the headers of the next ones, quoted: no ratio is large, and yet every byte counts many times."""
    kernel = bytes(range(256)) * 40
    crc, size = zlib.crc32(kernel), len(kernel)
    starts, body = [], b""
    for n in range(entries):
        starts.append(len(body))
        body += local(b"f%03d.bmp" % n, b"", size=size, crc=crc, method=0, packed=size)
    body += kernel
    directory = b"".join(
        central(b"f%03d.bmp" % n, packed=size, size=size, crc=crc, offset=at, method=0) for n, at in enumerate(starts)
    )
    return body + directory + end(entries, len(directory), len(body))


def lying(size: int, *, real: bytes = GOOD["a.png"], crc: int | None = None) -> bytes:
    """Both headers agree on a size that is not the data's."""
    data = deflated(real)
    told = zlib.crc32(real) if crc is None else crc
    body = local(b"a.png", data, size=size, crc=told)
    directory = central(b"a.png", packed=len(data), size=size, crc=told, offset=0)
    return body + directory + end(1, len(directory), len(body))


def many(entries: int, data: bytes = b"x", name: Callable[[int], str] = "d/{:06}.png".format) -> bytes:
    """More than 65,535 of them need the wide end record, which zipfile writes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for n in range(entries):
            archive.writestr(name(n), data + n.to_bytes(4, "big"))
    return made.getvalue()


class OneWay(io.RawIOBase):
    """What cannot be wound back: zipfile then writes sizes after the data."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.data += bytes(data)
        return len(data)


def described_after(files: Mapping[str, bytes] | None = None) -> bytes:
    made = OneWay()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (GOOD if files is None else files).items():
            archive.writestr(name, data)
    return bytes(made.data)


def cut(share: float, data: bytes | None = None) -> bytes:
    whole = packed() if data is None else data
    return whole[: int(len(whole) * share)]


LOCAL, CENTRAL, END, DESCRIPTOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08"

# What is wrong -> (the archive, the reason that it is refused with)
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "climbs": (lambda: named("../../evil.png"), "climbing_name"),
    "climbs inside": (lambda: named("a/../../evil.png"), "climbing_name"),
    "absolute": (lambda: named("/etc/cron.d/evil.png"), "absolute_name"),
    "drive": (lambda: named("C:/evil.png"), "absolute_name"),
    "network path": (lambda: named("//host/share/evil.png"), "absolute_name"),
    "backslashes": (lambda: named("..\\..\\evil.png"), "bad_name"),
    "NUL": (lambda: named("evil.png\0.jpg"), "bad_name"),
    "device": (lambda: named("sub/NUL.png"), "device_name"),
    "device with number": (lambda: named("lpt1"), "device_name"),
    "device with space": (lambda: named("con .png"), "device_name"),
    "long component": (lambda: named("a" * 256), "long_name"),
    "long path": (lambda: named("/".join(["a" * 200] * 6)), "long_name"),
    "not UTF-8": (
        lambda: patched(CENTRAL, 46, b"\xff", patched(LOCAL, 30, b"\xff", named("x.png"), which=2), which=2),
        "bad_name",
    ),
    "symlink": (lambda: special(stat.S_IFLNK), "special_file"),
    "pipe": (lambda: special(stat.S_IFIFO), "special_file"),
    "device file": (lambda: special(stat.S_IFBLK), "special_file"),
    "same name": (lambda: named("good.png"), "same_name"),
    "same name by case": (lambda: twice("A.png", "a.PNG"), "same_name"),
    "same name by normal form": (lambda: twice("caf\u00e9.png", "cafe\u0301.png"), "same_name"),
    "overlap bomb": (overlapping, "ratio"),
    "overlap": (lambda: patched(CENTRAL, 42, b"\0\0\0\0", which=2), "overlap"),
    "quoting bomb": (quoting, "overlap"),
    "ratio bomb": (lambda: packed({"flat.bmp": bytes(20_000_000)}), "ratio"),
    "zip inside": (lambda: packed({"a.png": GOOD["a.png"], "more.zip": packed()}), "nested"),
    "tar inside": (lambda: packed({"slides.tar.gz": b"x"}), "nested"),
    "encrypted": (lambda: patched(CENTRAL, 8, b"\x01\0", patched(LOCAL, 6, b"\x01\0")), "encrypted"),
    "encrypted, said once": (lambda: patched(CENTRAL, 8, b"\x01\0"), "encrypted"),
    "encrypted, hidden": (lambda: patched(LOCAL, 6, b"\x01\0"), "headers_differ"),
    "bzip2": (lambda: packed(method=zipfile.ZIP_BZIP2), "method"),
    "LZMA": (lambda: packed(method=zipfile.ZIP_LZMA), "method"),
    "unknown method": (lambda: patched(CENTRAL, 10, b"\x21\0"), "method"),
    "method differs": (lambda: patched(LOCAL, 8, b"\0\0"), "headers_differ"),
    "name differs": (lambda: patched(LOCAL, 30, b"z"), "headers_differ"),
    "size differs": (lambda: patched(LOCAL, 22, b"\x01\0\0\0"), "headers_differ"),
    "checksum differs": (lambda: patched(LOCAL, 14, b"\0\0\0\0"), "headers_differ"),
    "stored with two sizes": (
        lambda: patched(CENTRAL, 24, b"\x01\0\0\0", patched(LOCAL, 22, b"\x01\0\0\0", packed(method=zipfile.ZIP_STORED))),
        "lying_size",
    ),
    "record after the data lies": (lambda: patched(DESCRIPTOR, 12, b"\x01\0\0\0", described_after()), "headers_differ"),
    "record after the data is gone": (lambda: patched(DESCRIPTOR, 0, b"XXXX", described_after()), "headers_differ"),
    "cut at 20 %": (lambda: cut(0.2), "truncated"),
    "cut at 60 %": (lambda: cut(0.6), "truncated"),
    "cut at 95 %": (lambda: cut(0.95), "truncated"),
    "cut by one byte": (lambda: packed()[:-1], "bad_end"),
    "something behind": (lambda: packed() + b"behind", "bad_end"),
    "something in front": (lambda: b"\xff\xd8\xff\xe0" + packed(), "prefix"),
    "two archives": (lambda: packed() + packed({"c.png": GOOD["a.png"]}), "prefix"),
    "two ends": (lambda: packed(comment=end(0, 0, 0)), "bad_end"),
    "several parts": (lambda: patched(END, 4, b"\x01\0"), "spanned"),
    "a count too many": (lambda: patched(END, 8, b"\x03\0\x03\0"), "bad_directory"),
    "a count too few": (lambda: patched(END, 8, b"\x01\0\x01\0"), "bad_directory"),
    "directory elsewhere": (lambda: patched(END, 16, b"\x01\0\0\0"), "prefix"),
    "ten million entries": (lambda: _claiming(10_000_000), "too_many_files"),
    "empty": (lambda: packed({}), "empty"),
    "folders only": (lambda: packed({"sub/": b""}), "empty"),
    "no zip": (lambda: picture(), "not_a_zip"),
    "no bytes of a zip": (lambda: b"hello", "not_a_zip"),
    "rar": (lambda: b"Rar!\x1a\x07\x01\x00" + bytes(100), "not_a_zip"),
}


def _claiming(entries: int) -> bytes:
    """A wide end record that announces so many."""
    body = packed()
    start = body.index(CENTRAL)
    size = body.index(END) - start
    at = body.index(END)
    wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    return body[:at] + wide + locator + end(entries, size, start)
