"""Liver, kidney and squamous epithelium: tissues known by how an organ is built."""

from __future__ import annotations

import numpy as np

from embedder.field import Array, Cells, Field, ramp
from embedder.painters.connective import collagen
from embedder.shapes import Glands, Points, blobs


def _hepatocytes(field: Field) -> tuple[Cells, Array]:
    """Polygonal granular cells in plates between white slits; returns the pavement and the plates' mask."""
    bend = field.v + field.noise(60) * np.float32(14)
    plate = field.rng.uniform(19, 23)
    pavement = field.cells(plate * 0.95, jitter=0.45, u=field.u, v=bend)
    slit = np.abs(np.mod(bend / plate + 0.35 * field.noise(26), 2.0) - 1.0) * np.float32(plate)
    body = ramp(slit, 1.6, 3.4)
    field.lay("eosin", body * (0.55 + 0.14 * field.noise(1.6) + 0.12 * field.noise(8) + 0.14 * (pavement.value - 0.5)))
    field.lay("haematoxylin", body * (0.15 + 0.07 * field.noise(2.2)))
    field.lay("eosin", 0.22 * body * np.exp(-((pavement.wall_um / 0.8) ** 2)))
    return pavement, body


def _round_nuclei(field: Field, pavement: Cells, body: Array) -> None:
    """Vesicular nucleus with a nucleolus in the middle of each cell, taken from the pavement's own centres."""
    inside = ramp(-pavement.centre_um, -3.7, -3.1) * body
    rim = inside * ramp(pavement.centre_um, 2.3, 3.0)
    field.lay("haematoxylin", inside * (0.50 + 0.22 * field.noise(1.1)) + 0.55 * rim)
    field.lay("haematoxylin", 0.8 * ramp(-pavement.centre_um, -1.0, -0.6) * body)


def _kupffer(field: Field, body: Array) -> None:
    points = field.scatter(10, 0.4)
    lining = blobs(field.rng, points, 2.3, stretch=2.8, angle=field.rng.normal(0, 0.5, len(points)))
    field.lay("haematoxylin", 1.3 * field.fill(lining) * ramp(-body, -0.7, -0.2))


def liver(field: Field) -> dict[str, str]:
    pavement, body = _hepatocytes(field)
    _round_nuclei(field, pavement, body)
    _kupffer(field, body)
    return {}


def fatty_liver(field: Field) -> dict[str, str]:
    pavement, body = _hepatocytes(field)
    _round_nuclei(field, pavement, body)
    points = field.scatter(field.rng.uniform(17, 23), 0.3)
    radius = np.clip(field.rng.lognormal(1.75, 0.45, len(points)), 2.0, 12.0)
    drops = blobs(field.rng, points, radius, wobble=0.015, corners=26)
    field.lay("eosin", 0.25 * field.fill(drops))
    field.clear(field.fill(drops * 0.97 + points[:, None, :] * 0.03))
    return {}


def glomerulus(field: Field) -> dict[str, str]:
    """One lobed tuft in Bowman's space among rings of tubules."""
    rng = field.rng
    radius = rng.uniform(48, 60)
    middle = rng.normal(0, field.width_um * 0.08, (1, 2))
    capsule = Glands.grown(rng, middle, radius * 1.25, spread=0.0, wobble=0.025)
    _tubules(field, capsule)
    field.lay("eosin", 0.6 * field.fill(capsule.outlines(1.04, 60)))
    field.clear(field.fill(capsule.outlines(1.0, 60)))
    tuft = Glands.grown(rng, middle + rng.normal(0, 3, (1, 2)), radius, spread=0.0, wobble=0.06)
    body = field.fill(tuft.outlines(1.0, 60))
    loops = np.abs(field.noise(9, octaves=2))
    field.lay("eosin", body * (0.30 + 0.45 * ramp(-loops, -0.35, 0.0)))
    field.lay("haematoxylin", 0.08 * body)
    field.clear(0.8 * body * ramp(loops, 0.62, 0.75))
    points = field.scatter(7.6, 0.35)
    points = points[tuft.hold(points, 0.96)]
    field.nuclei(blobs(rng, points, 2.6, stretch=rng.uniform(1, 1.8, len(points))), rng.uniform(0.8, 1.4, len(points)))
    return {}


def _tubules(field: Field, capsule: Glands) -> None:
    rng = field.rng
    centres = field.scatter(36, 0.07)
    apart = np.hypot(*(centres - capsule.centres[0]).T) > capsule.radii[0] + 15
    tubules = Glands.grown(rng, centres[apart], 16.5, spread=0.12, wobble=0.05, stretch=1.25)
    field.lay("eosin", 0.22 + 0.1 * field.noise(8))
    field.clear(field.fill(tubules.outlines(1.04)))
    field.lay("eosin", field.fill(tubules.outlines()) * (0.62 + 0.10 * field.noise(2.5)))
    field.clear(field.fill(tubules.outlines(0.36)) * (0.8 + 0.3 * field.noise(5)))
    around = tubules.around(rng, 8)
    places = tubules.at(around, np.full(around.shape, 0.72)).reshape(-1, 2)
    field.nuclei(blobs(rng, places, 2.9), rng.uniform(0.8, 1.2, len(places)))


def squamous_epithelium(field: Field) -> dict[str, str]:
    """From papillae of connective tissue up through basal, prickle and flattened cells to the free surface."""
    rng, width = field.rng, field.width_um
    waves, phase = rng.uniform(16, 26), rng.uniform(0, 6.3)
    base = -0.28 * width
    height = field.v - np.float32(base) - (7 * np.sin(field.u / waves + phase)).astype(np.float32)
    top = rng.uniform(0.55, 0.66) * width
    surface = field.v - np.float32(base + top) + 3 * field.noise(30)
    collagen(field, 0.45, cells_um=18)
    body = ramp(height, 0.0, 1.5) * ramp(-surface, 0.0, 1.5)
    field.clear(np.maximum(body, ramp(surface, -1.5, 0.0)))
    pavement = field.cells(13, jitter=0.5, v=field.v * (1 + np.clip(field.v / width, -0.25, 0.5)))
    ripe = np.clip(height / np.float32(top), 0, 1)
    field.lay("eosin", body * (0.42 + 0.30 * ripe**3 + 0.06 * field.noise(3)))
    field.lay("haematoxylin", body * (0.26 * (1 - ripe) ** 3 + 0.04))
    field.lay("eosin", 0.24 * body * np.exp(-((pavement.wall_um / 0.7) ** 2)))
    keratin = ramp(surface, -9, -6) * body
    field.lay("eosin", keratin * (0.25 + 0.25 * field.noise(40, 1.8)))
    _ripening_nuclei(field, base, top, waves, phase)
    return {}


def _ripening_nuclei(field: Field, base: float, top: float, waves: float, phase: float) -> None:
    """Dark and close at the base, rounder and sparser above, flat below the surface."""
    points = field.scatter(6.2, 0.28)
    height = points[:, 1] - base - 7 * np.sin(points[:, 0] / waves + phase)
    ripe = height / top
    keep = (height > 2) & (ripe < 0.86) & (field.rng.random(len(points)) < np.where(height < 10, 0.95, 0.30 - 0.16 * ripe))
    points, ripe, low = points[keep], ripe[keep], height[keep] < 10
    stretch = np.where(low, 1.6, 1.1 + 2.2 * np.clip(ripe, 0, 1) ** 2)
    angle = np.where(low, np.pi / 2, 0.0) + field.rng.normal(0, 0.2, len(points))
    radius = np.where(low, 2.8, 3.1) * field.rng.uniform(0.85, 1.15, len(points))
    field.clear(0.5 * field.fill(blobs(field.rng, points[~low], radius[~low] * 1.35)))
    field.nuclei(
        blobs(field.rng, points, radius, stretch=stretch, angle=angle),
        np.where(low, 1.3, 0.8) * field.rng.uniform(0.85, 1.15, len(points)),
    )


def keratin_pearl(field: Field) -> dict[str, str]:
    """Nest of squamous carcinoma whose middle is an onion of keratin."""
    rng = field.rng
    spacing = rng.uniform(105, 125)
    nests = Glands.grown(rng, field.scatter(spacing, 0.06) + rng.normal(0, 4, 2), spacing * 0.45, spread=0.08, wobble=0.08)
    collagen(field, 0.45, cells_um=14)
    body = field.fill(nests.outlines(1.0, 48))
    field.clear(field.fill(nests.outlines(1.03, 48)))
    pavement = field.cells(12, jitter=0.5)
    field.lay("eosin", body * (0.50 + 0.08 * field.noise(5) + 0.25 * np.exp(-((pavement.wall_um / 0.7) ** 2))))
    field.lay("haematoxylin", 0.10 * body)
    _whorl_nuclei(field, nests)
    _pearls(field, nests)
    return {}


def _whorl_nuclei(field: Field, nests: Glands) -> None:
    around = nests.around(field.rng, 62)
    depth = field.rng.uniform(0.60, 0.94, around.shape)
    places = nests.at(around, depth)
    angle = nests.outward(places).ravel() + np.pi / 2
    stretch = 1.15 + 1.8 * (1 - depth.ravel())
    shape = blobs(field.rng, places.reshape(-1, 2), field.rng.uniform(2.6, 4.2, depth.size), stretch=stretch, angle=angle)
    field.nuclei(shape, field.rng.uniform(0.6, 1.2, depth.size), grain=0.5, grain_um=1.2)


def _pearls(field: Field, nests: Glands) -> None:
    """Lamellae of keratin, drawn from the outside in so that each covers the one before."""
    steps = np.linspace(0.56, 0.03, 13)
    rings: Points = np.concatenate([nests.outlines(float(step), 36) for step in steps])
    rings = rings + field.rng.normal(0, 0.3, rings.shape)
    depth = np.repeat(
        np.where(np.arange(len(steps)) % 2, 0.95, 0.55) * field.rng.uniform(0.85, 1.15, len(steps)), len(nests.radii)
    )
    pearl = field.fill(nests.outlines(0.57))
    field.clear(pearl)
    field.lay("eosin", field.fill(rings, depth / 3) * 3 * (1 + 0.15 * field.noise(3)))
    field.lay("erythrocyte", 0.10 * pearl)
    around = nests.around(field.rng, 6)
    ghosts = nests.at(around, field.rng.uniform(0.1, 0.5, around.shape))
    angle = nests.outward(ghosts).ravel() + np.pi / 2
    dots = blobs(field.rng, ghosts.reshape(-1, 2), 1.6, stretch=3.0, angle=angle)
    field.lay("haematoxylin", 0.7 * field.fill(dots))
