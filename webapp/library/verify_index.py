"""verify.py's checks of the two indexes against SQL. Only the versions that answer are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from search import Payload, Point, Scope
from webapp import wiring
from webapp.library import index, reconcile
from webapp.library.models import AT_REST, Caption, Embedding, State, Term
from webapp.library.models.vectors import from_bytes

POINTS_A_STEP = 500
OUT_OF_SEARCH = (State.TRASHED, State.HELD)
SAME_DIRECTION = 0.999  # cosine of a vector in SQL and its half-precision copy


def _live_images() -> index.Version | None:
    return index.live(wiring.get_image_index())


def points_missing() -> list[UUID]:
    """Regions whose point was acknowledged and is gone."""
    version = _live_images()
    return [] if version is None else sorted(reconcile.missing_points(version))


def send_points_again(regions: Sequence[UUID]) -> None:
    if version := _live_images():
        reconcile.mark_lost(version, set(regions))


def points_surplus() -> list[str]:
    """Points of regions that SQL does not know, of deleted images for example, or of images in the trash or under review."""
    return [point.id for points, rows in _compared() for point in points if UUID(point.id) not in rows]


def points_outdated() -> list[int]:
    """Embeddings whose point says something else, or points elsewhere, than SQL."""
    return [
        rows[UUID(point.id)].pk
        for points, rows in _compared()
        for point in points
        if UUID(point.id) in rows and not _alike(point, rows[UUID(point.id)])
    ]


def _compared() -> Iterator[tuple[list[Point], dict[UUID, Embedding]]]:
    """Stretches of the answering version's points with SQL's rows of the same regions."""
    version = _live_images()
    if version is None:
        return
    for batch in version.index.scroll_all(scope=Scope.everything(), size=POINTS_A_STEP, vectors=True):
        rows = Embedding.objects.exclude(region__image__state__in=OUT_OF_SEARCH)
        found = rows.filter(region__in=[point.id for point in batch.points], fingerprint=version.fingerprint)
        yield batch.points, {row.region_id: row for row in index.with_images(found)}


def _alike(point: Point, row: Embedding) -> bool:
    vector = from_bytes(row.search)
    if len(vector) != len(point.vector) or float(point.vector @ vector) < SAME_DIRECTION:
        return False
    return point.payload == index.region_point(row).payload


def delete_points(points: Sequence[str]) -> None:
    if version := _live_images():
        for start in range(0, len(points), POINTS_A_STEP):
            version.index.delete(scope=Scope.everything(), ids=points[start : start + POINTS_A_STEP])


def mark_points_unsent(embeddings: Sequence[int]) -> None:
    for start in range(0, len(embeddings), POINTS_A_STEP):
        Embedding.objects.filter(pk__in=embeddings[start : start + POINTS_A_STEP]).update(indexed_at=None)


# --- texts ------------------------------------------------------------------------------------------------------------


def texts_missing() -> list[UUID]:
    """Captions and terms that were acknowledged and are gone, or lie elsewhere than SQL says."""
    present = _text_points()
    captions = Caption.objects.filter(indexed_at__isnull=False).select_related("image")
    expected = {row.pk: index.image_payload(row.image, kind=index.CAPTION, captioned=True) for row in captions.iterator(1000)}
    expected |= {row.pk: index.term_payload(row) for row in Term.objects.filter(indexed_at__isnull=False).iterator(1000)}
    return [pk for pk, payload in expected.items() if present.get(pk) != payload]


def mark_texts_unsent(texts: Sequence[UUID]) -> None:
    for start in range(0, len(texts), POINTS_A_STEP):
        for model in (Caption, Term):
            model.objects.filter(pk__in=texts[start : start + POINTS_A_STEP]).update(indexed_at=None)


def texts_surplus() -> list[UUID]:
    """Points of captions and terms that SQL does not know, or whose image is no longer searchable for good."""
    present = set(_text_points())
    known = set(Caption.objects.exclude(image__state__in=AT_REST).values_list("pk", flat=True))
    return sorted(present - known - set(Term.objects.values_list("pk", flat=True)))


def delete_texts(texts: Sequence[UUID]) -> None:
    index.delete_texts(texts)


def _text_points() -> dict[UUID, Payload]:
    version = index.live(wiring.get_text_index())
    if version is None:
        return {}
    batches = version.index.scroll_all(scope=Scope.everything(), size=2000)
    return {UUID(point.id): point.payload for batch in batches for point in batch.points}
