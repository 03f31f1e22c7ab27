"""Captions and terms: read by the text tower once, kept in SQL by what they say, sent to the texts' index."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from embedder import Encoder
from webapp import wiring
from webapp.library import index, versions
from webapp.library.models import Caption, KnownEncoder, State, Term, TextEmbedding
from webapp.library.models.vectors import to_bytes
from webapp.library.prompts import prompts_of

TEXTS_A_BATCH = 256
Array = NDArray[np.float32]


def embed_texts(*, limit: int = 100_000) -> int:
    """Captions of searchable images, and terms, whose point is unsent; how many were sent. Raises as pipeline.embed()."""
    encoder = wiring.get_encoder()
    target = versions.adopt(encoder.spec)
    return _send_all(encoder, target, limit)


def _send_all(encoder: Encoder, target: KnownEncoder, limit: int) -> int:
    version = index.find(wiring.get_text_index(), target.fingerprint)
    sent = 0
    while version is not None and sent < limit:
        captions = list(unsent_captions()[:TEXTS_A_BATCH])
        terms = list(Term.objects.filter(indexed_at=None).order_by("pk")[: TEXTS_A_BATCH - len(captions)])
        if not captions and not terms:
            break
        said = {caption.key: [caption.text] for caption in captions} | {term.key: prompts_of(term) for term in terms}
        vectors = _vectors(encoder, target.fingerprint, said)
        index.send_captions(version, captions, vectors)
        index.send_terms(version, terms, vectors)
        sent += len(captions) + len(terms)
    return sent


def unsent_captions() -> QuerySet[Caption]:
    return Caption.objects.filter(indexed_at=None, image__state=State.READY).select_related("image").order_by("pk")


def _vectors(encoder: Encoder, fingerprint: str, said: dict[str, list[str]]) -> dict[str, bytes]:
    """Text key -> stored vector; only what SQL does not have yet is encoded."""
    known = index.stored_texts(said, fingerprint)
    missing = {key: prompts for key, prompts in said.items() if key not in known}
    if not missing:
        return known
    fresh = dict(zip(missing, map(to_bytes, _encode(encoder, list(missing.values()))), strict=True))
    rows = [TextEmbedding(key=key, fingerprint=fingerprint, search=vector) for key, vector in fresh.items()]
    TextEmbedding.objects.bulk_create(rows, ignore_conflicts=True)
    return known | fresh


def _encode(encoder: Encoder, texts: Sequence[Sequence[str]]) -> Array:
    """Prompts of each text -> one unit vector each, float32 [n, dim]; all prompts in one pass."""
    flat = encoder.encode_texts([prompt for prompts in texts for prompt in prompts])
    starts = np.cumsum([0, *map(len, texts)])
    means = np.stack([flat[a:b].mean(axis=0) for a, b in pairwise(starts)])
    unit: Array = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return unit
