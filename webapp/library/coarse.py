"""Whether two pictures show the same field, judged coarsely: to an encoder two fields of one tissue may be nearly the same."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from webapp.library import files, store

Colours = NDArray[np.float32]
CELLS = 8  # a side: an object of a tenth of the picture still counts, noise and a slight shift do not
DRAFT_PX = 64  # what a thumbnail is decoded to
FLOOR = 10.0  # of the squared distances: a fifth of a grey level a cell, what saving again changes in bare glass
REMEMBERED = 20_000  # images, a kilobyte each


def colours_of(picture: Pictures.Image) -> Colours:
    """RGB picture -> float32 [CELLS² × 3]: each cell's mean colour, 0 to 255, less the picture's own mean of each channel."""
    cells = np.asarray(picture.convert("RGB").resize((CELLS, CELLS), Pictures.Resampling.BOX), np.float32)
    apart: Colours = (cells - cells.mean((0, 1))).reshape(-1)
    return apart


def likeness(one: Colours, other: Colours) -> float:
    """How alike colours are spread over two pictures: 1 the same, 0 unrelated. Brightness and contrast do not count."""
    length = np.sqrt((one @ one + FLOOR) * (other @ other + FLOOR))
    return float((one @ other + FLOOR) / length)


def colours(image: UUID) -> Colours | None:
    """Of an image, by its thumbnail; None where there is none. Raises StoreAway."""
    try:
        return _of_thumbnail(image)
    except store.StoreAway:
        raise
    except OSError:
        return None


@lru_cache(maxsize=REMEMBERED)
def _of_thumbnail(image: UUID) -> Colours:
    """An image's pixels never change. Raises OSError."""
    _, file = store.current().open(files.thumbnail(image))
    with file, Pictures.open(file) as thumbnail:
        thumbnail.draft("RGB", (DRAFT_PX, DRAFT_PX))
        return colours_of(thumbnail)
