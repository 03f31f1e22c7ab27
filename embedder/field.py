"""The microscope's field: a square of glass in micrometres on which stain is laid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from embedder import shapes
from embedder.shapes import Points

Array = npt.NDArray[np.floating[Any]]  # float32, but for what a painter adds in double precision

DEEPEST = 3.0  # optical density that a painted shape's full value stands for
_TABLE = 64  # lattice of random values behind a noise; it repeats beyond 64 grains, wider than any field


class Field:
    """Densities of stain [side, side] over a field of `width_um`; tissue coordinates u, v are turned by a random angle.

    Painters think in micrometres and draw their random numbers in an order that never depends on side_px: the same
    seed shows the same tissue at every resolution.
    """

    def __init__(self, rng: np.random.Generator, *, side_px: int, width_um: float) -> None:
        self.rng, self.side_px, self.width_um = rng, side_px, width_um
        self.reach_um = 0.75 * width_um  # half the diagonal and a little more: covers the field at any angle
        self.density: dict[str, Array] = {}
        self.angle = float(rng.uniform(0.0, 2 * np.pi))
        self._fine = max(2, math.ceil(320 / side_px))  # shapes are drawn this much finer, then averaged down
        line = ((np.arange(side_px, dtype=np.float32) + 0.5) / side_px - 0.5) * np.float32(width_um)
        x, y = np.meshgrid(line, line)
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        self.u: Array = np.asarray(x * cos + y * sin, np.float32)
        self.v: Array = np.asarray(y * cos - x * sin, np.float32)

    def lay(self, stain: str, density: Array) -> None:
        """Adds stain; density may hold negative values, which bleach what lies there already."""
        held = self.density.get(stain)
        self.density[stain] = np.maximum(density if held is None else held + density, 0)

    def clear(self, mask: Array) -> None:
        """Removes every stain where the mask is 1: a lumen, a crack, a vacuole."""
        for stain, held in self.density.items():
            self.density[stain] = held * (1 - mask)

    def scatter(self, spacing_um: float, jitter: float = 0.3) -> Points:
        return shapes.scatter(self.rng, reach_um=self.reach_um, spacing_um=spacing_um, jitter=jitter)

    def inside(self, points: Points) -> npt.NDArray[np.bool_]:
        """Which of the points [n, 2] the field shows."""
        return np.asarray((np.abs(shapes.turned(points, self.angle)) < self.width_um / 2).all(axis=-1))

    def fill(self, polygons: Points, values: float | Points = 1.0) -> Array:
        """Polygons [n, k, 2] painted in order, each with its value in 0..1: float32 [side, side]."""
        picture, draw, scaled = self._easel(polygons)
        levels = np.broadcast_to(np.clip(np.asarray(values) * 255, 0, 255).astype(int), len(polygons))
        seen = ((scaled.max(axis=1) > 0) & (scaled.min(axis=1) < picture.width)).all(axis=1)
        for corners, level in zip(
            scaled[seen].reshape(int(seen.sum()), polygons.shape[1] * 2).tolist(), levels[seen].tolist(), strict=True
        ):
            draw.polygon(corners, fill=level)
        return self._averaged(picture)

    def strokes(self, lines: Points, width_um: float, values: float | Points = 1.0) -> Array:
        """Open lines [n, k, 2] of one width, each with its value in 0..1: float32 [side, side]."""
        picture, draw, scaled = self._easel(lines)
        levels = np.broadcast_to(np.clip(np.asarray(values) * 255, 0, 255).astype(int), len(lines))
        width = max(1, round(width_um / self.width_um * picture.width))
        for corners, level in zip(scaled.reshape(len(lines), lines.shape[1] * 2).tolist(), levels.tolist(), strict=True):
            draw.line(corners, fill=level, width=width, joint="curve" if width > 3 else None)
        return self._averaged(picture)

    def nuclei(
        self,
        polygons: Points,
        density: float | Points,
        *,
        stain: str = "haematoxylin",
        rim: float = 1.3,
        grain: float = 0.35,
        grain_um: float = 0.9,
    ) -> Array:
        """Lays nuclei with a darker membrane (`rim` times the inside) and clumped chromatin; returns where, in 0..1."""
        values = np.broadcast_to(np.asarray(density, float) / DEEPEST, len(polygons))
        both = np.stack([polygons, shapes.shrunk(polygons, 0.76)], axis=1).reshape(-1, *polygons.shape[1:])
        depth = self.fill(both, np.stack([values * rim, values], axis=1).ravel()) * DEEPEST
        self.lay(stain, depth * (1 + grain * self.noise(grain_um)))
        return np.asarray(np.minimum(depth / max(float(values.mean()) * DEEPEST, 1e-3), 1))

    def noise(
        self,
        u_um: float,
        v_um: float | None = None,
        *,
        u: Array | None = None,
        v: Array | None = None,
        octaves: int = 1,
    ) -> Array:
        """Smooth random field about -1..1, grains u_um by v_um across; u, v bend the coordinates."""
        first, second = self.u if u is None else u, self.v if v is None else v
        total = np.zeros_like(first)
        for octave in range(octaves):
            scale = 2.0**octave
            total += _lattice(self.rng, first * (scale / u_um), second * (scale / (v_um or u_um))) * np.float32(1 / scale)
        return total

    def cells(self, spacing_um: float, *, jitter: float = 0.6, u: Array | None = None, v: Array | None = None) -> Cells:
        """A pavement of cells about spacing_um across, bent by u, v."""
        return Cells(self.rng, spacing_um, jitter, self.u if u is None else u, self.v if v is None else v)

    def _easel(self, points: Points) -> tuple[Image.Image, ImageDraw.ImageDraw, Points]:
        size = self.side_px * self._fine
        picture = Image.new("L", (size, size))
        scaled = (shapes.turned(points, self.angle) / self.width_um + 0.5) * size
        return picture, ImageDraw.Draw(picture), scaled

    def _averaged(self, picture: Image.Image) -> Array:
        return np.asarray(picture.reduce(self._fine), dtype=np.float32) / np.float32(255)


class Cells:
    """Worley's pavement: per pixel the way to the nearest wall, to the nearest centre, and the cell's own random value."""

    def __init__(self, rng: np.random.Generator, spacing_um: float, jitter: float, u: Array, v: Array) -> None:
        shaken = rng.uniform(-0.5, 0.5, (2, _TABLE, _TABLE)).astype(np.float32) * np.float32(jitter)
        own = rng.random((_TABLE, _TABLE)).astype(np.float32)
        u, v = u / np.float32(spacing_um), v / np.float32(spacing_um * 0.866)
        row0 = np.floor(v).astype(np.int32)
        nearest = np.full_like(u, 9.0)
        second = np.full_like(u, 9.0)
        value = np.zeros_like(u)
        for step in (-1, 0, 1):
            row = row0 + step
            shift = (row & 1) * np.float32(0.5)
            column0 = np.floor(u - shift).astype(np.int32)
            for side in (-1, 0, 1):
                index = ((row & (_TABLE - 1)) << 6) | ((column0 + side) & (_TABLE - 1))
                du = column0 + np.float32(side + 0.5) + shift + shaken[0].ravel()[index] - u
                dv = (row + np.float32(0.5) + shaken[1].ravel()[index] - v) * np.float32(0.866)
                away = du * du + dv * dv
                closer = away < nearest
                second = np.where(closer, nearest, np.minimum(second, away))
                nearest = np.where(closer, away, nearest)
                value = np.where(closer, own.ravel()[index], value)
        self.centre_um: Array = np.sqrt(nearest) * np.float32(spacing_um)
        self.wall_um: Array = (np.sqrt(second) * np.float32(spacing_um) - self.centre_um) / 2
        self.value: Array = value


def _lattice(rng: np.random.Generator, u: Array, v: Array) -> Array:
    """Value noise in -1..1 over a lattice of unit cells."""
    table = rng.uniform(-1.0, 1.0, _TABLE * _TABLE).astype(np.float32)
    u = u + np.float32(rng.uniform(0, _TABLE))
    v = v + np.float32(rng.uniform(0, _TABLE))
    column, row = np.floor(u), np.floor(v)
    fu, fv = u - column, v - row
    fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
    left, top = column.astype(np.int32) & (_TABLE - 1), (row.astype(np.int32) & (_TABLE - 1)) << 6
    right, bottom = (left + 1) & (_TABLE - 1), (top + _TABLE) & (_TABLE * _TABLE - 1)
    upper = table[top | left] * (1 - fu) + table[top | right] * fu
    lower = table[bottom | left] * (1 - fu) + table[bottom | right] * fu
    return np.asarray(upper * (1 - fv) + lower * fv)


def ramp(values: Array, low: float, high: float) -> Array:
    """0 up to low, 1 from high on, straight between."""
    return np.asarray(np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1))
