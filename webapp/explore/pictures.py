"""Pictures that people search with: encoded once, kept as a vector and small copies for QUERY_PICTURE_DAYS, their files never."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from webapp.accounts.models import User
from webapp.explore import remote
from webapp.explore.encoding import Array, PictureRefused, encode_query_image
from webapp.explore.models import QueryPicture
from webapp.library import derivatives
from webapp.library.derivatives import jpeg, shrunk
from webapp.library.models.vectors import from_bytes, to_bytes
from webapp.outages import Outage

if TYPE_CHECKING:
    from PIL import Image

LARGEST_BYTES = 64 * 2**20  # of a picture that is read into memory
THUMBNAIL_PX, DISPLAY_PX = 400, 1024  # long sides


def read(file: UploadedFile[Any]) -> bytes:
    """Raises PictureRefused before a large one is read into memory."""
    if file.size is None or file.size > LARGEST_BYTES:
        raise PictureRefused("too_many_bytes", f"A query picture has at most {LARGEST_BYTES >> 20} MB.")
    data: bytes = file.read()
    return data


def remember(data: bytes, *, user: User, fingerprint: str) -> QueryPicture:
    """Encodes a picture's bytes and keeps the vector. Raises PictureRefused, Outage."""
    QueryPicture.objects.outdated().delete()
    if settings.ENCODE_QUERIES_HERE:
        vector, picture = encode_query_image(data, fingerprint=fingerprint)
        return QueryPicture.objects.create(user=user, fingerprint=fingerprint, **_columns(vector, picture))
    return _by_a_worker(data, QueryPicture.objects.create(user=user, fingerprint=fingerprint))


def vector_of(picture: QueryPicture, *, fingerprint: str) -> Array:
    """float32 [dim]. Raises PictureRefused where the archive has another encoder by now: the file is gone."""
    if picture.search is None or picture.fingerprint != fingerprint:
        raise PictureRefused("picture_outdated", "This query picture was read by another encoder: please choose it again.")
    return from_bytes(picture.search)


def fill(picture_id: str, *, fingerprint: str) -> None:
    """In a worker: the file's vector, or the reason why there is none, goes into the row."""
    columns: dict[str, object]
    try:
        columns = _columns(*encode_query_image(_file(picture_id).read_bytes(), fingerprint=fingerprint))
    except FileNotFoundError:
        return  # whoever asked has stopped waiting
    except PictureRefused as exc:
        columns = {"reason": exc.reason, "reason_text": str(exc)[:300]}
    except Outage as exc:
        columns = {"reason": "outage", "reason_text": exc.what[:300]}
    QueryPicture.objects.filter(pk=picture_id).update(**columns)


def _by_a_worker(data: bytes, picture: QueryPicture) -> QueryPicture:
    """Raises PictureRefused, Outage; then no row is left."""
    file = _file(str(picture.pk))
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        file.write_bytes(data)
        remote.send("encode_picture", str(picture.pk), picture.fingerprint)
        return remote.wait_for(lambda: _answered(picture.pk))
    except (Outage, PictureRefused):
        picture.delete()
        raise
    finally:
        file.unlink(missing_ok=True)


def _answered(picture_id: UUID) -> QueryPicture | None:
    picture = QueryPicture.objects.get(pk=picture_id)
    if picture.reason == "outage":
        raise Outage("Pictures cannot be encoded just now.", detail=picture.reason_text)
    if picture.reason:
        raise PictureRefused(picture.reason, picture.reason_text)
    return None if picture.search is None else picture


def _columns(vector: Array, picture: Image.Image) -> dict[str, object]:
    """Copies of decoded pixels: no metadata comes along."""
    shown = shrunk(picture, DISPLAY_PX, gap=derivatives.DISPLAY_GAP)
    small = shrunk(shown, THUMBNAIL_PX, gap=derivatives.THUMBNAIL_GAP)
    width, height = picture.size
    copies = {"display": jpeg(shown), "thumbnail": jpeg(small)}
    return {"search": to_bytes(vector), "width": width, "height": height, **copies}


def _file(picture_id: str) -> Path:
    return Path(settings.CONCHIVE_DATA) / "queries" / str(UUID(picture_id))
