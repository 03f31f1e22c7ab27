"""What the sandbox and its decoder process say to each other. The decoder's half is a stranger's: every field is checked.

An order is ORDER, then a JSON object, then the file. An answer is ANSWER, then pixels (PICTURE) or a JSON object. The job BOTH is
answered twice, with a HEADER and a PICTURE; the job ALL with FINDINGS between them. A REFUSAL may come in the place of each, and
nothing after it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

ORDER = struct.Struct("<4sIQ")  # MAGIC, bytes of JSON, bytes of the file
ANSWER = struct.Struct("<4scIIQ")  # MAGIC, kind, width, height, bytes that follow
MAGIC = b"cnv1"
READY, PICTURE, HEADER, FINDINGS, REFUSAL = b"r", b"p", b"h", b"f", b"x"
BOTH, ALL = "both", "all"
MAX_JSON_BYTES = 4096
EXIT_OUT_OF_MEMORY = 71


class BadAnswer(Exception):
    """The decoder process does not speak as it should: it is not to be trusted any longer."""


def order(
    job: str,
    *,
    size: int,
    limits: dict[str, Any],
    page: int,
    timeout_s: float,
    cpu_s: int,
    patterns: Sequence[tuple[str, str]] = (),
) -> bytes:
    """The bytes before the file's ``size`` bytes. ``patterns``: what to search its header for, each with its ``unless``."""
    what = {"job": job, "limits": limits, "page": page, "timeout_s": timeout_s, "cpu_s": cpu_s, "patterns": patterns}
    text = json.dumps(what).encode()
    return ORDER.pack(MAGIC, len(text), size) + text


def answer(kind: bytes, payload: dict[str, Any]) -> bytes:
    text = json.dumps(payload).encode()
    return ANSWER.pack(MAGIC, kind, 0, 0, len(text)) + text


def picture(width: int, height: int) -> bytes:
    """The bytes before width × height × 3 bytes of pixels, row by row."""
    return ANSWER.pack(MAGIC, PICTURE, width, height, width * height * 3)


def parse_answer(raw: bytes, *, max_pixels: int) -> tuple[bytes, int, int, int]:
    """(kind, width, height, bytes that follow), bounded. Raises BadAnswer."""
    magic, kind, width, height, size = ANSWER.unpack(raw)
    if magic != MAGIC or kind not in (READY, PICTURE, HEADER, FINDINGS, REFUSAL):
        raise BadAnswer("unknown answer")
    if kind == PICTURE and (not 0 < width * height <= max_pixels or size != width * height * 3):
        raise BadAnswer("impossible picture")
    if kind != PICTURE and size > MAX_JSON_BYTES:
        raise BadAnswer("answer too long")
    return kind, width, height, size


def parse_json(raw: bytes | bytearray) -> dict[str, Any]:
    """Raises BadAnswer."""
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise BadAnswer("no JSON") from exc
    if not isinstance(payload, dict):
        raise BadAnswer("no JSON object")
    return payload
