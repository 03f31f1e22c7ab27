"""Files that say they are images, and would rather be something else, or far more than they look like. Made byte by byte.

And tables: with formulas, in codings that they do not say, with bytes that no text has.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image as Pictures

from tests.webapp.conftest import picture
from tests.webapp.hostile_zips import packed

SCRIPT = "<script>window.taken = 1</script>"
HTML = f"<!DOCTYPE html><html><body>{SCRIPT}<p>A picture of a kidney.</p></body></html>".encode()
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" onload="window.taken = 1">{SCRIPT}</svg>'.encode()
SIGN = b"\x89PNG\r\n\x1a\n"
PIECE = 1 << 26


@dataclass(frozen=True)
class Hostile:
    """``name``: as it is sent. ``ends``: the reasons that it may fail with, "" where it becomes an image."""

    name: str
    make: Callable[[], bytes]
    ends: tuple[str, ...]


def saved(kind: str, *, colour: str = "pink", size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    written = io.BytesIO()
    Pictures.new("RGB", size, colour).save(written, kind, **options)
    return written.getvalue()


def packed_zeros(pieces: int) -> bytes:
    """``pieces`` times 64 MiB of zeros, as zlib packs them: some 64 KB each, and never so many bytes in this memory."""
    packer = zlib.compressobj(9)
    head = packer.compress(b"\0") + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(PIECE)) + packer.flush(zlib.Z_FULL_FLUSH)
    size = 1 + pieces * PIECE
    check = struct.pack(">HH", size % 65521, 1)  # Adler-32 of so many zeros
    return head + piece * pieces + b"\x03\x00" + check


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, pixels: bytes, *, bits: int = 1, colour: int = 0) -> bytes:
    """``pixels``: packed already."""
    header = struct.pack(">2I5B", width, height, bits, colour, 0, 0, 0)
    return SIGN + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def png_with(kind: bytes, content: bytes) -> bytes:
    """A good PNG that has one more chunk before its pixels."""
    good = picture("brown")
    return good[:33] + chunk(kind, content) + good[33:]


def gif(frames: int) -> bytes:
    """64 pixels square; every further frame is one pixel."""
    first = saved("GIF")
    pixel = b"\x21\xf9\x04\0\x01\0\0\0" + b"\x2c" + bytes(4) + b"\x01\0\x01\0\0" + b"\x02\x02\x44\x01\0"
    return first[:-1] + pixel * (frames - 1) + b";"


def bomb_in_the_profile() -> bytes:
    return png_with(b"iCCP", b"sRGB\0\0" + packed_zeros(32))


FILES: dict[str, Hostile] = {
    "JPEG and zip": Hostile("both.jpg", lambda: saved("JPEG") + packed(), ("",)),
    "PNG and HTML": Hostile("page.png", lambda: picture("tan") + HTML, ("",)),
    "GIF and HTML": Hostile("page.gif", lambda: saved("GIF", comment=HTML), ("",)),
    "GIF that is a script": Hostile("script.gif", lambda: b"GIF89a=1;window.taken=1;//" + bytes(64), ("truncated", "corrupt")),
    "HTML as jpg": Hostile("kidney.jpg", lambda: HTML, ("unsupported_type",)),
    "HTML without a suffix": Hostile("kidney", lambda: HTML + b"\n", ("unsupported_type",)),
    "SVG": Hostile("drawing.svg", lambda: SVG, ("unsupported_type",)),
    "SVG as png": Hostile("drawing.png", lambda: SVG, ("unsupported_type",)),
    "program": Hostile("viewer.jpg", lambda: b"\x7fELF" + bytes(500), ("unsupported_type",)),
    "900 million pixels": Hostile("wide.png", lambda: png(30_000, 30_000, packed_zeros(2)), ("too_many_pixels",)),
    "900 million pixels of 16 bits": Hostile(
        "deep.png", lambda: png(30_000, 30_000, packed_zeros(80), bits=16, colour=2), ("too_many_pixels",)
    ),
    "more pixels than it says": Hostile("more.png", lambda: png(64, 64, packed_zeros(32), bits=8, colour=2), ("",)),
    "2 GiB of text": Hostile("text.png", lambda: png_with(b"zTXt", b"Comment\0\0" + packed_zeros(32)), ("", "corrupt", "held")),
    "2 GiB of other text": Hostile(
        "words.png", lambda: png_with(b"iTXt", b"Comment\0\1\0en\0\0" + packed_zeros(32)), ("", "corrupt", "held")
    ),
    "2 GiB of colours": Hostile("colours.png", bomb_in_the_profile, ("", "corrupt", "held")),
    "10,000 frames": Hostile("film.gif", lambda: gif(10_000), ("", "too_many_frames")),
}


TABLE = b"file,caption,mpp\ngood.png,A kidney,0.5\n"
FORMULA = "=cmd|' /C calc'!A0"

# what is wrong -> (the table, whether it is read: then what is wrong in it is told row by row)
TABLES: dict[str, tuple[bytes, bool]] = {
    "formulas": (f"file,caption,mpp,organ\ngood.png,{FORMULA},0.5,+1+1\n=x.png,x,=1+1,@SUM(A1)\n".encode(), True),
    "formula for a heading": (b"file,caption,=1+1\ngood.png,A kidney,x\n", True),
    "script": (f'file,caption\ngood.png,"{SCRIPT} of a kidney"\n'.encode(), True),
    "UTF-16 without its mark": (TABLE.decode().encode("utf-16-le"), True),
    "UTF-16 cut in a letter": (TABLE.decode().encode("utf-16")[:-1], False),
    "UTF-32": (TABLE.decode().encode("utf-32"), True),
    "EBCDIC": (TABLE.decode().encode("cp500"), False),
    "UTF-8 cut in a letter": (TABLE + b"b.png,M\xc3", True),
    "Windows-1252": (TABLE + b"b.png,M\xfcller's kidney,\n", True),
    "bytes of no letter": (TABLE + b"b.png,\x81\x8d,\n", False),
    "NUL in a cell": (b"file,caption,mpp\ngood.png,A\0kidney,0.5\n", True),
    "NUL in a name": (b"file,caption\ngood\0.png,A kidney\n", True),
    "NUL alone": (bytes(4096), False),
    "an image": (picture(), False),
    "one cell without an end": (b'file,caption\ngood.png,"' + b"x" * 3_000_000, False),
    "a million columns": (b"," * 1_000_000 + b"\n", False),
}
