"""Which pages of a TIFF are pictures of their own, and which are never shown: labels, overviews, levels, masks, slices."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from embedder import errors
from embedder.images import Limits

READABLE_SLIDES = ("is_svs", "is_ndpi", "is_bif", "is_philips")  # of which one can tell the tissue from the label
OTHER_SLIDES = ("is_scn", "is_ventana", "is_qpi")
STACKS = ("is_ome", "is_imagej", "is_lsm", "is_stk", "is_fluoview", "is_micromanager", "is_nih", "is_scanimage")
BROKEN_METADATA = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, SyntaxError)  # the last: XML
REDUCED, MASK, MACRO = 1, 4, 8  # bits of NewSubfileType; the last is Aperio's
NDPI_LENS = 65421  # below 0: the overview (-1), the map of where there is tissue (-2)
_LABEL = re.compile(r"(label|macro|overview)([ _]?image)?(\s+\d+x\d+)?\s*", re.IGNORECASE)
_APERIO_LABEL = re.compile(r"(label|macro)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """``pages``: indexes of the pictures; of a ``whole_slide`` its largest level. ``has_label``: others may show a label."""

    pages: list[int]
    whole_slide: bool = False
    has_label: bool = False


def layout(tif: Any, limits: Limits) -> Layout:
    """Of an open tifffile.TiffFile. Raises TooManyFrames, TooManyPages, TooManyPixels, TruncatedImage, LabelOnly."""
    count = len(tif.pages)
    limits.check_frames(count)
    if any(getattr(tif, name, False) for name in STACKS):
        return _stack(tif, limits)
    _refuse_missing_pages(tif)
    pages = {index: _page(tif, index) for index in range(count)}
    read = {index: page for index, page in pages.items() if page is not None}
    if any(getattr(page, name, False) for page in read.values() for name in OTHER_SLIDES):
        return Layout(pages=[_largest(read)], whole_slide=True, has_label=True)
    if any(getattr(page, name, False) for page in read.values() for name in READABLE_SLIDES):
        return _slide(read, limits)
    return _plain(tif, pages, limits)


def _page(tif: Any, index: int) -> Any:
    """None where this page's description is damaged: the first one's is the file's, another's is its own."""
    try:
        return tif.pages[index]
    except Exception:  # tifffile raises almost anything; the page is read again, and refused, when it is asked for
        if index == 0:
            raise
        return None


def _slide(pages: dict[int, Any], limits: Limits) -> Layout:
    """A scanner's file: one level that is small enough is a picture, wherever it lies between label and overview."""
    levels = {index: page for index, page in pages.items() if _is_level(page)}
    if not levels:
        raise errors.LabelOnly("This slide file holds no picture of the tissue, only its label or overview, which is not shown.")
    main = _largest(levels)
    large = pages[main].imagewidth * pages[main].imagelength > limits.max_pixels
    return Layout(pages=[main], whole_slide=len(levels) > 1 or large, has_label=True)


def _is_level(page: Any) -> bool:
    lens = page.tags.get(NDPI_LENS)
    return not is_label(page) and (page.is_tiled if lens is None else lens.value > 0)


def _largest(pages: dict[int, Any]) -> int:
    return max(pages, key=lambda index: pages[index].imagewidth * pages[index].imagelength)


def _stack(tif: Any, limits: Limits) -> Layout:
    """Slices, channels and times are one picture; of several images in one OME-TIFF, the first that is no label."""
    try:
        images = [image for image in tif.series if not _LABEL.fullmatch(str(image.name).strip())]
        has_label = len(images) < len(tif.series)
        if not images:
            raise errors.LabelOnly("This file holds no picture of the tissue, only a label or overview, which is not shown.")
        first, levels = int(images[0].pages[0].index), len(images[0].levels) > 1
    except BROKEN_METADATA:  # the first page is good without a description of all of them
        first, levels, has_label = 0, bool(tif.pages[0].subifds), False
    return Layout(pages=[first], whole_slide=levels or _too_large(tif.pages[first], limits), has_label=has_label)


def _too_large(page: Any, limits: Limits) -> bool:
    return bool(page.is_tiled and page.imagewidth * page.imagelength > limits.max_pixels)


def _plain(tif: Any, pages: dict[int, Any], limits: Limits) -> Layout:
    """Every page that is neither a smaller copy, nor a mask, nor a label."""
    labels = {index for index, page in pages.items() if page is not None and is_label(page)}
    rest = [index for index in pages if index not in labels]
    if not rest:
        raise errors.LabelOnly("This file holds no picture of the tissue, only a label or overview, which is not shown.")
    pictures = [index for index in rest if pages[index] is None or not pages[index].subfiletype & (REDUCED | MASK)] or rest[:1]
    if _has_levels(tif, pages[pictures[0]], labels) or (pages[pictures[0]] and _too_large(pages[pictures[0]], limits)):
        return Layout(pages=pictures[:1], whole_slide=True, has_label=bool(labels))
    known = [pages[index] for index in pictures if pages[index] is not None]
    limits.check_pages(len(pictures), sum(page.imagewidth * page.imagelength for page in known))
    return Layout(pages=pictures, has_label=bool(labels))


def _has_levels(tif: Any, page: Any, labels: set[int]) -> bool:
    try:
        return any(len(series.levels) > 1 for series in tif.series if series.pages[0].index not in labels)
    except BROKEN_METADATA:
        return bool(page is not None and page.subifds)


def is_label(page: Any) -> bool:
    """A photograph of a slide's label, or of the whole glass with its label, by what its scanner wrote beside it."""
    lens = page.tags.get(NDPI_LENS)
    if (lens is not None and lens.value == -1) or page.subfiletype & MACRO:
        return True
    first, *others = str(page.description).splitlines() or [""]
    if first.startswith("Aperio"):
        return bool(others and _APERIO_LABEL.match(others[0].strip()))
    return bool(_LABEL.fullmatch(first.strip()))


def _refuse_missing_pages(tif: Any) -> None:
    """A file that was cut off between its pages would otherwise be one with fewer pages."""
    tiff, last, file = tif.tiff, tif.pages[len(tif.pages) - 1], tif.filehandle
    if tiff.is_ndpi:  # its offsets are of another kind
        return
    file.seek(last.offset)
    tags = int.from_bytes(file.read(tiff.tagnosize), _order(tif))
    file.seek(last.offset + tiff.tagnosize + tags * tiff.tagsize)
    follows = file.read(tiff.offsetsize)
    if len(follows) < tiff.offsetsize or int.from_bytes(follows, _order(tif)) >= file.size:
        raise errors.TruncatedImage("The file ends before its last page does: copy it again from its source.")


def _order(tif: Any) -> Any:
    return "little" if tif.byteorder == "<" else "big"
