"""How long the lists of duplicates take, and how fast images are compared: `python -m benchmarks.duplicates --images 10000`.

Rows and vectors are written as the pipeline writes them, without files: 1 % of the images have the pixels of another, 2 % lie in
a second collection as well. The index is Qdrant Edge, the database SQLite, or DATABASE_URL's.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.machine import machine, medians, versions, write

DIM, COMPARED, REPEATS = 512, 512, 5


def fill(images: int) -> Any:
    """The user who edits it all, and the collection."""
    from webapp.accounts.models import Membership, Role, Team, User
    from webapp.library.models import Collection, KnownEncoder, Visibility

    user = User.objects.create_user(f"bench-{uuid.uuid4().hex[:8]}")
    team = Team.objects.create(name=user.username)
    Membership.objects.create(user=user, team=team, role=Role.EDITOR)
    made = [
        Collection.objects.create(team=team, name=name, made_by=user, visibility=Visibility.TEAM) for name in ("one", "two")
    ]  # fmt: skip
    encoder, _ = KnownEncoder.objects.get_or_create(
        fingerprint="b" * 64, defaults={"name": "bench", "dim": DIM, "is_target": True}
    )
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(images, DIM)).astype(np.float32)
    near = images // 100
    vectors[near : 2 * near] = vectors[:near] + 0.05 * vectors[near : 2 * near]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [(made[0], f"{n:064x}", f"{n - near if near <= n < 2 * near else n:064x}", vectors[n]) for n in range(images)]
    rows += [(made[1], f"{n:064x}", f"{n:064x}", vectors[n]) for n in range(images - images // 50, images)]
    for start in range(0, len(rows), 1000):
        _write(rows[start : start + 1000], encoder)
    return user, made[0]


def _write(rows: list[Any], encoder: Any) -> None:
    from webapp import wiring
    from webapp.library import index
    from webapp.library.models import Embedding, Image, Region, State
    from webapp.library.models.vectors import to_bytes

    index.ensure_versions(encoder)
    images = [
        Image(
            collection=collection,
            name="x.png",
            sha256=sha,
            pixels_sha256=pixels,
            bytes=1,
            width=448,
            height=448,
            state=State.READY,
        )
        for collection, sha, pixels, _ in rows
    ]
    Image.objects.bulk_create(images, batch_size=200)
    box = (0, 0, 448, 448)
    regions = [
        Region(id=Region.id_of(each.pk, box), image=each, left=0, top=0, width=448, height=448, standard=True) for each in images
    ]
    Region.objects.bulk_create(regions, batch_size=200)
    embeddings = [
        Embedding(region=region, fingerprint=encoder.fingerprint, search=to_bytes(vector), probe=b"")
        for region, (*_, vector) in zip(regions, rows, strict=True)
    ]
    Embedding.objects.bulk_create(embeddings, batch_size=200)
    version = index.find(wiring.get_image_index(), encoder.fingerprint)
    if version is None:
        raise RuntimeError("the index has no version")
    unsent = Embedding.objects.filter(indexed_at=None, fingerprint=encoder.fingerprint)
    index.send_regions(version, list(index.with_images(unsent)))


def compared_per_s() -> dict[str, float]:
    from webapp.library import near_duplicates

    start, cpu, done = time.perf_counter(), time.process_time(), 0
    while done < COMPARED and (ids := near_duplicates.waiting()):
        near_duplicates.compare(ids)
        done += len(ids)
    return {"clock": done / (time.perf_counter() - start), "cpu": done / (time.process_time() - cpu)}


def cpu_ms(call: Callable[[], object]) -> float:
    """Of this process, the least of REPEATS: where others keep the machine busy the clock tells of them."""
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return round(1000 * min(spent), 1)


def lists(user: Any, collection: Any) -> dict[str, dict[str, float]]:
    from webapp.library import duplicates
    from webapp.library.models import Likeness

    ways: dict[str, Callable[[], object]] = {
        f"{each.value}, {name}": lambda each=each, where=where: duplicates.links(user, each, collection=where)  # type: ignore[misc]
        for each in Likeness
        for name, where in (("one collection", collection), ("all collections", None))
    }
    ways["all counts"] = lambda: duplicates.counts(user, collection=collection)
    clock = {name: round(1000 * seconds, 1) for name, seconds in medians(ways, REPEATS).items()}
    return {name: {"clock_ms": clock[name], "cpu_ms": cpu_ms(call)} for name, call in ways.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="duplicates-") as folder:
        os.environ |= {"CONCHIVE_DATA": folder, "CONCHIVE_ENCODER": "fake", "DJANGO_SETTINGS_MODULE": "webapp.settings"}
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        user, collection = fill(asked.images)
        report: dict[str, Any] = {"images": asked.images, "compared_images_per_s": compared_per_s()}
        report["lists"] = lists(user, collection)
        from webapp.library.models import DuplicatePair

        report["near_pairs_found"] = DuplicatePair.objects.count()
    write("duplicates", {"machine": machine(), "versions": versions("django", "qdrant-edge-py")} | report)


if __name__ == "__main__":
    main()
