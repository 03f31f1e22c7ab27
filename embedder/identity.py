"""What in a file's header looks like a patient's identity. Runs in the sandbox; no word of it leaves."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image

from embedder import containers, errors
from embedder.images import DICOM, TIFF, Limits, Source, read_source, sniff
from embedder.patterns import Pattern, Searcher
from embedder.places import Place

MOST_LETTERS = 16 << 20  # searched in one file, in all; files of real scanners hold some thousand
MOST_FOUND = 100


@dataclass(frozen=True)
class Findings:
    """(place, the pattern's number) pairs in ascending order, at most MOST_FOUND. ``whole`` False: not all could be searched."""

    pairs: tuple[tuple[Place, int], ...]
    whole: bool


def search_header(source: Source, *, patterns: Sequence[Pattern], limits: Limits | None = None, page: int = 0) -> Findings:
    """In all that a file says beside its pixels, of whichever ``page`` those are. Limits as open_rgb's.

    Raises BadPattern, UnsupportedType, EmptyFile, TooManyBytes.
    """
    del page
    limits = limits or Limits()
    data = read_source(source, limits)
    searcher, texts = Searcher(patterns), _texts(data, sniff(data), limits)
    found: set[tuple[Place, int]] = set()
    left = MOST_LETTERS
    try:
        for place, text in texts:
            found |= {(place, number) for number in searcher.found(text[:left])}
            left -= len(text)
            if left < 0:
                break
    except (errors.ImageError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - broken headers raise almost anything; a person looks at what could not be searched
        left = -1
    return Findings(tuple(sorted(found))[:MOST_FOUND], whole=left >= 0)


def _texts(data: bytes, kind: str, limits: Limits) -> Iterator[tuple[Place, str]]:
    if kind == TIFF:
        from embedder.tiff_texts import tiff_texts

        return tiff_texts(data, limits)
    if kind == DICOM:
        from embedder.dicom_texts import dicom_texts

        return dicom_texts(data)
    if kind in containers.WALKS:
        return containers.WALKS[kind](data)
    return _pillow_texts(data, kind)


def _pillow_texts(data: bytes, kind: str) -> Iterator[tuple[Place, str]]:
    """AVIF: its blocks lie where its index says."""
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        info = image.info
    if block := info.get("exif"):
        yield from containers.exif(block.removeprefix(b"Exif\0\0"))
    if block := info.get("xmp"):
        yield from containers.xmp(block)
