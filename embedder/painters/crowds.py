"""Sheets of cells and their remains: lymphocytes, necrosis, blood in tissue, pigment, stones, bare glass."""

from __future__ import annotations

import numpy as np

from embedder.field import Field, ramp
from embedder.painters.connective import collagen
from embedder.shapes import Glands, blobs


def lymphocytes(field: Field) -> dict[str, str]:
    rng = field.rng
    spacing = rng.uniform(6.4, 8.4)
    points = field.scatter(spacing, 0.2)
    points = points[: int(len(points) * 0.95)]
    gap = ramp(field.noise(13), 0.35, 0.6)
    field.lay("eosin", (0.26 + 0.12 * field.noise(4)) * (1 - 0.9 * gap))
    field.lay("haematoxylin", 0.10 * (1 - gap))
    radius = rng.uniform(2.5, 3.1) * rng.uniform(0.88, 1.14, len(points))
    field.nuclei(blobs(rng, points, radius, wobble=0.06, corners=12), rng.uniform(0.75, 1.5, len(points)), grain=0.4)
    return {"crowd": "densely packed" if spacing < 7.3 else "closely set"}


def necrosis(field: Field) -> dict[str, str]:
    """Granular pink ruin: outlines of cells that lost their nuclei, and nuclear dust."""
    rng = field.rng
    grains = field.noise(1.5) + 0.6 * field.noise(4)
    field.lay("eosin", 0.36 + 0.20 * grains + 0.14 * field.noise(28))
    points = field.scatter(rng.uniform(13, 17), 0.3)
    outline = blobs(rng, points, rng.uniform(4.5, 6.5, len(points)), stretch=1.25, wobble=0.1)
    both = np.stack([outline, outline * 0.84 + points[:, None, :] * 0.16], axis=1).reshape(-1, *outline.shape[1:])
    ghost = field.fill(both, np.tile([1.0, 0.12], len(points)))
    field.lay("eosin", 0.34 * ghost)
    field.clear(0.9 * ramp(field.noise(17, 8, octaves=2), 0.6, 0.85))
    dust = field.scatter(rng.uniform(5.5, 8.5), 0.6)
    size = np.clip(rng.lognormal(-0.35, 0.5, len(dust)), 0.3, 2.0)
    field.lay("haematoxylin", field.fill(blobs(rng, dust, size, wobble=0.2, corners=8), rng.uniform(0.12, 0.5, len(dust))) * 3)
    return {}


def haemorrhage(field: Field) -> dict[str, str]:
    """Red cells shoulder to shoulder, a stray leukocyte among them."""
    rng = field.rng
    points = field.scatter(rng.uniform(5.6, 6.8), 0.17)
    disc = blobs(rng, points, rng.uniform(2.7, 3.5, len(points)), wobble=0.07, corners=14)
    both = np.stack([disc, disc * 0.72 + points[:, None, :] * 0.28], axis=1).reshape(-1, *disc.shape[1:])
    tone = rng.uniform(0.24, 0.38, len(points))
    field.lay("eosin", 0.05 + 0.03 * field.noise(10))
    field.lay("erythrocyte", 3 * field.fill(both, np.stack([tone, tone * 0.72], axis=1).ravel()))
    field.clear(0.85 * ramp(field.noise(38, 12), 0.65, 0.8))
    strays = field.scatter(34, 0.4)
    field.nuclei(blobs(rng, strays, rng.uniform(2.4, 3.2, len(strays)), wobble=0.15), rng.uniform(0.9, 1.4, len(strays)))
    fibrin = 1 - np.abs(field.noise(40, 9, octaves=2))
    field.lay("eosin", 0.5 * ramp(fibrin, 0.95, 1.0))
    return {}


def psammoma(field: Field) -> dict[str, str]:
    """Round stones with rings like a tree's, in a fibrous bed."""
    rng = field.rng
    centres = field.scatter(rng.uniform(48, 64), 0.2)
    bodies = Glands.grown(rng, centres, rng.uniform(14, 20), spread=0.25, wobble=0.025)
    collagen(field, 0.42, cells_um=13)
    field.clear(field.fill(bodies.outlines(1.08)))
    steps = np.linspace(1.0, 0.1, 10)
    rings = np.concatenate([bodies.outlines(float(step), 32) for step in steps])
    depth = np.where(np.arange(10) % 2, 0.62, 1.1) * (1.25 - 0.45 * steps) * rng.uniform(0.9, 1.1, 10)
    field.lay("calcium", 3 * field.fill(rings, np.repeat(depth / 3, len(centres))) * (1 + 0.10 * field.noise(2)))
    cracks = ramp(1 - np.abs(field.noise(12, 3)), 0.96, 1.0) * field.fill(bodies.outlines())
    field.clear(0.8 * cracks)
    return {}


def melanoma(field: Field) -> dict[str, str]:
    """Nests of plump cells, brown pigment heaped in some of them."""
    rng = field.rng
    pavement = field.cells(rng.uniform(13.5, 16), jitter=0.6)
    nest = ramp(field.noise(46), -0.42, -0.34)
    collagen(field, 0.45, cells_um=20)
    field.clear(nest)
    field.lay("eosin", nest * (0.34 + 0.1 * field.noise(4)) * ramp(pavement.wall_um, 0.2, 1.0))
    field.lay("haematoxylin", 0.10 * nest)
    nucleus = ramp(-pavement.centre_um, -4.3, -3.6) * nest
    field.lay("haematoxylin", nucleus * (0.55 + 0.3 * field.noise(1.3)) + 0.35 * nucleus * ramp(pavement.centre_um, 3.0, 3.6))
    field.lay("haematoxylin", 0.8 * ramp(-pavement.centre_um, -1.3, -0.8) * nest)
    laden = ramp(pavement.value, 0.62, 0.66) * nest * ramp(pavement.wall_um, 0.3, 0.9)
    field.lay("melanin", laden * (0.65 + 1.6 * ramp(field.noise(1.1) + 0.5 * field.noise(3), 0.0, 0.7)))
    grains = field.scatter(5.5, 0.5)
    size = np.clip(rng.lognormal(-0.4, 0.4, len(grains)), 0.3, 1.8)
    field.lay("melanin", 2.0 * field.fill(blobs(rng, grains, size, corners=8)) * ramp(field.noise(22), 0.15, 0.45))
    return {}


def blank(field: Field) -> dict[str, str]:
    """Glass beside the tissue: a speck, a fibre, the mounting medium's faint unevenness."""
    rng = field.rng
    field.lay("grey", 0.012 + 0.008 * field.noise(90))
    specks = rng.uniform(-0.5, 0.5, (int(rng.integers(1, 9)), 2)) * field.width_um
    size = np.clip(rng.lognormal(-0.2, 0.6, len(specks)), 0.3, 3.0)
    field.lay("grey", 3 * field.fill(blobs(rng, specks, size, wobble=0.25), rng.uniform(0.05, 0.3, len(specks))))
    start, turn = rng.uniform(-0.5, 0.5, 2) * field.width_um, rng.uniform(0, 6.3)
    heading = turn + np.cumsum(rng.normal(0, 0.25, 14))
    fibre = start + np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0) * 3
    field.lay("grey", 0.35 * float(rng.random() < 0.4) * field.strokes(fibre[None], 0.9))
    return {}
