"""A part of a picture, encoded on its own: of a stored image from its original, of a query picture from the copy that is kept.

Vectors are kept in the cache, never in SQL: they belong to a question, and can be made again as long as the picture is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from embedder import errors
from webapp import hints
from webapp.explore import remote
from webapp.explore.asking import Crop
from webapp.explore.encoding import CACHED_S, Array, PictureRefused, decoded, encode_pixels
from webapp.explore.models import QueryPicture
from webapp.library import pixels
from webapp.library.models import Image
from webapp.library.models.vectors import from_bytes, to_bytes
from webapp.outages import Outage

if TYPE_CHECKING:
    from PIL import Image as Pictures

REFUSED_KEPT_S = 60.0  # why a part has no vector: long enough for whoever waits
GONE = "There is no copy of this picture to take a part of: please choose it again."


def of_image(image: Image, crop: Crop, *, fingerprint: str) -> Array:
    """float32 [dim], unit. The caller has checked who may see ``image``. Raises PictureRefused, Outage."""
    return _vector("image", image.pk, image.pixels_sha256, crop, fingerprint)


def of_picture(picture: QueryPicture, crop: Crop, *, fingerprint: str) -> Array:
    """float32 [dim], unit. Raises PictureRefused, Outage."""
    return _vector("picture", picture.pk, "", crop, fingerprint)


def fill(key: str, kind: str, pk: str, edges: list[int], *, fingerprint: str) -> tuple[bytes, str]:
    """Puts the part's vector into the cache, or an empty one with the sentence that says why there is none; also returns it.

    Raises Outage.
    """
    try:
        stored, kept_s = (_encoded(kind, UUID(pk), Crop(*edges), fingerprint), ""), float(CACHED_S)
    except PictureRefused as exc:
        stored, kept_s = (b"", str(exc)), REFUSED_KEPT_S
    hints.remember({key: stored}, kept_s=kept_s)
    return stored


def _vector(kind: str, pk: UUID, content: str, crop: Crop, fingerprint: str) -> Array:
    edges = [crop.left, crop.top, crop.right, crop.bottom]
    key = f"crop:{fingerprint}:{kind}:{pk}:{content[:16]}:{','.join(map(str, edges))}"
    stored: tuple[bytes, str] | None = hints.known([key]).get(key)
    if stored is None and settings.ENCODE_QUERIES_HERE:
        stored = fill(key, kind, str(pk), edges, fingerprint=fingerprint)
    elif stored is None:
        stored = remote.vectors("encode_crop", [key], key, kind, str(pk), edges, fingerprint=fingerprint)[key]
    if not stored[0]:
        raise PictureRefused("cannot_crop", stored[1])
    return from_bytes(stored[0])


def _encoded(kind: str, pk: UUID, crop: Crop, fingerprint: str) -> bytes:
    whole = _pixels_of_image(pk) if kind == "image" else _pixels_of_picture(pk)
    return to_bytes(encode_pixels(whole.crop(crop.box(*whole.size)), fingerprint=fingerprint))


def _pixels_of_image(pk: UUID) -> Pictures.Image:
    image = Image.objects.filter(pk=pk).first()
    if image is None:
        raise PictureRefused("cannot_crop", "This image is not there any more.")
    try:
        return pixels.load(image)
    except errors.ImageError as exc:
        raise PictureRefused(exc.reason, str(exc)) from exc
    except (errors.SandboxUnavailable, OSError) as exc:
        raise Outage("The image cannot be read just now.", detail=str(exc)) from exc


def _pixels_of_picture(pk: UUID) -> Pictures.Image:
    kept = QueryPicture.objects.filter(pk=pk).values_list("display", flat=True).first()
    if kept is None:
        raise PictureRefused("cannot_crop", GONE)
    return decoded(bytes(kept))
