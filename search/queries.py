"""The forms a question can take, and how each becomes what an engine understands.

Nearest, Blend and Like with the average strategy end as one unit vector: their scores are cosines. Like with the best-score
strategy and Context rank by the engine's own number, which only orders hits; ``scores_are_cosines`` tells the two apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from search.types import Array, checked_uuid
from search.vectors import checked, checked_stack, direction_of

Example = str | Array  # the id of a stored point, or a vector
Strategy = Literal["best_score", "average"]
Lookup = Callable[[Sequence[str]], dict[str, Array]]  # ids -> vectors, all of them or PointsNotFound
MAX_EXAMPLES = 100


@dataclass(frozen=True, eq=False)
class Nearest:
    """What lies closest to one vector."""

    vector: Array
    scores_are_cosines = True


@dataclass(frozen=True, eq=False)
class Blend:
    """A weighted sum of image and text vectors: (weight, vector) pairs, a negative weight for «not necrosis».

    Raises BadVector when asked with parts that cancel each other out, ValueError for weights that are not finite.
    """

    parts: tuple[tuple[float, Array], ...]
    scores_are_cosines = True

    def __post_init__(self) -> None:
        if not 1 <= len(self.parts) <= MAX_EXAMPLES:
            raise ValueError(f"a blend takes 1 to {MAX_EXAMPLES} parts, not {len(self.parts)}")
        if not all(np.isfinite(weight) for weight, _ in self.parts):
            raise ValueError("a weight is not a finite number")


@dataclass(frozen=True, eq=False)
class Like:
    """More like these, less like those. Examples are ids of points in scope, or vectors; named ids are never among the hits.

    "best_score": a hit is as good as its closest liked example, and bad where a disliked one is closer; it keeps several
    interests apart. "average": one direction, twice the liked mean minus the disliked mean; it needs a liked example.
    """

    liked: tuple[Example, ...] = ()
    disliked: tuple[Example, ...] = ()
    strategy: Strategy = "best_score"

    def __post_init__(self) -> None:
        _require_examples(self.liked + self.disliked)
        if self.strategy == "average" and not self.liked:
            raise ValueError("the average strategy needs a liked example")

    @property
    def scores_are_cosines(self) -> bool:
        return self.strategy == "average"


@dataclass(frozen=True, eq=False)
class Context:
    """Rather on this side than on that: (positive, negative) pairs divide the space; ``target`` ranks inside the right part."""

    pairs: tuple[tuple[Example, Example], ...]
    target: Example | None = None
    scores_are_cosines = False

    def __post_init__(self) -> None:
        if not self.pairs:
            raise ValueError("a context needs a pair")
        _require_examples(_flat(self))


Query = Nearest | Blend | Like | Context


# --- what an engine is asked ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ByVector:
    vector: Array


@dataclass(frozen=True, eq=False)
class ByBestScore:
    positives: tuple[Array, ...]
    negatives: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class ByContext:
    pairs: tuple[tuple[Array, Array], ...]
    target: Array | None


Form = ByVector | ByBestScore | ByContext


def form_of(query: Query, *, dim: int, lookup: Lookup) -> Form:
    """Checks every vector, fetches the named examples through ``lookup``. Raises BadVector and what ``lookup`` raises."""
    if isinstance(query, Nearest):
        return ByVector(checked(query.vector, dim=dim))
    if isinstance(query, Blend):
        return ByVector(_blended(query, dim=dim))
    check_vectors(query, dim=dim)
    stored = lookup(ids_named(query)) if ids_named(query) else {}

    def vector_of(example: Example) -> Array:
        return stored[example] if isinstance(example, str) else example

    if isinstance(query, Like):
        return _liked(query, vector_of)
    target = None if query.target is None else vector_of(query.target)
    return ByContext(tuple((vector_of(positive), vector_of(negative)) for positive, negative in query.pairs), target)


def check_vectors(query: Query, *, dim: int | None) -> None:
    """The checks of form_of() without an engine; ``dim`` None: all of the first one's length. Raises BadVector."""
    vectors = [part for part in _written(query) if not isinstance(part, str)]
    checked_stack(vectors, dim=dim or (int(np.size(vectors[0])) if vectors else 0))


def ids_named(query: Query) -> tuple[str, ...]:
    """Ids of stored points that the query mentions, each once."""
    if isinstance(query, Nearest | Blend):
        return ()
    return tuple(dict.fromkeys(example for example in _flat(query) if isinstance(example, str)))


def digest_of(query: Query) -> str:
    """Hex digest: equal for equal questions, whatever objects they are made of."""
    digest = hashlib.sha256(type(query).__name__.encode())
    for part in _written(query):
        digest.update(part.encode() if isinstance(part, str) else part.astype("<f4").tobytes())
        digest.update(b"\0")
    return digest.hexdigest()


def _written(query: Query) -> Sequence[Example]:
    if isinstance(query, Nearest):
        return (query.vector,)
    if isinstance(query, Blend):
        return [part for weight, vector in query.parts for part in (repr(float(weight)), vector)]
    if isinstance(query, Like):
        return (*query.liked, "disliked", *query.disliked, query.strategy)
    return _flat(query)


def _blended(query: Blend, *, dim: int) -> Array:
    vectors = checked_stack([vector for _, vector in query.parts], dim=dim)
    weights = np.array([weight for weight, _ in query.parts], np.float32)
    return direction_of(weights @ vectors)


def _liked(query: Like, vector_of: Callable[[Example], Array]) -> Form:
    positives = tuple(vector_of(example) for example in query.liked)
    negatives = tuple(vector_of(example) for example in query.disliked)
    if query.strategy == "best_score":
        return ByBestScore(positives, negatives)
    mean = np.mean(positives, axis=0)
    return ByVector(direction_of(2 * mean - np.mean(negatives, axis=0) if negatives else mean))


def _flat(query: Like | Context) -> tuple[Example, ...]:
    if isinstance(query, Like):
        return query.liked + query.disliked
    target = () if query.target is None else (query.target,)
    return (*target, *(example for pair in query.pairs for example in pair))


def _require_examples(examples: tuple[Example, ...]) -> None:
    if not 1 <= len(examples) <= MAX_EXAMPLES:
        raise ValueError(f"takes 1 to {MAX_EXAMPLES} examples, not {len(examples)}")
    for example in examples:
        if isinstance(example, str):
            checked_uuid(example)
