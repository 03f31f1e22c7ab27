"""The words beside the pixels of JPEG, PNG, GIF, WebP, JPEG 2000 and BMP files, found without decoding a pixel.

Each walks its format's blocks and leaves out those that only pixels are made of; what follows the picture's end is searched too.
Damaged files are walked as far as they go.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator

from embedder.places import Place
from embedder.readable import marked_up, words

Said = tuple[Place, str]
MOST_UNPACKED = 4 << 20  # bytes of one compressed text of a PNG
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_EXIF, _XMP, _MORE_XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_PICTURE_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"fdAT", b"fcTL", b"acTL", b"tIME"})


def rest(data: bytes) -> Iterator[Said]:
    """What follows a picture's end: often nothing, a second picture or a film, and sometimes a note."""
    if data.strip(b"\0"):
        yield Place.TRAILER, words(data, letters=16)


# --- JPEG -------------------------------------------------------------------------------------------------------------


def jpeg(data: bytes) -> Iterator[Said]:
    at = 2
    while (marker := _NEXT_MARKER.search(data, at)) is not None:
        kind, at = data[marker.start() + 1], marker.end()
        if kind == 0xD9:
            yield from rest(data[at:])
            return
        if kind in (0x01, 0xD8):
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        yield from _segment(kind, data[at + 2 : at + size])
        at += max(size, 2)


def _segment(kind: int, block: bytes) -> Iterator[Said]:
    if kind == 0xFE:
        yield Place.JPEG_COMMENT, words(block)
    elif kind == 0xE1 and block.startswith(_EXIF):
        yield from exif(block[len(_EXIF) :])
    elif kind == 0xE1 and block.startswith((_XMP, _MORE_XMP)):
        yield from xmp(block.partition(b"\0")[2])
    elif kind == 0xED:
        yield Place.IPTC, iptc(block)
    elif 0xE0 <= kind <= 0xEF and not block.startswith(b"ICC_PROFILE\0"):
        yield Place.OTHER, words(block)


def iptc(block: bytes) -> str:
    """Data sets of IPTC stand close together: 28, record, number, two bytes of size, the text."""
    return "\n".join(map(words, re.split(rb"\x1c[\x01-\x09]...", block, flags=re.DOTALL)))


# --- EXIF, XMP --------------------------------------------------------------------------------------------------------


def exif(block: bytes) -> Iterator[Said]:
    from embedder.exif import exif_texts  # Pillow's tables are loaded for who has an EXIF block

    yield from exif_texts(block)


def xmp(block: bytes) -> Iterator[Said]:
    yield Place.XMP, marked_up(block)
    if b"GPSLatitude" in block:
        yield Place.XMP, "GPS position"


# --- PNG --------------------------------------------------------------------------------------------------------------


def png(data: bytes) -> Iterator[Said]:
    at = 8
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        block, at = data[at + 8 : at + 8 + size], at + 12 + size
        if kind == b"IEND":
            yield from rest(data[at:])
            return
        yield from _chunk(kind, block)


def _chunk(kind: bytes, block: bytes) -> Iterator[Said]:
    if kind == b"eXIf":
        yield from exif(block)
    elif kind in (b"tEXt", b"zTXt", b"iTXt"):
        yield from _png_text(kind, block)
    elif kind not in _PICTURE_CHUNKS:
        yield Place.OTHER, words(block)


def _png_text(kind: bytes, block: bytes) -> Iterator[Said]:
    keyword, _, text = block.partition(b"\0")
    if kind == b"zTXt":
        text = unpacked(text[1:])
    elif kind == b"iTXt":
        packed, (language, _, rest_of_it) = text[:1] == b"\1", text[2:].partition(b"\0")
        translated, _, text = rest_of_it.partition(b"\0")
        text = unpacked(text) if packed else text
        keyword = b" ".join((keyword, language, translated))
    if keyword.startswith(b"XML:com.adobe.xmp"):
        yield from xmp(text)
    elif keyword.startswith(b"Raw profile type"):  # ImageMagick's way to keep EXIF and IPTC: in hexadecimal digits
        yield Place.PNG_TEXT, words(_from_hex(text))
    else:
        yield Place.PNG_TEXT, f"{words(keyword)}\n{words(text)}"


def unpacked(data: bytes) -> bytes:
    """As much as comes out of it, up to MOST_UNPACKED."""
    try:
        return zlib.decompressobj().decompress(data, MOST_UNPACKED)
    except zlib.error:
        return b""


def _from_hex(text: bytes) -> bytes:
    digits = re.sub(rb"[^0-9a-fA-F]", b"", b"".join(text.split(b"\n")[3:]))
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode())


# --- GIF --------------------------------------------------------------------------------------------------------------


def gif(data: bytes) -> Iterator[Said]:
    at = 13 + _colours(data[10])
    while at < len(data):
        kind = data[at]
        if kind == 0x21:
            block, after = _blocks(data, at + 2)
            yield from _extension(data[at + 1], block)
        elif kind == 0x2C:
            _pixels, after = _blocks(data, at + 11 + _colours(data[at + 9]), skip=True)
        else:
            yield from rest(data[at + 1 :])
            return
        at = after


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _extension(label: int, block: bytes) -> Iterator[Said]:
    if label == 0xFE:
        yield Place.GIF_COMMENT, words(block)
    elif block.startswith(b"XMP DataXMP"):
        yield from xmp(block[11:])
    elif label != 0xF9:
        yield Place.OTHER, words(block)


def _blocks(data: bytes, at: int, *, skip: bool = False) -> tuple[bytes, int]:
    """The blocks from ``at`` to the empty one, put together, and where the next thing begins."""
    start, parts = at, []
    while at < len(data) and data[at]:
        if not skip:
            parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    together = b"".join(parts)
    if together.startswith(b"XMP DataXMP"):  # XMP lies there as it is; its own letters pass for the sizes of blocks
        together = data[start + 1 : at]
    return together, at + 1


# --- WebP, JPEG 2000, BMP ---------------------------------------------------------------------------------------------


def webp(data: bytes) -> Iterator[Said]:
    end = min(8 + int.from_bytes(data[4:8], "little"), len(data))
    at = 12
    while at + 8 <= end:
        kind, size = struct.unpack_from("<4sI", data, at)
        block, at = data[at + 8 : at + 8 + size], at + 8 + size + size % 2
        if kind == b"EXIF":
            yield from exif(block.removeprefix(_EXIF))
        elif kind == b"XMP ":
            yield from xmp(block)
        elif kind not in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"):
            yield Place.OTHER, words(block)
    yield from rest(data[end:])


def jpeg2000(data: bytes) -> Iterator[Said]:
    """Boxes; the codestream's own comments lie before its first tile."""
    if data.startswith(b"\xff\x4f"):
        yield from _codestream(data)
        return
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        header = 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + size if size >= header else len(data)
        block, at = data[at + header : end], end
        if kind == b"jp2c":
            yield from _codestream(block)
        elif kind in (b"xml ", b"uuid"):
            yield Place.BOX, marked_up(block)
        elif kind not in (b"jP  ", b"ftyp", b"jp2h"):
            yield Place.BOX, words(block)


def _codestream(data: bytes) -> Iterator[Said]:
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1] != 0x90:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0x64:
            yield Place.BOX, words(data[at + 6 : at + 2 + size])
        at += 2 + max(size, 2)


def bmp(data: bytes) -> Iterator[Said]:
    yield from rest(data[int.from_bytes(data[2:6], "little") :])


WALKS: dict[str, Callable[[bytes], Iterator[Said]]] = {
    "JPEG": jpeg,
    "PNG": png,
    "GIF": gif,
    "WEBP": webp,
    "JPEG2000": jpeg2000,
    "BMP": bmp,
}
