"""The only module of the library that touches the vector indexes: versions, points, and what is sent to them.

An index has one version for each encoder fingerprint; the live one answers. All that is written goes to the version of the
target encoder: the live one, but for the time after an encoder was changed (versions.py). May raise any of search.errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from search import Filters, Keyword, Payload, Point, Schema, Scope, VectorIndex
from webapp import wiring
from webapp.library.models import Caption, Embedding, Image, KnownEncoder, Region, State, Term, TextEmbedding
from webapp.library.models.vectors import from_bytes
from webapp.library.slicing import slices

REGION, TILE, CAPTION, TERM = "region", "tile", "caption", "term"  # each image has one region point, its standard view
POINTS_A_CALL = 512
MOST_IDS = 500  # of one filter


@dataclass(frozen=True, eq=False)
class Version:
    """One version of an index, bound. ``points`` as counted when it was looked up."""

    index: VectorIndex
    name: str
    fingerprint: str
    live: bool
    points: int


def both() -> dict[str, VectorIndex]:
    return {"images": wiring.get_image_index(), "texts": wiring.get_text_index()}


def versions_of(index: VectorIndex) -> list[Version]:
    return [
        Version(index.at_version(told.name), told.name, told.schema.fingerprint, told.live, told.points)
        for told in index.versions()
    ]


def live(index: VectorIndex) -> Version | None:
    """None where no version has been made yet."""
    return next((version for version in versions_of(index) if version.live), None)


def find(index: VectorIndex, fingerprint: str) -> Version | None:
    """The live one where there are two."""
    found = [version for version in versions_of(index) if version.fingerprint == fingerprint]
    return max(found, key=lambda version: version.live, default=None)


def ensure_versions(target: KnownEncoder) -> None:
    """Both indexes have a version for ``target``. The first one of all answers at once; a later one has to be filled first."""
    for name, index in both().items():
        versions = versions_of(index)
        if target.fingerprint not in {version.fingerprint for version in versions} or not any(
            version.live for version in versions
        ):
            _make_version(name, index, target)


def _make_version(name: str, index: VectorIndex, target: KnownEncoder) -> None:
    """One process at a time; what SQL believes to be in the version that does not exist is marked as unsent.

    A first version that was made but, the process having been killed, never switched to is taken up.
    """
    with transaction.atomic():
        KnownEncoder.objects.select_for_update().get(pk=target.pk)
        present, first = find(index, target.fingerprint), live(index) is None
        if present is not None and not first:
            return
        mark_all_unsent(name, target.fingerprint)
        made = present.name if present else index.create_version(Schema(fingerprint=target.fingerprint, dim=target.dim))
        if first:
            index.switch(made, expected_points=present.points if present else 0)
        if first and name == "images":
            no_longer_searchable(Image.objects.filter(state=State.READY), target.fingerprint)


def no_longer_searchable(images: QuerySet[Image], fingerprint: str) -> int:
    """Back to the step whose result is still there: to be sent again from SQL, or embedded where SQL has no vector."""
    seen = Embedding.objects.filter(region=OuterRef("pk"), fingerprint=fingerprint)
    unseen = Exists(Region.objects.filter(~Exists(seen), image=OuterRef("pk")))
    free = {"attempts": 0, "lease_until": None, "lease_token": None}
    again = images.filter(unseen).order_by().update(state=State.DECODED, **free)
    return again + images.filter(~unseen).order_by().update(state=State.EMBEDDED, **free)


def mark_all_unsent(name: str, fingerprint: str) -> None:
    if name == "images":
        Embedding.objects.filter(fingerprint=fingerprint).update(indexed_at=None)
    else:
        Caption.objects.update(indexed_at=None)
        Term.objects.update(indexed_at=None)


# --- regions ----------------------------------------------------------------------------------------------------------


def send_regions(version: Version, embeddings: Sequence[Embedding]) -> None:
    """Upserts their points and notes it; whatever has been deleted meanwhile is a surplus point, which verify removes."""
    for some in slices(embeddings, POINTS_A_CALL):
        version.index.upsert([region_point(embedding) for embedding in some])
        for revision, rows in _by_revision((row.region.image.revision, row.pk) for row in some):
            # an image that somebody changed meanwhile stays unsent: what was sent is what it was before
            Embedding.objects.filter(pk__in=rows, region__image__revision=revision).update(indexed_at=Now())


def _by_revision(rows: Iterable[tuple[int, int]]) -> list[tuple[int, list[int]]]:
    found: dict[int, list[int]] = {}
    for revision, row in rows:
        found.setdefault(revision, []).append(row)
    return list(found.items())


def with_images(embeddings: QuerySet[Embedding]) -> QuerySet[Embedding]:
    """With all that a point needs, in one statement."""
    captioned = Exists(Caption.objects.filter(image=OuterRef("region__image")))
    return embeddings.select_related("region__image").annotate(captioned=captioned)


def region_point(embedding: Embedding) -> Point:
    """``embedding`` comes from with_images()."""
    region, captioned = embedding.region, embedding.captioned  # type: ignore[attr-defined]
    payload = image_payload(region.image, kind=REGION if region.standard else TILE, captioned=captioned)
    return Point(str(region.pk), from_bytes(embedding.search), payload)


def image_payload(image: Image, *, kind: str, captioned: bool) -> Payload:
    """Ids and filter fields; no file name, no sentence."""
    return Payload(
        collection=str(image.collection_id),
        kind=kind,
        image=str(image.pk),
        case=image.case or None,
        slide=image.slide or None,
        stain=image.stain or None,
        organ=image.organ or None,
        tags=tuple(image.tags),
        width_px=image.width,
        height_px=image.height,
        mpp_nm=None if image.mpp is None else round(image.mpp * 1000),
        added_at=image.stored_at,
        has_caption=captioned,
    )


# --- texts ------------------------------------------------------------------------------------------------------------


def send_captions(version: Version, captions: Sequence[Caption], vectors: dict[str, bytes]) -> None:
    """``captions`` with their images; ``vectors``: text key -> stored vector."""
    version.index.upsert([caption_point(caption, vectors[caption.key]) for caption in captions])
    for caption in captions:  # one whose words or image were changed meanwhile stays unsent
        seen = {"key": caption.key, "image__revision": caption.image.revision}
        Caption.objects.filter(pk=caption.pk, **seen).update(indexed_at=Now())


def send_terms(version: Version, terms: Sequence[Term], vectors: dict[str, bytes]) -> None:
    version.index.upsert([term_point(term, vectors[term.key]) for term in terms])
    for term in terms:
        Term.objects.filter(pk=term.pk, key=term.key).update(indexed_at=Now())


def caption_point(caption: Caption, vector: bytes) -> Point:
    return Point(str(caption.pk), from_bytes(vector), image_payload(caption.image, kind=CAPTION, captioned=True))


def term_point(term: Term, vector: bytes) -> Point:
    return Point(str(term.pk), from_bytes(vector), term_payload(term))


def term_payload(term: Term) -> Payload:
    """A term lies in its vocabulary as a caption lies in its image's collection: a scope names either. Its kind is its tag."""
    return Payload(collection=str(term.vocabulary_id), kind=TERM, tags=(term.kind,))


def stored_texts(keys: Iterable[str], fingerprint: str) -> dict[str, bytes]:
    rows = TextEmbedding.objects.filter(key__in=set(keys), fingerprint=fingerprint)
    return {key: bytes(vector) for key, vector in rows.values_list("key", "search")}


# --- deletion ---------------------------------------------------------------------------------------------------------


def delete_images(images: Sequence[UUID]) -> None:
    """Their regions and captions, from every version of both indexes."""
    for index in both().values():
        for version in versions_of(index):
            for some in slices(map(str, images), MOST_IDS):
                filters = Filters(keywords=(Keyword(field="image", any_of=tuple(some)),))
                version.index.delete(scope=Scope.everything(), filters=filters)


def delete_texts(points: Sequence[UUID]) -> None:
    """Captions or terms by their own ids."""
    for version in versions_of(wiring.get_text_index()):
        for some in slices(map(str, points), MOST_IDS):
            version.index.delete(scope=Scope.everything(), ids=some)
