"""The pictures themselves. One view decides for every derivative: foreign and unknown images answer alike.

Nothing here is cached without asking again: a right that was taken away ends with the next request.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.http import FileResponse, Http404, HttpRequest, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from webapp.accounts import limits
from webapp.accounts.audit import record
from webapp.accounts.models import AuditEvent, User
from webapp.library import files, originals
from webapp.library.models import Image
from webapp.library.models.images import ImageQuerySet
from webapp.library.sent_files import opened, private, sent, unchanged

DOWNLOAD = "application/octet-stream"
ONE_DOWNLOAD = timedelta(days=1)  # its further parts may follow for as long


@require_safe
def thumbnail(request: HttpRequest, image_id: UUID) -> HttpResponseBase:
    return _derivative(request, image_id, files.thumbnail)


@require_safe
def display(request: HttpRequest, image_id: UUID) -> HttpResponseBase:
    return _derivative(request, image_id, files.display)


@require_safe
def original(request: HttpRequest, image_id: UUID) -> HttpResponseBase:
    """What is kept of the file, with all that it says about itself: for editors, as a download, and written down."""
    image = _image(Image.objects.editable_by(request.user), image_id)
    name, own_name, tag = originals.kept_name(image), originals.download_name(image), originals.tag(image)
    response = (
        _deciphered(request, image, own_name, tag)
        if originals.is_encrypted(name)
        else sent(request, opened(name), tag=tag, content_type=DOWNLOAD, download_as=own_name)
    )
    if request.method == "GET" and response.status_code in (200, 206) and isinstance(request.user, User):
        _note_download(request, request.user, image, response)
    return response


def _note_download(request: HttpRequest, user: User, image: Image, response: HttpResponseBase) -> None:
    """Once for a file that comes in parts; whichever part is asked for first, it is a download. Raises limits.TooMany."""
    by_the_proxy = "X-Accel-Redirect" in response.headers and "Range" in request.headers  # it cuts the part out itself
    if (response.status_code == 206 or by_the_proxy) and _began_before(user, image):
        return
    try:
        limits.count("export", user)
    except limits.TooMany:
        response.close()
        raise
    record(user, "download", image)


def _began_before(user: User, image: Image) -> bool:
    since = timezone.now() - ONE_DOWNLOAD
    return AuditEvent.objects.filter(action="download", target_id=str(image.pk), actor=user, at__gt=since).exists()


def _deciphered(request: HttpRequest, image: Image, name: str, tag: str) -> HttpResponseBase:
    """By this process, as a whole: what lies there is not what is sent."""
    if unchanged(request, tag):
        return private(HttpResponseNotModified(), tag)
    try:
        plain, size = originals.opened(image)
    except FileNotFoundError as exc:
        raise Http404("There is no such image.") from exc
    response = FileResponse(plain, as_attachment=True, filename=name, content_type=DOWNLOAD)
    response.headers["Content-Length"] = str(size)
    return private(response, tag)


@require_safe
def trashed_thumbnail(request: HttpRequest, image_id: UUID) -> HttpResponseBase:
    """Of an image in the trash, for those who may bring it back."""
    return _picture(request, Image.objects.trash_of(request.user), image_id, files.thumbnail)


def _derivative(request: HttpRequest, image_id: UUID, name_of: Callable[[UUID], str]) -> HttpResponseBase:
    return _picture(request, Image.objects.visible_to(request.user), image_id, name_of)


def _picture(request: HttpRequest, images: ImageQuerySet, image_id: UUID, name_of: Callable[[UUID], str]) -> HttpResponseBase:
    image = _image(images, image_id)
    stored, file = opened(name_of(image.pk))
    # made again by another version of this program, it is another
    tag = f"{image.sha256[:32]}-{stored.changed_ns:x}"
    return sent(request, (stored, file), tag=tag, content_type="image/jpeg")


def _image(images: ImageQuerySet, image_id: UUID) -> Image:
    image = images.filter(pk=image_id).only("pk", "sha256", "pixels_sha256", "kept", "name").first()
    if image is None:
        raise Http404("There is no such image.")
    return image
