"""Points and vectors for the index's tests."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import numpy as np

from search import Payload, Point, Schema

DIM = 32
SCHEMA = Schema(fingerprint="0123456789abcdef0123456789abcdef", dim=DIM)
OTHER_ENCODER = Schema(fingerprint="fedcba9876543210fedcba9876543210", dim=DIM)

LUNG = str(uuid.UUID(int=1))  # app collections
LIVER = str(uuid.UUID(int=2))
HIDDEN = str(uuid.UUID(int=3))


def axis(number: int) -> np.ndarray:
    """The unit vector along one axis."""
    vector = np.zeros(DIM, np.float32)
    vector[number] = 1.0
    return vector


def between(first: int, second: int, share: float) -> np.ndarray:
    """A unit vector with cosine ``share`` to the first axis, the rest along the second."""
    vector: np.ndarray = (share * axis(first) + np.sqrt(1 - share**2) * axis(second)).astype(np.float32)
    return vector


def unit_rows(n: int, *, seed: int, dim: int = DIM) -> np.ndarray:
    rows = np.random.Generator(np.random.PCG64(seed)).standard_normal((n, dim)).astype(np.float32)
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def point_id(number: int) -> str:
    """A UUID as the site makes them: its order says nothing about the order of insertion."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


def point(number: int, vector: np.ndarray, **fields) -> Point:
    return Point(point_id(number), vector, Payload(**({"collection": LUNG} | fields)))


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)
