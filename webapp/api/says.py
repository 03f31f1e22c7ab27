"""What every answer about an image says of it: the fields of shapes.image_shape()."""

from __future__ import annotations

from uuid import UUID

from ninja import Schema


class ImageSays(Schema):
    image: UUID
    collection: UUID
    width: int | None
    height: int | None
    mpp: float | None
    stain: str
    organ: str
    finding: str
    case: str
    slide: str
    tags: list[str]
