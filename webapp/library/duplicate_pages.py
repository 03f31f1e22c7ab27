"""Two images that may be the same, side by side: drawn at one scale, what differs marked, what either would take over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.template.defaultfilters import filesizeformat
from django.utils.timezone import localtime

from webapp.accounts.models import User
from webapp.library.deciding import Gain, gain
from webapp.library.duplicates import Link, reviewable
from webapp.library.models import Image
from webapp.library.portrait import LABELS, shown

LISTS = {"bytes": "Same file", "pixels": "Same pixels", "near": "Nearly the same"}
SAME_SCALE = 1.02  # two pictures that differ less need no other view


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that is told of both. ``differs``: to be marked."""

    label: str
    left: str
    right: str

    @property
    def differs(self) -> bool:
        return self.left != self.right


@dataclass(frozen=True, kw_only=True)
class Side:
    """``x``, ``y``, ``width``, ``height``: where the picture is drawn in the shared frame. ``gains``: what it takes over."""

    image: Image
    x: float
    y: float
    width: float
    height: float
    older: bool
    gains: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class PairPage:
    """``frame``: width and height of either drawing, in µm where both resolutions are known, else in pixels."""

    left: Side
    right: Side
    frame: tuple[float, float]
    in_um: bool
    fills: bool
    rows: list[Row]
    cosine: float | None

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.left, self.right

    @property
    def scales_differ(self) -> bool:
        one, other = self.left, self.right
        wider, narrower = max(one.width, other.width), min(one.width, other.width)
        higher, lower = max(one.height, other.height), min(one.height, other.height)
        return wider > narrower * SAME_SCALE or higher > lower * SAME_SCALE

    @property
    def differences(self) -> int:
        return sum(row.differs for row in self.rows)


def pair_page(link: Link, *, user: User, swapped: bool = False, fills: bool = False) -> PairPage | None:
    """The older one on the left. ``fills``: each picture as large as the frame. None where one of them has gone meanwhile."""
    found = reviewable(user).filter(pk__in=[link.first, link.second]).select_related("collection", "added_by")
    images = sorted(found.prefetch_related("captions"), key=lambda image: (image.stored_at, image.pk))
    if len(images) < 2:
        return None
    oldest = images[0]
    left, right = reversed(images) if swapped else images
    in_um = bool(left.mpp and right.mpp)
    sizes = [_size(image, in_um=in_um) for image in (left, right)]
    frame = max(width for width, _ in sizes), max(height for _, height in sizes)
    sides = [
        _side(image, other, size, frame, older=image is oldest)
        for image, other, size in ((left, right, sizes[0]), (right, left, sizes[1]))
    ]
    return PairPage(
        left=sides[0], right=sides[1], frame=frame, in_um=in_um, fills=fills, rows=list(_rows(left, right)), cosine=link.cosine
    )  # fmt: skip


def _size(image: Image, *, in_um: bool) -> tuple[float, float]:
    scale = image.mpp if in_um and image.mpp else 1.0
    return (image.width or 1) * scale, (image.height or 1) * scale


def _side(image: Image, other: Image, size: tuple[float, float], frame: tuple[float, float], *, older: bool) -> Side:
    (width, height), (across, down) = size, frame
    return Side(
        image=image,
        x=(across - width) / 2,
        y=(down - height) / 2,
        width=width,
        height=height,
        older=older,
        gains=list(_gains(gain(image, other))),
    )


def _gains(more: Gain) -> Iterator[tuple[str, str]]:
    yield from ((LABELS[name], shown(name, value)) for name, value in more.fields.items())
    if more.tags:
        yield "Tags", ", ".join(map(str, more.tags))
    yield from (("Caption", caption) for caption in more.captions)
    yield from ((str(name).capitalize(), str(value)) for name, value in sorted(more.metadata.items()))


def _rows(left: Image, right: Image) -> Iterator[Row]:
    """What both leave unsaid is left out."""
    tellers = (_told(left), _told(right))
    names = dict.fromkeys([*tellers[0], *tellers[1]])
    for name in names:
        one, other = (told.get(name, "") for told in tellers)
        if one or other:
            yield Row(label=name, left=one, right=other)


def _told(image: Image) -> dict[str, str]:
    told = {
        "Collection": image.collection.name,
        "File": image.name,
        "Size": f"{image.width:,} × {image.height:,} px" if image.width and image.height else "",
        "Format": " ".join(filter(None, (image.format, image.mode))),
        "Bytes": filesizeformat(image.bytes),
        "Added": f"{localtime(image.stored_at):%-d %b %Y, %H:%M} by {image.added_by or 'someone who left'}",
        "Page": str(image.page or ""),
    }
    told |= {label: shown(name, getattr(image, name)) for name, label in LABELS.items()}
    told["Captions"] = "\n".join(caption.text for caption in image.captions.all())
    return told | {str(name).capitalize(): str(value) for name, value in sorted(image.metadata.items())}
