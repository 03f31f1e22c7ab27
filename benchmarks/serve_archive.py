"""An archive for benchmarks/serve.py: rows, stored vectors and both indexes, as ingest would leave them, without the pictures."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import django
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from embedder import Encoder
    from webapp.library.models import Collection, Image, State

IMAGES_A_BATCH = 2_000
STAINS = ("H&E", "DAB", "PAS", "Masson's trichrome", "Giemsa")
ORGANS = ("colon", "lung", "kidney", "liver", "skin", "breast", "prostate", "thyroid", "stomach", "brain")
SAMPLES = 62
NOISE = 0.8  # of a unit vector: neighbours are as alike as fields of one tissue


def make(regions: int) -> None:
    """One region an image, in two collections of one team."""
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    _fill(regions)
    call_command("load_vocabulary")
    from webapp.library import texts

    texts.embed_texts()
    from webapp import wiring

    wiring.forget()


def _fill(regions: int) -> None:
    from webapp import wiring
    from webapp.accounts.models import Team
    from webapp.library import versions
    from webapp.library.models import Collection

    encoder = wiring.get_encoder()
    target = versions.adopt(encoder.spec)
    team = Team.objects.create(name="Benchmark")
    collections = [Collection.objects.create(team=team, name=name) for name in ("Routine", "Teaching")]
    for number, vectors in enumerate(_vectors(encoder, regions)):
        _store(vectors, collections[number % 2], target.fingerprint)


def _vectors(encoder: Encoder, regions: int) -> Iterator[NDArray[np.float32]]:
    """Unit rows around what the encoder sees in drawn samples."""
    from embedder.samples import sample_archive

    seen = encoder.encode_images([sample.image for sample in sample_archive(images=SAMPLES)])
    rng = np.random.default_rng(0)
    for start in range(0, regions, IMAGES_A_BATCH):
        n = min(IMAGES_A_BATCH, regions - start)
        noise = rng.standard_normal((n, seen.shape[1])).astype(np.float32)
        rows = seen[rng.integers(0, SAMPLES, n)] + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        yield (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _store(vectors: NDArray[np.float32], collection: Collection, fingerprint: str) -> None:
    from django.utils import timezone

    from webapp.library import pipeline
    from webapp.library.models import Caption, Embedding, Image, Region, State, text_key
    from webapp.library.models.vectors import to_bytes
    from webapp.library.regions import regions_of

    images = [_image(collection, State.EMBEDDED, number) for number in range(len(vectors))]
    Image.objects.bulk_create(images, batch_size=500)
    regions = [region for image in images for region in regions_of(image.pk, 448, 448)]
    Region.objects.bulk_create(regions, batch_size=500)
    text = "A field of the benchmark, drawn by nobody"
    captions = [Caption(image=image, text=text, key=text_key(text), indexed_at=timezone.now()) for image in images[::4]]
    Caption.objects.bulk_create(captions, batch_size=500)
    rows = [
        Embedding(region=region, fingerprint=fingerprint, search=to_bytes(vector), probe=b"")
        for region, vector in zip(regions, vectors, strict=True)
    ]
    Embedding.objects.bulk_create(rows, batch_size=250)
    for start in range(0, len(images), 500):
        pipeline.publish([image.pk for image in images[start : start + 500]])


def _image(collection: Collection, state: State, number: int) -> Image:
    from webapp.library.models import Image

    return Image(
        collection=collection,
        name="field.png",
        sha256=uuid.uuid4().hex * 2,
        bytes=1,
        width=448,
        height=448,
        stain=STAINS[number % len(STAINS)],
        organ=ORGANS[number % len(ORGANS)],
        case=f"S{number % 400:05d}",
        mpp=0.5,
        state=state,
    )
