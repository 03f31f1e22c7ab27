"""Outlines of cells and glands in micrometres: geometry only, no pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]


def scatter(rng: np.random.Generator, *, reach_um: float, spacing_um: float, jitter: float = 0.3) -> Points:
    """Points [n, 2] of a shaken honeycomb over the square |u|, |v| <= reach, in random order.

    jitter is the standard deviation as a fraction of the spacing: 0.1 is a pavement, 0.5 a crowd.
    """
    rows = np.arange(-reach_um, reach_um + spacing_um, spacing_um * 0.866)
    columns = np.arange(-reach_um, reach_um + spacing_um, spacing_um)
    u, v = np.meshgrid(columns, rows)
    u[1::2] += spacing_um / 2
    points = np.stack([u.ravel(), v.ravel()], axis=1) + rng.uniform(-0.5, 0.5, 2) * spacing_um
    points += rng.normal(0.0, jitter * spacing_um, points.shape)
    return rng.permutation(points)


def blobs(
    rng: np.random.Generator,
    centres: Points,
    radius_um: float | Points,
    *,
    stretch: float | Points = 1.0,
    angle: float | Points | None = None,
    wobble: float = 0.08,
    corners: int = 14,
) -> Points:
    """Polygons [n, corners, 2]: ellipses of the same area as their circle, long axis at `angle`, edges uneven."""
    n = len(centres)
    theta = np.linspace(0.0, 2 * np.pi, corners, endpoint=False)
    waves = np.array([2, 3, 4])
    amplitude = rng.normal(0.0, wobble, (n, 3)) / np.array([1.0, 1.3, 1.8])
    phase = rng.uniform(0.0, 2 * np.pi, (n, 3))
    random_angle = rng.uniform(0.0, np.pi, n)
    tilt = random_angle if angle is None else np.broadcast_to(np.asarray(angle, float), n)
    edge = 1.0 + (amplitude[:, :, None] * np.cos(waves[:, None] * theta + phase[:, :, None])).sum(axis=1)
    edge *= np.broadcast_to(np.asarray(radius_um, float), n)[:, None]
    root = np.sqrt(np.broadcast_to(np.asarray(stretch, float), n))[:, None]
    along, across = edge * np.cos(theta) * root, edge * np.sin(theta) / root
    return centres[:, None, :] + turned(np.stack([along, across], axis=2), tilt[:, None])


def turned(points: Points, angle: float | Points) -> Points:
    """Points [..., 2] turned about the origin."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([points[..., 0] * cos - points[..., 1] * sin, points[..., 0] * sin + points[..., 1] * cos], axis=-1)


def shrunk(polygons: Points, factor: float) -> Points:
    """Each polygon drawn in towards its own middle."""
    middle = polygons.mean(axis=1, keepdims=True)
    moved: Points = middle + (polygons - middle) * factor
    return moved


@dataclass(frozen=True)
class Glands:
    """Closed walls about centres: anything with an outside, a lining and a lumen (crypt, follicle, tubule, nest)."""

    centres: Points  # [n, 2]
    radii: Points  # [n]
    amplitude: Points  # [n, waves]
    phase: Points  # [n, waves]
    stretch: float
    tilt: float

    @classmethod
    def grown(
        cls,
        rng: np.random.Generator,
        centres: Points,
        radius_um: float,
        *,
        spread: float = 0.1,
        wobble: float = 0.05,
        stretch: float = 1.0,
    ) -> Glands:
        n = len(centres)
        radii = radius_um * np.clip(rng.normal(1.0, spread, n), 0.6, 1.5)
        amplitude = rng.normal(0.0, wobble, (n, 4)) / np.array([1.0, 1.2, 1.6, 2.0])
        return cls(centres, radii, amplitude, rng.uniform(0, 2 * np.pi, (n, 4)), stretch, rng.uniform(0, np.pi))

    def at(self, theta: Points, fraction: float | Points) -> Points:
        """Points [n, m, 2] at angles theta [n, m] and a fraction of the way from centre (0) to wall (1)."""
        reach = self._wall(theta) * fraction
        root = np.sqrt(self.stretch)
        local = np.stack([reach * np.cos(theta) * root, reach * np.sin(theta) / root], axis=2)
        return self.centres[:, None, :] + turned(local, self.tilt)

    def outlines(self, fraction: float = 1.0, corners: int = 40) -> Points:
        theta = np.linspace(0.0, 2 * np.pi, corners, endpoint=False)
        return self.at(np.broadcast_to(theta, (len(self.centres), corners)), fraction)

    def around(self, rng: np.random.Generator, count: int) -> Points:
        """Angles [n, count], evenly spread but for a little shaking: where the lining cells stand."""
        even = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
        return even + rng.normal(0.0, 1.2 / count, (len(self.centres), count)) + rng.uniform(0, 6.3, (len(self.radii), 1))

    def outward(self, points: Points) -> Points:
        """Direction [n, m] from each gland's centre to its points [n, m, 2]."""
        away = points - self.centres[:, None, :]
        return np.arctan2(away[..., 1], away[..., 0])

    def hold(self, points: Points, fraction: float = 1.0) -> npt.NDArray[np.bool_]:
        """Which of the points [m, 2] lie inside any of the glands."""
        if not len(self.centres):
            return np.zeros(len(points), bool)
        local = turned(points[None, :, :] - self.centres[:, None, :], -self.tilt)
        root = np.sqrt(self.stretch)
        x, y = local[..., 0] / root, local[..., 1] * root
        return np.asarray((np.hypot(x, y) < self._wall(np.arctan2(y, x)) * fraction).any(axis=0))

    def _wall(self, theta: Points) -> Points:
        waves = np.array([2, 3, 4, 5])[:, None]
        bumps = (self.amplitude[..., None] * np.cos(waves * theta[:, None, :] + self.phase[..., None])).sum(axis=1)
        return np.asarray(self.radii[:, None] * np.maximum(1.0 + bumps, 0.2))
