"""The words of a TIFF's tags: every page, sub-directory, EXIF, XMP, IPTC, and what scanners' makers add."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import tifffile

from embedder import containers
from embedder.exif import value_text
from embedder.images import Limits
from embedder.places import Place
from embedder.readable import marked_up

_DESCRIPTION, _XMP, _IPTC, _PHOTOSHOP, _GPS, _ICC = 270, 700, 33723, 34377, 34853, 34675
_DIRECTORIES = (34665, _GPS, 40965)
_PRIVATE = 32768  # from here on tags are registered by makers
_PIXELS = frozenset({273, 279, 288, 289, 320, 324, 325, 347, 513, 514, 519, 520, 521, _ICC})  # where they lie, and their tables
_WORDS = (tifffile.DATATYPE.ASCII, tifffile.DATATYPE.BYTE, tifffile.DATATYPE.UNDEFINED, tifffile.DATATYPE.SBYTE)


def tiff_texts(data: bytes, limits: Limits) -> Iterator[tuple[Place, str]]:
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        pages = list(tif.pages[: limits.max_frames])
        for page in pages:
            yield from _page_texts(tif, page)


def _page_texts(tif: Any, page: Any) -> Iterator[tuple[Place, str]]:
    full = page if hasattr(page, "tags") else page.aspage()
    for tag in full.tags:
        yield from _tag_texts(tif, tag)
    for offset in full.subifds or ():
        tif.filehandle.seek(offset)
        yield from _page_texts(tif, tifffile.TiffPage(tif, index=(full.index, 0)))


def _tag_texts(tif: Any, tag: Any) -> Iterator[tuple[Place, str]]:
    if tag.code in _DIRECTORIES:
        yield from _directory(tag.code, tag.value)
    elif tag.code not in _PIXELS and tag.dtype in _WORDS:
        raw = _bytes_of(tif, tag)
        if tag.code == _XMP:
            yield from containers.xmp(raw)
        else:
            yield _place(tag.code, raw), _text(tag.code, raw)


def _bytes_of(tif: Any, tag: Any) -> bytes:
    """As they lie there: tifffile would make numbers, dates and dictionaries of them."""
    tif.filehandle.seek(tag.valueoffset)
    return bytes(tif.filehandle.read(tag.valuebytecount))


def _place(code: int, raw: bytes) -> Place:
    if code in (_IPTC, _PHOTOSHOP):
        return Place.IPTC
    if code == _DESCRIPTION:
        return Place.OME if b"<OME" in raw[:4096] else Place.DESCRIPTION
    return Place.VENDOR if code >= _PRIVATE else Place.TIFF_TEXT


def _text(code: int, raw: bytes) -> str:
    if code in (_IPTC, _PHOTOSHOP):
        return containers.iptc(raw)
    if raw.lstrip()[:1] == b"<":
        return marked_up(raw)
    return value_text(code, raw)


def _directory(code: int, directory: Any) -> Iterator[tuple[Place, str]]:
    """tifffile gives EXIF and GPS as a dictionary of names."""
    if not isinstance(directory, dict):
        return
    for value in directory.values():
        if text := value_text(0, value):
            yield Place.EXIF, text
    if code == _GPS and any(directory.get(name) for name in ("GPSLatitude", "GPSLongitude")):
        yield Place.EXIF, "GPS position"
