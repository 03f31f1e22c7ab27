"""Guests: whoever holds a frozen link that its maker opened to people without an account, on a site that allows it.

They see small pictures in the order in which they were found, as long as the maker of the link may see them: no original, no id,
no name of anybody, and words only where the maker chose so. Each request asks anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import check_password

from webapp.explore.models import FrozenHit, LinkMode, SavedQuery, ShareLink
from webapp.explore.queries import first_captions
from webapp.library.models import Image
from webapp.library.models.images import ImageQuerySet

NO_PASSWORD = "open"  # noqa: S105  what a cookie says where there is none to prove


@dataclass(frozen=True, kw_only=True)
class GuestHit:
    """``there``: its picture can be shown; else nothing is told of it."""

    rank: int
    there: bool
    score: float = 0.0
    band: str = ""
    caption: str = ""


def link_for_guests(pk: UUID | None) -> ShareLink | None:
    """None unless the site allows guests, the link is open and for them, and its maker still sees the search."""
    if pk is None or not settings.GUEST_LINKS:
        return None
    links = ShareLink.objects.open().filter(pk=pk, guests=True, mode=LinkMode.FROZEN, made_by__is_active=True)
    link = links.select_related("query", "made_by").first()
    if link is None or link.made_by is None:
        return None
    return link if SavedQuery.objects.visible_to(link.made_by).filter(pk=link.query_id).exists() else None


def hits(link: ShareLink) -> list[GuestHit]:
    frozen = list(link.hits.all())
    there = set(_images(link).filter(pk__in=[hit.image_id for hit in frozen]).values_list("pk", flat=True))
    captions = first_captions(there) if link.guests_read else {}
    return [
        GuestHit(rank=hit.rank, there=True, score=hit.score, band=hit.band, caption=captions.get(hit.image_id, ""))
        if hit.image_id in there
        else GuestHit(rank=hit.rank, there=False)
        for hit in frozen
    ]


def image_at(link: ShareLink, rank: int) -> Image | None:
    hit: FrozenHit | None = link.hits.filter(rank=rank).first()
    return None if hit is None else _images(link).filter(pk=hit.image_id).first()


def _images(link: ShareLink) -> ImageQuerySet:
    images: ImageQuerySet = Image.objects.visible_to(link.made_by).ready() if link.made_by else Image.objects.none()
    return images


def proof(link: ShareLink) -> str:
    """What a guest's cookie says once they may look: it ends with the password that it was given for."""
    return hashlib.sha256(link.password.encode()).hexdigest()[:16] if link.password else NO_PASSWORD


def knows(link: ShareLink, password: str) -> bool:
    return check_password(password, link.password)
