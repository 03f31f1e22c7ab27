"""Which boxes of an image get a vector: the standard view always, grid tiles of a large or long image besides."""

from __future__ import annotations

import math
import uuid

from webapp.library.models import Region

Box = tuple[int, int, int, int]  # left, top, right, bottom in the upright image's own pixels

TILED_FROM_PX = 900  # a field this long fills the model's view with structures that are still legible
TILED_FROM_ASPECT = 1.3  # the standard view leaves out more than a fifth of such an image
MAX_TILES = 64


def standard_box(width: int, height: int) -> Box:
    """The centre square that every model's preprocessing keeps."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def tile_boxes(width: int, height: int) -> list[Box]:
    """Equal squares, evenly spread, that cover the whole image and overlap as little as they must; [] for a small image."""
    if max(width, height) <= TILED_FROM_PX and max(width, height) <= TILED_FROM_ASPECT * min(width, height):
        return []
    side, columns, rows = _grid(width, height)
    boxes = [
        (left, top, left + side, top + side)
        for top in _spread(height, side, rows)
        for left in _spread(width, side, columns)
    ]  # fmt: skip
    return [box for box in boxes if box != standard_box(width, height)]


def _grid(width: int, height: int) -> tuple[int, int, int]:
    """(side, columns, rows): the fewest squares of at most ~TILED_FROM_PX; larger ones where those would be too many."""
    short, target = min(width, height), float(min(width, height, TILED_FROM_PX))
    while math.ceil(width / target) * math.ceil(height / target) > MAX_TILES:
        target *= 1.1
    columns, rows = math.ceil(width / target), math.ceil(height / target)
    return min(short, max(math.ceil(width / columns), math.ceil(height / rows))), columns, rows


def _spread(length: int, side: int, count: int) -> list[int]:
    if count == 1:
        return [(length - side) // 2]
    return [round(step * (length - side) / (count - 1)) for step in range(count)]


def regions_of(image: uuid.UUID, width: int, height: int) -> list[Region]:
    """Unsaved rows, the standard view first; the same image always has the same ids."""
    boxes = [standard_box(width, height), *tile_boxes(width, height)]
    return [_region(image, box, standard=number == 0) for number, box in enumerate(boxes)]


def _region(image: uuid.UUID, box: Box, *, standard: bool) -> Region:
    left, top, right, bottom = box
    sides = {"width": right - left, "height": bottom - top}
    return Region(id=Region.id_of(image, box), image_id=image, left=left, top=top, standard=standard, **sides)
