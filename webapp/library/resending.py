"""What was changed about images follows in both indexes at once, by this process: their vectors lie in SQL, no encoder is needed.

Until it has followed, or while the index is away, SQL decides who sees what, as it always does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from django.db import transaction

from search import errors
from webapp import wiring
from webapp.library import index, leases, sending, versions
from webapp.library.models import Caption, Embedding, State

log = logging.getLogger(__name__)


def changed(images: Sequence[UUID]) -> None:
    """Inside the transaction that changed them: noted as unsent, and sent as soon as it is committed."""
    leases.unsent(images)
    transaction.on_commit(partial(send_again, list(images)))


def send_again(images: Sequence[UUID]) -> bool:
    """False where the index does not answer: a worker is told, and reconcile finds what that worker does not."""
    try:
        _send_regions(images)
        _send_captions(images)
    except errors.SearchError as exc:
        log.warning("%d changed images could not be sent to the index (%s); a worker does it", len(images), exc.reason)
        sending.send_changed()
        return False
    return True


def _send_regions(images: Sequence[UUID]) -> None:
    """To every version that has their vectors: the one that answers, and the one that is being filled."""
    searchable = (State.READY, State.EMBEDDED)
    for version in index.versions_of(wiring.get_image_index()):
        rows = Embedding.objects.filter(
            region__image__in=images, region__image__state__in=searchable, fingerprint=version.fingerprint
        )
        index.send_regions(version, list(index.with_images(rows)))


def _send_captions(images: Sequence[UUID]) -> None:
    """Whose vectors SQL has; the others are a worker's, who reads them first."""
    target = versions.target()
    captions = list(Caption.objects.filter(image__in=images, image__state=State.READY).select_related("image"))
    for version in index.versions_of(wiring.get_text_index()) if captions else ():
        vectors = index.stored_texts((caption.key for caption in captions), version.fingerprint)
        known = [caption for caption in captions if caption.key in vectors]
        if not known:
            continue
        if target is not None and version.fingerprint == target.fingerprint:
            index.send_captions(version, known, vectors)
        else:  # the note that a caption was sent is about the target's version
            version.index.upsert([index.caption_point(caption, vectors[caption.key]) for caption in known])
