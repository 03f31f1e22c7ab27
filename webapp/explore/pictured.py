"""What one stored image is compared with on its own page: its vector, from SQL, in the index that answers now."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404

from webapp.accounts.models import User
from webapp.explore.encoding import Array
from webapp.library.models import Embedding, Image
from webapp.library.models.vectors import from_bytes


def visible_image(pk: UUID, user: User) -> Image:
    """Raises Http404, for what is foreign and what is unknown alike."""
    image = Image.objects.visible_to(user).select_related("collection").filter(pk=pk).first()
    if image is None:
        raise Http404("There is no such image.")
    return image


def vector_of(image: Image, fingerprint: str) -> Array | None:
    """float32 [dim] of its standard view; None until the encoder ``fingerprint`` has seen it."""
    seen = Embedding.objects.filter(region__image=image, region__standard=True, fingerprint=fingerprint)
    stored = seen.values_list("search", flat=True).first()
    return None if stored is None else from_bytes(stored)
