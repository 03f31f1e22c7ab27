"""Glands and what they make: crypts, carcinoma, follicles, mucin."""

from __future__ import annotations

import numpy as np

from embedder.field import Array, Field, ramp
from embedder.painters.connective import collagen
from embedder.shapes import Glands, Points, blobs


def lamina_propria(field: Field, glands: Glands, *, stain: str = "haematoxylin") -> None:
    """Loose pink bed with plasma cells and lymphocytes between the glands."""
    field.lay("eosin", 0.30 + 0.22 * field.noise(9, 4, octaves=2))
    field.clear(ramp(field.noise(16), 0.35, 0.7))
    points = field.scatter(9.0, 0.4)
    points = points[~glands.hold(points, 1.04)]
    radius = field.rng.uniform(2.2, 3.1, len(points))
    stretch = field.rng.uniform(1.0, 1.9, len(points))
    field.nuclei(blobs(field.rng, points, radius, stretch=stretch), field.rng.uniform(0.8, 1.4, len(points)), stain=stain)


def crypts(field: Field, *, mucus: str = "mucin", mucus_density: float = 0.16, counterstain: bool = True) -> dict[str, str]:
    """Round test-tube glands lined by goblet cells; `mucus` is the stain their vacuoles hold."""
    radius = field.rng.uniform(31, 39)
    centres = field.scatter(radius * field.rng.uniform(2.25, 2.5), 0.05)
    glands = Glands.grown(field.rng, centres, radius, spread=0.08, wobble=0.035, stretch=float(field.rng.uniform(1.0, 1.45)))
    lamina_propria(field, glands)
    field.clear(field.fill(glands.outlines(1.07)))
    wall = field.fill(glands.outlines())
    field.lay("eosin", wall * (0.42 + 0.12 * field.noise(5)))
    field.lay("haematoxylin", wall * (0.20 if counterstain else 0.08))
    around = glands.around(field.rng, int(radius * 0.40))
    _goblets(field, glands, around, radius, mucus, mucus_density)
    basal = glands.around(field.rng, int(radius * 1.05))
    places = glands.at(basal, field.rng.uniform(0.86, 0.95, basal.shape))
    nuclei = _turned_blobs(field, places, glands.outward(places) + np.pi / 2, 2.6, 1.55)
    field.nuclei(nuclei, field.rng.uniform(0.9, 1.4, len(nuclei)))
    lumen = field.fill(Glands.outlines(glands, 0.16, 24))
    field.clear(lumen)
    return {}


def _goblets(field: Field, glands: Glands, around: Points, radius: float, mucus: str, density: float) -> None:
    """Vacuoles like the petals of a flower: pointed at the lumen, round at the wall."""
    places = glands.at(around, field.rng.uniform(0.50, 0.62, around.shape))
    outward = glands.outward(places)
    petals = _turned_blobs(field, places, outward, radius * 0.19, 1.75, wobble=0.05, corners=18)
    vacuole = field.fill(petals)
    field.clear(0.93 * vacuole)
    field.lay(mucus, density * vacuole * (1 + 0.5 * field.noise(3)))


def _turned_blobs(
    field: Field, places: Points, angle: Points, radius: float, stretch: float, *, wobble: float = 0.08, corners: int = 12
) -> Points:
    flat = places.reshape(-1, 2)
    size = radius * field.rng.uniform(0.85, 1.15, len(flat))
    return blobs(field.rng, flat, size, stretch=stretch, angle=angle.ravel(), wobble=wobble, corners=corners)


def adenocarcinoma(field: Field) -> dict[str, str]:
    """Crowded, angular glands of tall dark cells in several layers, with dirt in the lumen."""
    radius = field.rng.uniform(34, 48)
    centres = field.scatter(radius * 2.0, 0.16)
    glands = Glands.grown(field.rng, centres, radius, spread=0.2, wobble=0.13, stretch=float(field.rng.uniform(1.0, 1.9)))
    collagen(field, 0.5, cells_um=15)
    field.clear(field.fill(glands.outlines(1.04, 48)))
    wall = field.fill(glands.outlines(1.0, 48))
    field.lay("eosin", wall * (0.42 + 0.12 * field.noise(6)))
    field.lay("haematoxylin", wall * (0.30 + 0.10 * field.noise(8)))
    hollow = float(field.rng.uniform(0.24, 0.44))
    around = glands.around(field.rng, int(radius * 2.3))
    depth = field.rng.uniform(hollow + 0.24, 0.93, around.shape)
    places = glands.at(around, depth)
    nuclei = _turned_blobs(field, places, glands.outward(places), 3.5, 1.9, wobble=0.12)
    field.nuclei(nuclei, field.rng.uniform(0.65, 1.25, len(nuclei)), grain=0.45, grain_um=1.2)
    lumen = field.fill(glands.outlines(hollow, 30))
    field.clear(lumen)
    _dirt(field, glands, hollow, lumen)
    return {"grade": "moderately differentiated"}


def _dirt(field: Field, glands: Glands, hollow: float, lumen: Array) -> None:
    field.lay("eosin", lumen * 0.45 * ramp(field.noise(7, octaves=2), 0.0, 0.6))
    around = glands.around(field.rng, 7)
    crumbs = glands.at(around, field.rng.uniform(0, hollow * 0.7, around.shape)).reshape(-1, 2)
    field.lay("haematoxylin", 1.4 * field.fill(blobs(field.rng, crumbs, field.rng.uniform(0.6, 1.7, len(crumbs)), wobble=0.2)))


def thyroid(field: Field) -> dict[str, str]:
    """Follicles full of even colloid under one row of low cells."""
    radius = field.rng.uniform(27, 42)
    centres = field.scatter(radius * 2.06, 0.07)
    glands = Glands.grown(field.rng, centres, radius, spread=0.16, wobble=0.05, stretch=float(field.rng.uniform(1.0, 1.3)))
    collagen(field, 0.35, cells_um=30)
    field.clear(field.fill(glands.outlines(1.03)))
    field.lay("eosin", field.fill(glands.outlines()) * (0.36 + 0.1 * field.noise(4)))
    field.lay("haematoxylin", 0.12 * field.fill(glands.outlines()))
    colloid = field.fill(glands.outlines(0.83))
    field.clear(colloid)
    shrink = colloid * ramp(field.noise(13), 0.45, 0.55) * (1 - field.fill(glands.outlines(0.70)))
    field.lay("eosin", (colloid - shrink) * (0.56 + 0.07 * field.noise(40)))
    around = glands.around(field.rng, int(radius * 0.85))
    places = glands.at(around, np.full(around.shape, 0.915))
    nuclei = _turned_blobs(field, places, glands.outward(places), 2.5, 1.0)
    field.nuclei(nuclei, field.rng.uniform(0.85, 1.35, len(nuclei)))
    return {}


def mucin(field: Field) -> dict[str, str]:
    """A pale pool crossed by strings, a few clusters of cells afloat."""
    bend_u = field.u + field.noise(35) * np.float32(14)
    bend_v = field.v + field.noise(30) * np.float32(14)
    strings = 1 - np.abs(field.noise(26, 7, u=bend_u, v=bend_v, octaves=2))
    fine = 1 - np.abs(field.noise(10, 3, u=bend_u, v=bend_v))
    field.lay("mucin", 0.14 + 0.34 * ramp(strings, 0.72, 1.0) + 0.18 * ramp(fine, 0.7, 1.0) + 0.10 * field.noise(45))
    field.lay("eosin", 0.05 + 0.08 * ramp(strings, 0.85, 1.0))
    centres = field.scatter(field.rng.uniform(58, 80), 0.3)
    clusters = Glands.grown(field.rng, centres, field.rng.uniform(9, 14), spread=0.25, wobble=0.12, stretch=1.4)
    field.lay("eosin", field.fill(clusters.outlines()) * (0.45 + 0.1 * field.noise(4)))
    field.lay("haematoxylin", 0.12 * field.fill(clusters.outlines()))
    around = clusters.around(field.rng, 9)
    places = clusters.at(around, field.rng.uniform(0.3, 0.8, around.shape)).reshape(-1, 2)
    nuclei = blobs(field.rng, places, field.rng.uniform(2.6, 3.8, len(places)), stretch=1.3, wobble=0.12)
    field.nuclei(nuclei, field.rng.uniform(0.7, 1.2, len(nuclei)))
    return {}


def pas_crypts(field: Field) -> dict[str, str]:
    """Crypts whose goblets stand out magenta over a pale blue counterstain."""
    crypts(field, mucus="pas", mucus_density=1.0, counterstain=False)
    field.density["haematoxylin"] = field.density["haematoxylin"] * np.float32(0.75)
    field.density["light_green"] = field.density.pop("eosin") * np.float32(0.10)
    return {}
