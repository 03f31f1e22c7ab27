"""From Edge to a server, to a cluster, or back: one index streamed into a new version of another, and made live when it is whole.

Points go in the order of their ids. A cut-off run goes on where it stopped: the last id that the target acknowledged is kept in
a file. At the end the counts must agree and sampled vectors must be equal at storage precision; only then is the target switched.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import UUID

import numpy as np

from search.contract import VectorIndex
from search.errors import CopyMismatch, CountMismatch, IndexMissing
from search.types import Scope

EVERYTHING = Scope.everything()
BATCH = 500
SAMPLED = 200
STRETCH = 10  # points compared from one random id on
SAME = 2e-3  # cosines of float16 vectors, stored twice


@dataclass(frozen=True)
class Progress:
    copied: int
    total: int


@dataclass(frozen=True)
class Migration:
    """What a finished copy is: the target's new version, its points, and how many vectors were compared."""

    version: str
    points: int
    compared: int


@dataclass(frozen=True)
class _Mark:
    """Where a run stands."""

    source: str
    version: str
    next_id: str | None
    copied: int


def migrate(
    source: VectorIndex,
    target: VectorIndex,
    *,
    mark: Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
    batch: int = BATCH,
    switch: bool = True,
) -> Migration:
    """Copies the live version of ``source`` into a new version of ``target`` and makes it live.

    ``mark``: a file that remembers an unfinished run; the same call resumes it. The source may answer meanwhile but must not be
    written to. Raises CountMismatch or CopyMismatch, with the target's live version as it was; whatever the engines raise.
    """
    described = source.describe()
    at = _read(mark, target, source=described.name)
    if at is None:
        at = _Mark(described.name, target.create_version(described.schema), None, 0)
        _write(mark, at)
    copy = target.at_version(at.version)
    if not (at.copied and at.next_id is None):
        at = _stream(source, copy, at, mark=mark, total=described.points, on_progress=on_progress, batch=batch)
    compared = verify(source, copy)
    if switch:
        target.switch(at.version, expected_points=described.points)
    mark.unlink()
    return Migration(at.version, described.points, compared)


def verify(source: VectorIndex, copy: VectorIndex, *, sampled: int = SAMPLED, seed: int = 0) -> int:
    """Counts agree, and so do sampled points with their payload; how many were compared. CountMismatch, CopyMismatch."""
    expected, found = source.count(scope=EVERYTHING), copy.count(scope=EVERYTHING)
    if found != expected:
        raise CountMismatch(f"the copy holds {found} points, the original {expected}")
    random, compared = Random(seed), 0
    while compared < min(sampled, expected):
        start = _random_uuid(random) if expected > sampled else None
        compared += _same_stretch(source, copy, start) or _same_stretch(source, copy, None)
    return compared


def _same_stretch(source: VectorIndex, copy: VectorIndex, from_id: str | None) -> int:
    """Compares some points from an id on; how many there were. Raises CopyMismatch."""
    size = STRETCH if from_id else SAMPLED
    points = source.scroll(scope=EVERYTHING, size=size, from_id=from_id, vectors=True).points
    copied = {point.id: point for point in copy.scroll(scope=EVERYTHING, size=size, from_id=from_id, vectors=True).points}
    for point in points:
        other = copied.get(point.id)
        if other is None or other.payload != point.payload or not np.allclose(other.vector, point.vector, rtol=0, atol=SAME):
            raise CopyMismatch(f"point {point.id} of the copy differs from the original")
    return len(points)


def _stream(
    source: VectorIndex,
    copy: VectorIndex,
    at: _Mark,
    *,
    mark: Path,
    total: int,
    on_progress: Callable[[Progress], None],
    batch: int,
) -> _Mark:
    for stretch in source.scroll_all(scope=EVERYTHING, size=batch, from_id=at.next_id, vectors=True):
        copy.upsert(stretch.points)
        at = _Mark(at.source, at.version, stretch.next_id, at.copied + len(stretch.points))
        _write(mark, at)
        on_progress(Progress(at.copied, total))
    return at


def _read(mark: Path, target: VectorIndex, *, source: str) -> _Mark | None:
    """The unfinished run, unless it belongs to another source version or its target version is gone."""
    if not mark.exists():
        return None
    try:
        found = _Mark(**json.loads(mark.read_text()))
        target.at_version(found.version)
    except (ValueError, TypeError, IndexMissing):
        return None
    return found if found.source == source else None


def _write(mark: Path, at: _Mark) -> None:
    draft = mark.with_name(mark.name + ".new")
    draft.write_text(json.dumps(vars(at)))
    draft.replace(mark)


def _random_uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128)))
