"""EncoderSpec: everything that decides what a vector means, and the one fingerprint made of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

FINGERPRINT_HEX_DIGITS = 32  # 128 bits: short enough for a collection name, long enough never to collide


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """What an encoder is. Two encoders whose specs differ must never share an index.

    ``weights_sha256``, ``tokenizer_sha256``: hex digests of the exact bytes loaded.
    ``image_side_px``: side of the square the vision tower sees.
    ``preprocessing``: version name of decode + resize + crop + normalise; changes when a pixel would.
    ``projection``: how search vectors follow from probe vectors.
    ``dim``, ``probe_dim``: length of search and probe vectors.
    ``context_length``: tokens read of a prompt; what is past them is cut.
    ``precision``: "float32" or "bfloat16", what the towers compute in (vectors are always returned as float32).
    """

    name: str
    weights_sha256: str
    tokenizer_sha256: str
    preprocessing: str
    projection: str
    image_side_px: int
    dim: int
    probe_dim: int
    context_length: int
    precision: str = "float32"

    @property
    def fingerprint(self) -> str:
        """Hex digest over every field: the same on every machine, other as soon as one field is."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:FINGERPRINT_HEX_DIGITS]
