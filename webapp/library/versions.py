"""Which encoder every image is to be embedded with, and the change from one to the next.

The new encoder's vectors fill versions of their own while the old ones answer; when nothing is missing, both indexes switch and
the old versions are dropped. The old vectors stay in SQL: changing back needs no encoder.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from embedder import EncoderSpec
from webapp import wiring
from webapp.library import index
from webapp.library.leases import unclaimed
from webapp.library.models import Caption, Embedding, Image, KnownEncoder, Region, State, Term
from webapp.library.models.images import ImageQuerySet

log = logging.getLogger(__name__)


class ForeignEncoder(Exception):
    """This process has loaded another encoder than the archive is embedded with: it writes nothing."""


def target() -> KnownEncoder | None:
    """None until the first encoder was loaded."""
    return KnownEncoder.objects.filter(is_target=True).first()


def adopt(spec: EncoderSpec, *, change: bool | None = None) -> KnownEncoder:
    """The target, once ``spec`` is it and both indexes have a version for it.

    ``change``: whether another target may be replaced; by default only where one process does it all. Raises ForeignEncoder.
    """
    present = target()
    if present is None or present.fingerprint != spec.fingerprint:
        if present is not None and not (settings.EMBEDDED if change is None else change):
            raise ForeignEncoder(f"The archive is embedded with {present}, not with {spec.name} {spec.fingerprint[:8]}.")
        present = _set_target(spec)
    index.ensure_versions(present)
    return present


def _set_target(spec: EncoderSpec) -> KnownEncoder:
    told = {"name": spec.name, "dim": spec.dim, "spec": asdict(spec), "is_target": True}
    with transaction.atomic():
        KnownEncoder.objects.filter(is_target=True).update(is_target=False)
        encoder, _ = KnownEncoder.objects.update_or_create(fingerprint=spec.fingerprint, defaults=told)
        Caption.objects.update(indexed_at=None)
        Term.objects.update(indexed_at=None)
        # their vectors are the former encoder's
        Image.objects.filter(state=State.EMBEDDED).update(state=State.DECODED, attempts=0, lease_token=None, lease_until=None)
    log.info("images are embedded with %s from now on", encoder)
    return encoder


def changing() -> bool:
    """The version that answers is not the target's."""
    wanted, answering = target(), index.live(wiring.get_image_index())
    return wanted is not None and answering is not None and answering.fingerprint != wanted.fingerprint


def lacking(fingerprint: str, *, since: datetime | None = None) -> ImageQuerySet:
    """Searchable images with a region that ``fingerprint`` has not seen (since then), for whoever claims them."""
    seen = Embedding.objects.filter(region=OuterRef("pk"), fingerprint=fingerprint)
    if since is not None:
        seen = seen.filter(made_at__gte=since)
    unseen = Region.objects.filter(~Exists(seen), image=OuterRef("pk"))
    waiting = Image.objects.filter(unclaimed(), Exists(unseen), state=State.READY, attempts__lt=settings.MAX_ATTEMPTS)
    return waiting.order_by("stored_at", "id")


def progress(fingerprint: str) -> tuple[int, int]:
    """(regions that ``fingerprint`` has seen, regions) of searchable images."""
    regions = Region.objects.filter(image__state=State.READY)
    return regions.filter(embeddings__fingerprint=fingerprint).count(), regions.count()


def switch_if_full(wanted: KnownEncoder) -> bool:
    """True where the target's versions have begun to answer; False where something is missing, or they did already."""
    if not changing() or _missing(wanted.fingerprint):
        return False
    images, texts = wiring.get_image_index(), wiring.get_text_index()
    sent = Embedding.objects.filter(fingerprint=wanted.fingerprint, indexed_at__isnull=False).count()
    said = sum(model.objects.filter(indexed_at__isnull=False).count() for model in (Caption, Term))
    for each, expected in ((texts, said), (images, sent)):
        version = index.find(each, wanted.fingerprint)
        if version is not None and not version.live:
            each.switch(version.name, expected_points=expected)
    _after_switch(wanted.fingerprint)
    return True


def _missing(fingerprint: str) -> bool:
    held = Image.objects.filter(state__in=[State.READY, State.EMBEDDED])
    return (
        lacking(fingerprint).exists()
        or held.filter(state=State.READY, lease_until__gt=Now()).exists()  # being read anew
        or Embedding.objects.filter(fingerprint=fingerprint, indexed_at=None, region__image__in=held).exists()
        or Caption.objects.filter(indexed_at=None, image__state=State.READY).exists()
        or Term.objects.filter(indexed_at=None).exists()
    )


def _after_switch(fingerprint: str) -> None:
    unsent = Embedding.objects.filter(region__image=OuterRef("pk"), fingerprint=fingerprint, indexed_at=None)
    Image.objects.filter(~Exists(unsent), state=State.EMBEDDED).update(state=State.READY, ready_at=Now())
    for each in index.both().values():
        for version in index.versions_of(each):
            if not version.live:
                each.drop(version.name)
    log.info("the index of encoder %s answers now", fingerprint[:8])
