"""Fat, muscle, collagen, cartilage and bone: tissues made of what lies between or along the cells."""

from __future__ import annotations

import numpy as np

from embedder.field import Array, Field, ramp
from embedder.shapes import Points, blobs


def fibres(field: Field, *, length_um: float, width_um: float, waves_um: float) -> tuple[Array, Array, Points]:
    """Bent across-fibre coordinate, its fine striation in about -1..1, and the wave (height, length, phase) bending it."""
    wave = np.array([field.rng.uniform(0.3, 1.0) * waves_um, field.rng.uniform(35, 80), field.rng.uniform(0, 6.3)])
    across = field.v + (wave[0] * np.sin(field.u / wave[1] + wave[2])).astype(np.float32)
    across += field.noise(60, 30) * np.float32(waves_um * 0.4)
    return across, field.noise(length_um, width_um, v=across, octaves=2), wave


def spindle_nuclei(field: Field, spacing_um: float, wave: Points, *, keep: float, long_um: float, wide_um: float) -> None:
    """Cigars along the fibres' local direction."""
    points = field.scatter(spacing_um, 0.5)
    points = points[: int(len(points) * keep)]
    slope = -wave[0] / wave[1] * np.cos(points[:, 0] / wave[1] + wave[2])
    angle = np.arctan(slope) + field.rng.normal(0, 0.12, len(points))
    stretch = np.clip(field.rng.normal(long_um / wide_um, 1.0, len(points)), 2.0, 9.0)
    radius = 0.5 * np.sqrt(long_um * wide_um) * field.rng.uniform(0.85, 1.15, len(points))
    field.nuclei(
        blobs(field.rng, points, radius, stretch=stretch, angle=angle, wobble=0.05),
        field.rng.uniform(0.7, 1.35, len(points)),
    )


def collagen(field: Field, strength: float = 0.5, *, cells_um: float = 22.0) -> Array:
    """A bed of loose collagen with a few spindle cells, for other tissues to lie in; returns the striation."""
    across, stripes, wave = fibres(field, length_um=24, width_um=2.6, waves_um=9)
    field.lay("eosin", np.float32(strength) * (0.75 + 0.45 * stripes + 0.25 * field.noise(30)))
    field.clear(0.85 * ramp(field.noise(30, 5, v=across), 0.45, 0.7))
    spindle_nuclei(field, cells_um, wave, keep=0.8, long_um=12, wide_um=2.8)
    return stripes


def adipose(field: Field) -> dict[str, str]:
    size = field.rng.uniform(62, 95)
    bend = field.noise(45) * np.float32(5)
    walls = field.cells(size, jitter=0.75, u=field.u + bend, v=field.v + bend)
    width = field.rng.uniform(0.9, 1.5) + 0.8 * ramp(field.noise(25), 0.0, 0.8)
    corner = ramp(field.noise(70), 0.35, 0.8) * np.float32(3.0)  # membranes thicken where several cells meet
    membrane = np.exp(-((walls.wall_um / (width + corner)) ** 2))
    field.lay("eosin", membrane * (0.62 + 0.25 * field.noise(3)))
    field.lay("haematoxylin", 0.16 * membrane)
    field.lay("eosin", 0.10 * ramp(walls.value, 0.75, 0.8) * (0.7 + 0.5 * field.noise(12)))  # a cell cut through its rim
    _flat_nuclei_at_walls(field, size, walls.wall_um)
    return {"cells": "large" if size > 78 else "mature"}


def _flat_nuclei_at_walls(field: Field, size_um: float, wall_um: Array) -> None:
    """Nuclei painted only where a wall passes under them, whatever the resolution the wall was drawn at."""
    points = field.scatter(size_um / 4, 0.4)
    shape = blobs(field.rng, points, field.rng.uniform(2.4, 3.4, len(points)), stretch=1.7, wobble=0.12)
    field.lay("haematoxylin", 1.15 * field.fill(shape) * ramp(-wall_um, -3.0, -1.2))


def smooth_muscle(field: Field) -> dict[str, str]:
    across, stripes, wave = fibres(field, length_um=60, width_um=2.2, waves_um=field.rng.uniform(3, 9))
    bundle = field.noise(120, 13, v=across)
    field.lay("eosin", 0.72 + 0.16 * stripes + 0.16 * bundle)
    field.lay("haematoxylin", 0.13 + 0.04 * stripes)
    field.clear(0.9 * ramp(field.noise(55, 7, v=across), 0.52, 0.75))
    spindle_nuclei(field, field.rng.uniform(11, 15), wave, keep=0.9, long_um=15, wide_um=2.6)
    return {}


def stroma(field: Field) -> dict[str, str]:
    swirl_u = field.u + field.noise(38) * np.float32(16)
    swirl_v = field.v + field.noise(34) * np.float32(22)
    bands = field.noise(42, 5.5, u=swirl_u, v=swirl_v, octaves=2)
    fine = field.noise(18, 1.5, u=swirl_u, v=swirl_v)
    field.lay("eosin", 0.42 + 0.26 * bands + 0.10 * fine)
    field.clear(ramp(field.noise(26, 4.5, u=swirl_u, v=swirl_v), 0.28, 0.55))
    points = field.scatter(field.rng.uniform(17, 26), 0.5)
    plump = blobs(field.rng, points, 2.9, stretch=field.rng.uniform(1.8, 5.0, len(points)), wobble=0.12)
    field.nuclei(plump, field.rng.uniform(0.6, 1.3, len(points)))
    return {}


def skeletal_muscle(field: Field) -> dict[str, str]:
    size = field.rng.uniform(34, 48)
    bend = field.noise(30) * np.float32(3)
    fibre = field.cells(size, jitter=0.5, u=field.u + bend, v=field.v)
    body = ramp(fibre.wall_um, 0.9, 2.1)
    field.lay("eosin", body * (0.68 + 0.25 * (fibre.value - 0.5) + 0.10 * field.noise(1.7) + 0.06 * field.noise(14)))
    field.lay("haematoxylin", 0.05 * body)
    points = field.scatter(size / 4.2, 0.35)
    shape = blobs(field.rng, points, field.rng.uniform(2.0, 2.8, len(points)), stretch=1.9)
    field.lay("haematoxylin", 1.3 * field.fill(shape) * ramp(-fibre.wall_um, -4.0, -2.4))
    return {}


def cartilage(field: Field) -> dict[str, str]:
    spacing = field.rng.uniform(26, 36)
    nests = field.scatter(spacing, 0.3)
    pairs = np.concatenate([nests, nests[: len(nests) * 2 // 3] + field.rng.normal(0, 6.5, (len(nests) * 2 // 3, 2))])
    field.lay("haematoxylin", 0.26 + 0.07 * field.noise(70) + 0.03 * field.noise(2))
    field.lay("eosin", 0.16 + 0.10 * field.noise(55))
    radius = field.rng.uniform(4.2, 6.5, len(pairs))
    lacuna = blobs(field.rng, pairs, radius, stretch=field.rng.uniform(1.0, 1.6, len(pairs)))
    for rim_um, depth in ((4.5, 0.16), (2.0, 0.26)):  # territorial matrix darkens towards the cell
        halo = blobs(field.rng, pairs, radius + rim_um, stretch=1.2)
        field.lay("haematoxylin", depth * field.fill(halo))
    field.clear(0.92 * field.fill(lacuna))
    cell = blobs(field.rng, pairs, radius * 0.66, wobble=0.2)
    field.lay("eosin", 0.24 * field.fill(cell))
    field.nuclei(blobs(field.rng, pairs, radius * 0.38, wobble=0.12), field.rng.uniform(0.8, 1.4, len(pairs)))
    return {}


def bone(field: Field) -> dict[str, str]:
    edge = field.v + field.noise(80) * np.float32(22)
    band = field.rng.uniform(30, 45)
    plate = ramp(band - np.abs(edge), 0.0, 1.5)
    lamella = np.sin(edge * np.float32(2 * np.pi / 6.5) + field.noise(25) * 2)
    _marrow(field)
    field.clear(plate)
    field.lay("eosin", plate * (0.66 + 0.08 * lamella + 0.08 * field.noise(25)))
    points = field.scatter(17, 0.4)
    near = ramp(band - 4 - np.abs(edge), 0.0, 2.0)
    angle = field.rng.normal(0, 0.25, len(points))
    field.clear(0.9 * near * field.fill(blobs(field.rng, points, 3.4, stretch=2.2, angle=angle)))
    field.lay("haematoxylin", 1.4 * near * field.fill(blobs(field.rng, points, 2.0, stretch=2.2, angle=angle)))
    return {}


def _marrow(field: Field) -> None:
    fat = field.scatter(46, 0.28)
    cells = field.scatter(8.5, 0.3)
    field.lay("eosin", 0.22 + 0.1 * field.noise(6))
    field.nuclei(blobs(field.rng, cells, field.rng.uniform(2.2, 3.6, len(cells))), field.rng.uniform(0.7, 1.4, len(cells)))
    vacuole = blobs(field.rng, fat, field.rng.uniform(14, 22, len(fat)), wobble=0.04, corners=28)
    field.clear(field.fill(vacuole))
