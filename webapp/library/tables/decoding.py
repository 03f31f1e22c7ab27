"""Bytes that people call text: which letters they are."""

from __future__ import annotations

import codecs

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
LOOKED_AT = 1 << 16
MOSTLY = 0.4  # of every second byte: text in Latin letters has a NUL there in UTF-16
NO_TEXT = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1a\x00")  # no text has these in quantity; a NUL is told cell by cell
MOST_NO_TEXT = 0.01


class NoText(ValueError):
    """The bytes are no text in any encoding that is known here; the sentence follows a subject."""


def decoded(data: bytes) -> tuple[str, str]:
    """The text, and the encoding's name. UTF-8, UTF-16 (LE, BE), UTF-32 or Windows-1252. Raises NoText."""
    for mark, codec, name in BOMS:
        if data.startswith(mark):
            return _strictly(data, codec, name), name
    if codec := _utf16_without_mark(data):
        return _strictly(data, codec, "UTF-16"), "UTF-16"
    _refuse_binary(data)
    try:
        return data.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        return _strictly(data, "cp1252", "Windows-1252"), "Windows-1252"


def _strictly(data: bytes, codec: str, name: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as exc:
        raise NoText(f"is not text in {name}, as which it begins: byte {exc.start:,} does not belong there") from exc


def _utf16_without_mark(data: bytes) -> str:
    """By where the NULs are; "" where it is not UTF-16."""
    head = data[:LOOKED_AT]
    pairs = len(head) // 2
    if pairs < 2:
        return ""
    first, second = head[0::2].count(0) / pairs, head[1::2].count(0) / pairs
    if second > MOSTLY and first < second / 4:
        return "utf-16-le"
    return "utf-16-be" if first > MOSTLY and second < first / 4 else ""


def _refuse_binary(data: bytes) -> None:
    head = data[:LOOKED_AT]
    strange = sum(head.count(code) for code in NO_TEXT)
    if head and (strange / len(head) > MOST_NO_TEXT or head.count(0) / len(head) > MOST_NO_TEXT * 5):
        raise NoText("is not text")
