"""One image's way from a stored file to a searchable one: prepare -> embed -> publish.

    STORED --prepare--> DECODED --embed--> EMBEDDED --publish--> READY        any of them -> FAILED (reason)
              `-> HELD (looks like a patient's) --review.release--^

Each step claims its images (leases.py), so that any number of workers may be told to do the same; each can be cut off anywhere
and done again. A bad image fails alone, with a reason. An outage (decoder, encoder, index, disk, bucket) is no image's fault: it
stays where it was. What is raised to the caller is such an outage; reconcile.py sees to the rest.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, FloatField, Value, When
from django.db.models.functions import Coalesce, Now
from PIL import Image as Pictures

from embedder import BothSpaces, Encoder, Header, errors
from webapp import instruments, wiring
from webapp.library import age, derivatives, files, identity, index, originals, paging, pixels, store, versions
from webapp.library.leases import claim, fail, finish, give_back, let_go, renew, waiting
from webapp.library.models import Embedding, Image, Kept, KnownEncoder, Region, State
from webapp.library.models.images import ImageQuerySet
from webapp.library.models.vectors import to_bytes
from webapp.library.regions import regions_of

log = logging.getLogger(__name__)

IMAGES_A_BATCH = 64  # claimed for the encoder at a time
PIXELS_A_BATCH = 24_000_000  # held in memory at a time, 3 bytes each; one image may be larger
INTERNAL = ("internal", "Something went wrong that should not have; the server's log says what.")
_ENCODING = threading.Lock()  # one encoder a process: a second thread loads, stores and sends meanwhile


# --- prepare ----------------------------------------------------------------------------------------------------------


def prepare(ids: Sequence[UUID] | None = None, *, limit: int = 1) -> list[UUID]:
    """Decodes ``ids`` that wait for it, or the ``limit`` that have waited longest; returns those that are decoded now.

    One at a time is claimed, so that a lease covers one image's work.
    """
    queues = _one_by_one(waiting(State.STORED), ids, limit)
    return [image.pk for queue in queues for image in claim(queue, limit=1) if _prepare(image)]


def _one_by_one(queue: ImageQuerySet, ids: Sequence[UUID] | None, limit: int) -> Iterator[ImageQuerySet]:
    if ids is None:
        yield from (queue for _ in range(limit))
    else:
        yield from (queue.filter(pk=pk) for pk in ids)


def _prepare(image: Image) -> bool:
    try:
        with instruments.DECODE_SECONDS.time():
            header, found, rows = _examine(image)
        digest = pixels.digest_of(rows)
        _write_derivatives(image, Pictures.fromarray(rows))
        if identity.state_after(image, found) == State.DECODED:
            pixels.keep(image.pk, rows, digest)
        ready_to_embed = _store_decoded(image, header, found, rows, digest)
        originals.settle(image)
        return ready_to_embed
    except errors.ImageError as exc:
        _refuse(image, exc)
    except FileNotFoundError:
        _fail_lost(image)
    except age.WrongKey as exc:  # of this file; others may have been encrypted with the key that there is
        fail(image, reason=originals.WRONG_KEY, text=str(exc))
    except (errors.SandboxUnavailable, errors.BadPattern, OSError):
        give_back([image])
        raise
    except Exception:  # the outermost place for one image: its neighbours are still to be done
        log.exception("image %s could not be prepared", image.pk)
        let_go(image)
    return False


def _examine(image: Image) -> tuple[Header, identity.Found, pixels.Rows]:
    """As _decode, and what looks like a patient's identity in its name and header. Raises as Sandbox.examine besides."""
    if settings.IDENTITY_CHECK == "off":
        header, rows = _decode(image)
        return header, image.found_identity, rows
    rules = identity.for_headers()
    with originals.located(image) as (source, page):
        header, findings, rows = wiring.get_sandbox().examine(
            source, patterns=rules.patterns, limits=wiring.decode_limits(), page=page
        )
    in_name = identity.found_in_name(image.name)  # once more: pages of a file come with its name, and not by ingest
    return header, identity.together(image.found_identity, in_name, identity.found_in_header(findings, rules)), rows


def _decode(image: Image) -> tuple[Header, pixels.Rows]:
    """In the sandbox. Raises as Sandbox.decode, FileNotFoundError, age.KeyUnusable."""
    with originals.located(image) as (source, page):
        return wiring.get_sandbox().decode(source, limits=wiring.decode_limits(), page=page)


def _refuse(image: Image, exc: errors.ImageError) -> None:
    """What may not be kept goes at once; the bytes behind the last page that was waited for, too."""
    if fail(image, reason=exc.reason, text=str(exc)):
        if exc.reason in originals.NEVER_KEPT:
            originals.drop(image.pk)
        originals.settle(image)


def _fail_lost(image: Image) -> None:
    reason, text = originals.lost(image)
    fail(image, reason=reason, text=text)


def _write_derivatives(image: Image, picture: Pictures.Image) -> None:
    encoded, shown = derivatives.display_of(picture)
    store.current().write(files.display(image.pk), encoded)
    store.current().write(files.thumbnail(image.pk), derivatives.thumbnail_of(shown))


def draw(image: Image) -> None:
    """Only the pictures that pages show, again. Raises as Sandbox.open_rgb, OSError."""
    _write_derivatives(image, Pictures.fromarray(_decode(image)[1]))


def _store_decoded(image: Image, header: Header, found: identity.Found, rows: pixels.Rows, digest: str) -> bool:
    """False where it is not to be embedded: it is held for review, or the lease had gone to another worker."""
    state = identity.state_after(image, found)
    height, width, _ = rows.shape
    facts = _facts(image, header) | _kept(image, header, rows)
    with transaction.atomic():
        kept = finish(
            image,
            state=state,
            decoded_at=Now(),
            found_identity=found,
            width=width,
            height=height,
            pixels_sha256=digest,
            **facts,
        )
        if kept:
            Region.objects.bulk_create(regions_of(image.pk, width, height), ignore_conflicts=True)
            if header.pages > 1 and not paging.is_further(image):
                paging.add_pages(image, header.pages)
    _count("decoded", kept)
    return kept and state == State.DECODED


def _facts(image: Image, header: Header) -> dict[str, Any]:
    """What the file says; nothing where it was read before, and only its pixels are left."""
    if image.decoded_at is not None and originals.has_pixels_alone(image):
        return {}
    said_first = Coalesce("mpp", Value(header.mpp, FloatField()))  # by a person, also while it was being decoded
    facts: dict[str, Any] = {"format": header.format, "mode": header.mode, "mpp": said_first}
    if header.pages > 1 and not paging.is_further(image):
        facts |= {"page": 1, "slide": Case(When(slide="", then=Value(paging.own_slide(image))), default="slide")}
    return facts


def _kept(image: Image, header: Header, rows: pixels.Rows) -> dict[str, Any]:
    """Where pixels alone may stay, they lie in the store before the row says so."""
    if not originals.keeps_pixels(image, header):
        return {}
    if originals.has_pixels_alone(image) and image.decoded_at is not None:
        return {}
    size = originals.write_pixels(image.pk, rows)
    return {"kept": Kept.PIXELS} | ({"bytes": size} if paging.is_further(image) else {})


# --- embed ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Loaded:
    image: Image
    picture: Pictures.Image
    regions: list[Region]

    def views(self) -> list[Pictures.Image]:
        """What the encoder gets for each region: the whole picture for the standard view, which it crops itself."""
        return [self.picture if region.standard else self.picture.crop(region.box) for region in self.regions]


def embed(ids: Sequence[UUID] | None = None, *, limit: int = IMAGES_A_BATCH) -> int:
    """Embeds and publishes ``ids`` that wait for it and, up to ``limit``, others that do; how many were taken up.

    Raises embedder.errors.EmbedderError where no encoder can be had, versions.ForeignEncoder, search.errors.
    """
    encoder = wiring.get_encoder()
    target = versions.adopt(encoder.spec)
    queue = waiting(State.DECODED)
    fresh = queue.filter(attempts=0)
    taken = claim(fresh.filter(pk__in=ids), limit=limit) if ids else []
    taken += claim(fresh, limit=limit - len(taken)) if len(taken) < limit else []
    taken = taken or claim(queue, limit=1)  # alone: what work was interrupted on must not take others along
    _embed_all(encoder, target, taken)
    return len(taken)


def embed_anew(*, since: datetime | None = None, images: ImageQuerySet | None = None, limit: int = IMAGES_A_BATCH) -> int:
    """Searchable images (of ``images``) that the target encoder has not seen (since then); they stay searchable by the old
    vectors meanwhile.

    How many were taken up.
    """
    encoder = wiring.get_encoder()
    target = versions.adopt(encoder.spec)
    lacking = versions.lacking(target.fingerprint, since=since)
    taken = claim(lacking if images is None else lacking.filter(pk__in=images.values("pk")), limit=limit)
    _embed_all(encoder, target, taken)
    return len(taken)


def _embed_all(encoder: Encoder, target: KnownEncoder, taken: list[Image]) -> None:
    left = list(taken)
    try:
        for batch in _by_pixels(taken):
            renew(left)
            _embed_batch(encoder, target, batch)
            left = left[len(batch) :]
    finally:
        give_back(left)  # empty unless something is out of order; what was finished is no longer held


def _by_pixels(images: Iterable[Image]) -> Iterator[list[Image]]:
    batch: list[Image] = []
    held = 0
    for image in images:
        size = (image.width or 0) * (image.height or 0)
        if batch and held + size > PIXELS_A_BATCH:
            yield batch
            batch, held = [], 0
        batch.append(image)
        held += size
    if batch:
        yield batch


def _embed_batch(encoder: Encoder, target: KnownEncoder, batch: list[Image]) -> None:
    loaded = [entry for image in batch if (entry := _load(image)) is not None]
    seen = _encode(encoder, loaded) if loaded else []
    embedded = [entry.image for entry, vectors in seen if _store_vectors(entry, vectors, target)]
    publish([image.pk for image in embedded])


def _load(image: Image) -> _Loaded | None:
    try:
        return _Loaded(image, pixels.load(image), list(image.regions.all()))
    except errors.ImageError as exc:
        fail(image, reason=exc.reason, text=str(exc))
    except FileNotFoundError:
        _fail_lost(image)
    return None


def _encode(encoder: Encoder, loaded: list[_Loaded]) -> list[tuple[_Loaded, BothSpaces]]:
    """All at once, and one by one where that goes wrong: a bad image loses only itself."""
    try:
        return _encode_together(encoder, loaded)
    except (errors.EmbedderError, ValueError, RuntimeError, MemoryError) as exc:
        if len(loaded) == 1:
            log.exception("image %s could not be embedded", loaded[0].image.pk)
            _fail_encoding(loaded[0].image, exc)
            return []
    return [pair for entry in loaded for pair in _encode(encoder, [entry])]


def _encode_together(encoder: Encoder, loaded: list[_Loaded]) -> list[tuple[_Loaded, BothSpaces]]:
    views = [view for entry in loaded for view in entry.views()]
    if not views:
        return []
    with _ENCODING, instruments.encoding("images", len(views)):
        both = encoder.encode_images(views, space="both")
    pairs, first = [], 0
    for entry in loaded:
        last = first + len(entry.regions)
        pairs.append((entry, BothSpaces(both.search[first:last], both.probe[first:last])))
        first = last
    return pairs


def _fail_encoding(image: Image, exc: Exception) -> None:
    if isinstance(exc, errors.EmbedderError):
        fail(image, reason=exc.reason, text=str(exc))
    else:
        fail(image, reason=INTERNAL[0], text=INTERNAL[1])


def _store_vectors(entry: _Loaded, vectors: BothSpaces, target: KnownEncoder) -> bool:
    """False where the lease had gone to another worker, whose vectors are the same."""
    rows = [
        Embedding(region=region, fingerprint=target.fingerprint, search=to_bytes(search), probe=to_bytes(probe))
        for region, search, probe in zip(entry.regions, vectors.search, vectors.probe, strict=True)
    ]
    anew = entry.image.state == State.READY
    changes = {} if anew else {"state": State.EMBEDDED, "embedded_at": Now()}
    with transaction.atomic():
        kept = finish(entry.image, **changes)
        if kept:
            Embedding.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["region", "fingerprint"],
                update_fields=["search", "probe", "made_at", "indexed_at"],
            )
    _count("embedded", kept)
    pixels.forget(entry.image.pk)
    if entry.image.kept == Kept.PIXELS:
        originals.settle(entry.image)  # once more: whoever decoded it may have died before
    return kept


# --- publish ----------------------------------------------------------------------------------------------------------


def publish(ids: Sequence[UUID]) -> None:
    """Sends what is unsent of ``ids`` to the target's version; an embedded image whose vectors answer is ready.

    Needs no lease: sending twice is the same as sending once.
    """
    target = versions.target()
    version = None if target is None else index.find(wiring.get_image_index(), target.fingerprint)
    if target is None or version is None or not ids:
        return
    unsent = Embedding.objects.filter(
        region__image__in=ids,
        region__image__state__in=[State.EMBEDDED, State.READY],  # one may have been thrown away meanwhile
        fingerprint=target.fingerprint,
        indexed_at=None,
    )
    index.send_regions(version, list(index.with_images(unsent)))
    if version.live:
        _count("ready", Image.objects.filter(pk__in=ids, state=State.EMBEDDED).update(state=State.READY, ready_at=Now()))


def unpublished(*, limit: int) -> list[UUID]:
    """Images with vectors of the target that its index has not acknowledged, and embedded ones that could be ready."""
    target = versions.target()
    if target is None:
        return []
    unsent = Embedding.objects.filter(fingerprint=target.fingerprint, indexed_at=None)
    held = Image.objects.filter(state__in=[State.READY, State.EMBEDDED])
    ids = list(held.filter(regions__embeddings__in=unsent).distinct().order_by().values_list("pk", flat=True)[:limit])
    if not ids and not versions.changing():
        ids = list(held.filter(state=State.EMBEDDED).order_by("stored_at").values_list("pk", flat=True)[:limit])
    return ids


def _count(step: str, n: int) -> None:
    instruments.IMAGES_DONE.labels(step).inc(n)
