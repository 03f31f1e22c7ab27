"""Immunohistochemistry and special stains: one molecule's colour over a pale counterstain."""

from __future__ import annotations

import numpy as np

from embedder.field import Array, Field, ramp
from embedder.painters.connective import collagen, spindle_nuclei
from embedder.shapes import Glands, blobs


def _pale_tissue(field: Field) -> None:
    field.lay("haematoxylin_blue", 0.06 + 0.03 * field.noise(12) + 0.02 * field.noise(2))
    field.clear(0.9 * ramp(field.noise(22), 0.55, 0.8))


def _ki67(field: Field, low: float, high: float) -> dict[str, str]:
    """Nuclei brown or blue; the share that is brown is counted over those the field shows, never assumed."""
    rng = field.rng
    _pale_tissue(field)
    points = field.scatter(rng.uniform(10.5, 13), 0.2)
    points = np.concatenate([points[field.inside(points)], points[~field.inside(points)]])
    shown = int(field.inside(points).sum())
    brown = max(1, int(np.floor(shown * high))) if low == 0 else round(shown * rng.uniform(low, high))
    brown = int(rng.integers(1, brown + 1)) if low == 0 else brown
    positive = np.zeros(len(points), bool)
    positive[rng.permutation(shown)[:brown]] = True
    shape = blobs(rng, points, rng.uniform(3.4, 4.8, len(points)), stretch=rng.uniform(1, 1.5, len(points)))
    blue, dark = shape[~positive], shape[positive]
    field.nuclei(blue, rng.uniform(0.35, 0.65, len(blue)), stain="haematoxylin_blue", rim=1.35)
    field.nuclei(dark, rng.uniform(1.2, 2.2, len(dark)), stain="dab", rim=0.95, grain=0.25)
    return {"percent": str(round(100 * brown / shown))}


def ki67_low(field: Field) -> dict[str, str]:
    return _ki67(field, 0.0, 0.085)


def ki67_high(field: Field) -> dict[str, str]:
    return _ki67(field, 0.65, 0.95)


def her2(field: Field) -> dict[str, str]:
    """Brown chicken wire: every membrane stained all round, nuclei blue."""
    rng = field.rng
    bend = field.noise(20) * np.float32(2)
    pavement = field.cells(rng.uniform(13, 16.5), jitter=0.5, u=field.u + bend, v=field.v)
    wire = np.exp(-((pavement.wall_um / rng.uniform(0.7, 1.0)) ** 2))
    field.lay("haematoxylin_blue", 0.07 + 0.02 * field.noise(3))
    field.lay("dab", wire * (1.35 + 0.3 * field.noise(4)) + 0.10 + 0.04 * field.noise(6))
    size = rng.uniform(3.3, 4.0)
    nucleus = ramp(-pavement.centre_um, -size, -size + 0.5)
    field.lay("haematoxylin_blue", nucleus * (0.55 + 0.2 * field.noise(1.2)) * (0.7 + 0.6 * pavement.value))
    return {}


def trichrome(field: Field) -> dict[str, str]:
    """Blue scars around red islands of parenchyma."""
    rng = field.rng
    radius = rng.uniform(42, 60)
    islands = Glands.grown(rng, field.scatter(radius * 2.3, 0.12), radius, spread=0.15, wobble=0.07, stretch=1.15)
    collagen(field, 0.8, cells_um=16)
    scar = field.density.pop("eosin")
    field.lay("trichrome_blue", scar)
    body = field.fill(islands.outlines())
    field.clear(body)
    pavement = field.cells(17, jitter=0.5)
    field.lay("trichrome_red", body * (0.45 + 0.1 * field.noise(2) + 0.12 * (pavement.value - 0.5)))
    field.clear(0.6 * body * np.exp(-((pavement.wall_um / 0.9) ** 2)))
    nucleus = ramp(-pavement.centre_um, -3.6, -3.0) * body
    field.lay("haematoxylin", nucleus * (0.75 + 0.3 * field.noise(1.2)))
    return {}


def fungi(field: Field) -> dict[str, str]:
    """Black branching hyphae with cross walls on a green ground."""
    rng = field.rng
    field.lay("light_green", 0.30 + 0.10 * field.noise(9, octaves=2) + 0.05 * field.noise(2))
    stems = int(rng.integers(9, 16))
    start = rng.uniform(-0.55, 0.55, (stems, 2)) * field.width_um
    lead = rng.uniform(0, 2 * np.pi)
    heading = lead + rng.normal(0, 0.6, (stems, 1)) + np.cumsum(rng.normal(0, 0.09, (stems, 16)), axis=1)
    lines = start[:, None, :] + np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=2) * 4.0, axis=1)
    fork = heading[:, 7:8] + np.where(rng.random((stems, 1)) < 0.5, 0.78, -0.78)  # branches leave at 45 degrees
    turn = fork + np.cumsum(rng.normal(0, 0.08, (stems, 9)), axis=1)
    steps = np.stack([np.cos(turn), np.sin(turn)], axis=2) * 4.0
    steps[:, 0] = 0
    branches = lines[:, 7:8] + np.cumsum(steps, axis=1)
    hypha: Array = np.maximum(field.strokes(lines, 3.4), field.strokes(branches, 3.0))
    core = np.maximum(field.strokes(lines, 1.6), field.strokes(branches, 1.3))
    field.lay("silver", hypha * 2.2 - core * 0.9 + hypha * 0.3 * field.noise(2))
    return {}


def muscle_fibrosis(field: Field) -> dict[str, str]:
    """Red muscle fibres drawn apart by blue collagen strands."""
    wave = np.array([field.rng.uniform(2, 6), field.rng.uniform(40, 80), field.rng.uniform(0, 6.3)])
    across = field.v + (wave[0] * np.sin(field.u / wave[1] + wave[2])).astype(np.float32) + 3 * field.noise(40)
    scar = ramp(field.noise(90, 11, v=across), -0.05, 0.15)
    field.lay("trichrome_red", (1 - scar) * (0.75 + 0.15 * field.noise(50, 2.2, v=across)))
    field.lay("trichrome_blue", scar * (0.6 + 0.3 * field.noise(30, 2, v=across)))
    spindle_nuclei(field, 18, wave, keep=0.8, long_um=13, wide_um=2.6)
    return {}
