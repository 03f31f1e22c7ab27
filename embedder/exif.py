"""The words of an EXIF block: of the picture, its camera, its place on the map and its preview."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import ExifTags, Image

from embedder.places import Place
from embedder.readable import words

_POINTERS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop, ExifTags.IFD.IFD1)
_CODINGS = {b"ASCII\0\0\0": "ascii", b"UNICODE\0": "utf-16", b"JIS\0\0\0\0\0": "iso2022_jp"}
_XP_TAGS = range(0x9C9B, 0x9CA0)  # Windows' own: title, comment, author, keywords, subject, in UTF-16
_LATITUDE, _LONGITUDE = 2, 4
BROKEN = (OSError, ValueError, TypeError, LookupError, SyntaxError, AttributeError, ArithmeticError, struct.error)


def exif_texts(block: bytes) -> Iterator[tuple[Place, str]]:
    """``block``: from its byte order on. Searched as it lies there too, for text that no tag leads to any more."""
    yield Place.EXIF, words(block, letters=16)
    tags = Image.Exif()
    try:
        tags.load(b"Exif\0\0" + block)
        yield from _texts(dict(tags))
        for pointer in _POINTERS:
            directory = tags.get_ifd(pointer)
            yield from _texts(directory)
            if pointer == ExifTags.IFD.GPSInfo and (directory.get(_LATITUDE) or directory.get(_LONGITUDE)):
                yield Place.EXIF, "GPS position"
    except BROKEN:
        yield Place.EXIF, words(block)  # shorter ones too


def _texts(directory: Mapping[int, Any]) -> Iterator[tuple[Place, str]]:
    for tag, value in directory.items():
        if text := value_text(tag, value):
            yield Place.VENDOR if tag == ExifTags.Base.MakerNote else Place.EXIF, text


def value_text(tag: int, value: Any) -> str:
    if isinstance(value, str):
        return words(value.encode("latin-1")) if _is_latin(value) else value  # Pillow reads UTF-8 as Latin-1
    if isinstance(value, (tuple, list)) and value and all(type(part) is int and 0 <= part < 256 for part in value):
        value = bytes(value)
    if not isinstance(value, bytes):
        return ""
    if tag in _XP_TAGS:
        return value.decode("utf-16-le", "ignore").rstrip("\0")
    if (coding := _CODINGS.get(value[:8])) is not None:
        return f"{value[8:].decode(coding, 'ignore')}\n{words(value[8:])}"
    return words(value)


def _is_latin(value: str) -> bool:
    return all(ord(letter) < 256 for letter in value)
