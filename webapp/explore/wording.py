"""The words of a question -> weighted vectors: free words, concepts that pull or push, and the builder's prompts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from webapp.accounts.models import User
from webapp.explore.asking import SearchQuery
from webapp.explore.builder import Built, build
from webapp.explore.composing import Part, unit_sum
from webapp.explore.encoding import encode_query


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """``cut_text``: the end of the free words that was not read. ``built``: what the builder's slots became, if any."""

    parts: list[Part]
    cut_text: str = ""
    built: Built | None = None


def said(query: SearchQuery, *, user: User, fingerprint: str) -> Said:
    """All texts go to the encoder in one call. Raises Outage."""
    built = build(query.slots, user=user) if query.slots else None
    weights = _weights(query)
    prompts = list(built.prompts) if built else []
    texts = [text for _, text in weights]
    if not texts and not prompts:
        return Said(parts=[])
    encoded = encode_query([*texts, *prompts], fingerprint=fingerprint)
    parts: list[Part] = [(weight, one.vector) for (weight, _), one in zip(weights, encoded, strict=False)]
    if prompts:
        mean = np.mean([one.vector for one in encoded[len(texts) :]], axis=0)
        parts.append((1.0, unit_sum([(1.0, mean)])))
    return Said(parts=parts, cut_text=encoded[0].cut if query.is_text else "", built=built)


def _weights(query: SearchQuery) -> list[tuple[float, str]]:
    free = [(1.0, query.text)] if query.is_text else []
    wanted = [(concept.weight, concept.text) for concept in query.plus]
    unwanted = [(-concept.weight, concept.text) for concept in query.minus]
    return [*free, *wanted, *unwanted]
