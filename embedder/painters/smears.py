"""Blood spread on glass: red cells with pale centres, leukocytes over them."""

from __future__ import annotations

import numpy as np

from embedder.field import Field, ramp
from embedder.shapes import Points, blobs, shrunk


def _red_cells(field: Field, hold: Points) -> None:
    """Discs of 7 µm at every distance from touching to overlapping, none below the leukocytes at `hold`."""
    rng = field.rng
    points = field.scatter(rng.uniform(8.3, 10.5), 0.2)
    points = points[: int(len(points) * rng.uniform(0.75, 0.95))]
    apart = np.hypot(*np.moveaxis(points[:, None, :] - hold[None], 2, 0)).min(axis=1)
    points = points[apart > 9.5]
    disc = blobs(
        rng, points, rng.uniform(3.3, 3.9, len(points)), stretch=rng.uniform(1, 1.15, len(points)), wobble=0.03, corners=24
    )
    tone = rng.uniform(0.12, 0.17, len(points))
    body = np.zeros_like(field.u)
    for half in (slice(0, None, 2), slice(1, None, 2)):  # two layers: where red cells overlap they darken
        rings = np.stack([shrunk(disc[half], f) for f in (1.0, 0.58, 0.46, 0.34)], axis=1)
        depth = tone[half, None] * np.array([1.0, 0.75, 0.5, 0.28])
        body += field.fill(rings.reshape(-1, 24, 2), depth.ravel()) * 3
    field.lay("giemsa_red_cell", body * (1 + 0.08 * field.noise(3)))


def _platelets(field: Field) -> None:
    points = field.scatter(24, 0.4)[:4]
    field.lay("giemsa_granule", 0.75 * field.fill(blobs(field.rng, points, 1.1, wobble=0.2)) * (1 + 0.5 * field.noise(0.6)))


def _leukocyte_places(field: Field, count: int) -> Points:
    """Centres [count, 2] well within the field and clear of one another."""
    first = field.rng.uniform(-0.16, 0.16, 2) * field.width_um
    turn = field.rng.uniform(0, 2 * np.pi) + np.arange(count) * (2 * np.pi / max(count - 1, 1))
    ring = first + 0.36 * field.width_um * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.concatenate([first[None], ring[1:]])


def normal_blood(field: Field) -> dict[str, str]:
    rng = field.rng
    count = int(rng.integers(1, 3)) if field.width_um > 50 else 1
    places = _leukocyte_places(field, count)
    _red_cells(field, places)
    _platelets(field)
    body = field.fill(blobs(rng, places, rng.uniform(5.8, 7.0, count), wobble=0.05, corners=24))
    field.lay("giemsa_granule", body * (0.24 + 0.20 * ramp(field.noise(0.6), 0.1, 0.7)))
    lobes = int(rng.integers(3, 6))
    for place in places:
        _segmented_nucleus(field, place, lobes)
    return {"count": "one neutrophil" if count == 1 else "two neutrophils", "lobes": str(lobes)}


def _segmented_nucleus(field: Field, place: Points, lobes: int) -> None:
    """Lobes along an arc, joined by threads."""
    rng = field.rng
    angle = rng.uniform(0, 2 * np.pi) + np.arange(lobes) * rng.uniform(1.05, 1.25)
    centres = place + 2.9 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    thread = field.strokes(centres[None], 0.8)
    lobe = field.fill(blobs(rng, centres, rng.uniform(1.5, 2.0, lobes), stretch=1.3, wobble=0.12, corners=18))
    field.lay("giemsa_nucleus", np.maximum(1.5 * thread, lobe * (2.1 + 0.6 * field.noise(0.9))))


def blasts(field: Field) -> dict[str, str]:
    """Large round cells, nearly all nucleus, with nucleoli and a thin blue rim."""
    rng = field.rng
    count = int(rng.integers(4, 7)) if field.width_um > 50 else int(rng.integers(3, 5))
    places = _leukocyte_places(field, count)
    _red_cells(field, places)
    radius = rng.uniform(6.0, 7.4, count)
    field.lay("giemsa_basophil", 0.75 * field.fill(blobs(rng, places, radius, wobble=0.06, corners=24)))
    nuclei = blobs(rng, places + rng.normal(0, 0.4, places.shape), radius * 0.82, wobble=0.06, corners=24)
    field.lay("giemsa_nucleus", field.fill(nuclei) * (1.25 + 0.35 * field.noise(0.8)))
    spots = (places[:, None, :] + rng.normal(0, 1.8, (count, 2, 2))).reshape(-1, 2)
    field.lay("giemsa_nucleus", -0.55 * field.fill(blobs(rng, spots, 1.0)))
    return {"count": str(count)}


def lymphocytosis(field: Field) -> dict[str, str]:
    """Small lymphocytes: a dense round nucleus hardly larger than a red cell."""
    rng = field.rng
    count = int(rng.integers(2, 5)) if field.width_um > 50 else int(rng.integers(1, 3))
    places = _leukocyte_places(field, count)
    _red_cells(field, places)
    _platelets(field)
    radius = rng.uniform(4.0, 4.7, count)
    field.lay("giemsa_basophil", 0.6 * field.fill(blobs(rng, places, radius * 1.13, wobble=0.07, corners=24)))
    field.lay("giemsa_nucleus", field.fill(blobs(rng, places, radius, wobble=0.05, corners=20)) * (2.1 + 0.5 * field.noise(1.2)))
    words = ("one small lymphocyte", "two small lymphocytes", "three small lymphocytes", "four small lymphocytes")
    return {"count": words[count - 1]}
