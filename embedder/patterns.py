"""Regular expressions that other people wrote, over text that strangers wrote: matched in time linear in the text.

RE2 has no backtracking, so no pattern can hang; it has no look-ahead either, which is what ``unless`` is for.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from embedder.errors import BadPattern

MEMORY_BYTES = 8 << 20  # a pattern that needs more, such as one that repeats \pL a thousand times, is refused
MOST_DISMISSED = 200  # matches that ``unless`` dismisses in one text; where there are more, it counts as found


@dataclass(frozen=True)
class Pattern:
    """Searched without regard to case; a match in which ``unless`` is found does not count."""

    pattern: str
    unless: str = ""


class Searcher:
    """Raises BadPattern."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = [(compiled(each.pattern), compiled(each.unless) if each.unless else None) for each in patterns]

    def found(self, text: str) -> list[int]:
        """The patterns, by their place in the list, that ``text`` has something of."""
        plain = unicodedata.normalize("NFKC", text).encode("utf-8", "replace")
        return [number for number, pair in enumerate(self._patterns) if _counts(*pair, plain)]


def _counts(pattern: Any, unless: Any, text: bytes) -> bool:
    for _ in range(MOST_DISMISSED):
        match = pattern.search(text)
        if match is None:
            return False
        if unless is None or unless.search(match.group()) is None:
            return True
        text = text[max(match.end() - 1, match.start() + 1) :]  # its last letter may be the next one's boundary
    return True


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Any:
    """Raises BadPattern."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = MEMORY_BYTES
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as exc:
        raise BadPattern(_said(exc)) from exc


def _said(exc: Exception) -> str:
    told = exc.args[0] if exc.args else ""
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)
