"""verify.py's checks of rows against rows."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db.models import Exists, OuterRef

from webapp import wiring
from webapp.library import index, reconcile
from webapp.library.leases import unclaimed
from webapp.library.models import AT_REST, Embedding, Image, KnownEncoder, Region, State
from webapp.library.models.vectors import from_bytes
from webapp.library.slicing import slices

UNIT_WITHIN = 1e-3


def answering() -> str | None:
    """Fingerprint of the version that answers now; None where there is none."""
    live = index.live(wiring.get_image_index())
    return None if live is None else live.fingerprint


def stuck() -> list[UUID]:
    """Attempts used up without an end."""
    held = Image.objects.filter(unclaimed(), attempts__gte=settings.MAX_ATTEMPTS).exclude(state__in=AT_REST)
    return list(held.values_list("pk", flat=True))


def end_stuck(_images: Sequence[UUID]) -> None:
    reconcile.give_up()


def regions_missing() -> list[UUID]:
    standard = Region.objects.filter(image=OuterRef("pk"), standard=True)
    cut = Image.objects.filter(~Exists(standard), state__in=[State.DECODED, State.EMBEDDED, State.READY])
    return list(cut.values_list("pk", flat=True))


def decode_again(images: Sequence[UUID]) -> None:
    for some in slices(images):
        Image.objects.filter(pk__in=some).update(state=State.STORED, attempts=0, lease_until=None, lease_token=None)


def vectors_missing() -> list[UUID]:
    """Searchable images with a region that the answering version cannot have."""
    fingerprint = answering()
    seen = Embedding.objects.filter(region=OuterRef("pk"), fingerprint=fingerprint)
    unseen = Region.objects.filter(~Exists(seen), image=OuterRef("pk"))
    return list(Image.objects.filter(Exists(unseen), state=State.READY).values_list("pk", flat=True))


def embed_again(images: Sequence[UUID]) -> None:
    for some in slices(images):
        Image.objects.filter(pk__in=some).update(state=State.DECODED, attempts=0, lease_until=None, lease_token=None)


def vectors_damaged() -> list[int]:
    """Of another length than their encoder's, not finite, or not of unit length."""
    dims = dict(KnownEncoder.objects.values_list("fingerprint", "dim"))
    rows = Embedding.objects.order_by().values_list("pk", "fingerprint", "search").iterator(1000)
    return [pk for pk, fingerprint, stored in rows if not _sound(bytes(stored), dims.get(fingerprint))]


def _sound(stored: bytes, dim: int | None) -> bool:
    if len(stored) % 4 or (dim is not None and len(stored) != 4 * dim):
        return False
    length = float(np.linalg.norm(from_bytes(stored)))
    return bool(abs(length - 1.0) <= UNIT_WITHIN)  # False for NaN as well


def forget_vectors(embeddings: Sequence[int]) -> None:
    """They are computed again; images that need them for being found say so."""
    fingerprint = answering()
    for some in slices(embeddings):
        rows = Embedding.objects.filter(pk__in=some)
        owners = set(rows.filter(fingerprint=fingerprint).values_list("region__image", flat=True))
        rows.delete()
        embed_again(list(owners))
