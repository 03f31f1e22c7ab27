"""What an operator asks of the archive: verify, repair, and an index made anew. Of one process: the one that holds the index."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from search import Schema, VectorIndex
from search.errors import CountMismatch
from webapp import wiring
from webapp.library import index, pipeline, texts, verify, versions, working
from webapp.library.models import Caption, Embedding, Image, KnownEncoder, State, Term, TextEmbedding

log = logging.getLogger(__name__)

ROUNDS = 5  # of repair, and of filling while images go on coming in
Progress = Callable[[str, int, int], None]


def unheard(_step: str, _done: int, _total: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Reindexed:
    """How many points the new versions hold. ``encoded``: images that were embedded again for it."""

    regions: int
    texts: int
    encoded: int


def repaired(*, deep: bool = False) -> verify.Report:
    """Repairs until nothing more can be, does the work that came of it, and looks again. Needs the encoder for that work."""
    for _ in range(ROUNDS):
        touched = verify.repair(deep=deep)
        working.work()
        if not touched:
            break
    return verify.verify(deep=deep)


def reindex(*, encode: bool = False, progress: Progress = unheard) -> Reindexed:
    """New versions of both indexes from the vectors in SQL; the present ones answer until the new ones are full.

    ``encode``: every image and text is embedded again first, with the encoder that is configured now, whatever SQL holds.
    Raises search.errors, embedder.errors, LookupError where no encoder has been used yet.
    """
    encoded = _encode_all(progress) if encode else 0
    target = _complete()
    regions = _fill_anew(wiring.get_image_index(), target, "images", progress)
    said = _fill_anew(wiring.get_text_index(), target, "texts", progress)
    Image.objects.filter(state=State.EMBEDDED, lease_until=None).update(state=State.READY, ready_at=Now())
    return Reindexed(regions=regions, texts=said, encoded=encoded)


def _complete() -> KnownEncoder:
    """The encoder that has seen every searchable image: while another one takes over, still the one before."""
    target, answering = versions.target(), index.live(wiring.get_image_index())
    if target is None:
        raise LookupError("Nothing has been embedded yet: there is no index to make.")
    if answering is None or not versions.lacking(target.fingerprint).exists():
        return target
    return KnownEncoder.objects.get(pk=answering.fingerprint)


def _encode_all(progress: Progress) -> int:
    started = timezone.now()
    target = versions.adopt(wiring.get_encoder().spec, change=True)
    TextEmbedding.objects.filter(fingerprint=target.fingerprint, made_at__lt=started).delete()
    total, done = Image.objects.filter(state=State.READY).count(), 0
    while taken := pipeline.embed_anew(since=started):
        done += taken
        progress("encode", done, total)
    Caption.objects.update(indexed_at=None)
    Term.objects.update(indexed_at=None)
    texts.embed_texts()
    return done


def _fill_anew(each: VectorIndex, target: KnownEncoder, name: str, progress: Progress) -> int:
    """A new version beside those there are, filled from SQL and switched to; the others are dropped."""
    _drop_others(each)
    made = each.create_version(Schema(fingerprint=target.fingerprint, dim=target.dim))
    fill = _fill_regions if name == "images" else _fill_texts
    for last in range(ROUNDS):
        expected = fill(each.at_version(made), target, progress)
        try:
            each.switch(made, expected_points=expected)
            break
        except CountMismatch:  # images were added or deleted meanwhile: filled again
            if last == ROUNDS - 1:
                each.drop(made)
                raise
    _drop_others(each)
    return expected


def _drop_others(each: VectorIndex) -> None:
    """All but the one that answers; a run that was cut off may have left one."""
    for version in index.versions_of(each):
        if not version.live:
            each.drop(version.name)


def _fill_regions(version: VectorIndex, target: KnownEncoder, progress: Progress) -> int:
    rows = _searchable(target.fingerprint)
    total, done, last = rows.count(), 0, 0
    while some := list(index.with_images(rows.filter(pk__gt=last)).order_by("pk")[: index.POINTS_A_CALL]):
        version.upsert([index.region_point(row) for row in some])
        done, last = done + len(some), some[-1].pk
        Embedding.objects.filter(pk__in=[row.pk for row in some]).update(indexed_at=Now())
        progress("images", done, total)
    return rows.count()


def _searchable(fingerprint: str) -> QuerySet[Embedding]:
    return Embedding.objects.filter(fingerprint=fingerprint, region__image__state__in=[State.READY, State.EMBEDDED])


def _fill_texts(version: VectorIndex, target: KnownEncoder, progress: Progress) -> int:
    """Texts that no encoder has read yet are left to the pipeline."""
    read = TextEmbedding.objects.filter(fingerprint=target.fingerprint).values("key")
    captions = Caption.objects.filter(key__in=read, image__state=State.READY).select_related("image")
    terms = Term.objects.filter(key__in=read)
    for start in range(0, total := captions.count(), index.POINTS_A_CALL):
        some = list(captions.order_by("pk")[start : start + index.POINTS_A_CALL])
        vectors = index.stored_texts((row.key for row in some), target.fingerprint)
        version.upsert([index.caption_point(row, vectors[row.key]) for row in some])
        progress("captions", start + len(some), total)
    vectors = index.stored_texts((row.key for row in terms), target.fingerprint)
    points = [index.term_point(row, vectors[row.key]) for row in terms]
    version.upsert(points)
    captions.update(indexed_at=Now())
    terms.update(indexed_at=Now())
    return captions.count() + len(points)
