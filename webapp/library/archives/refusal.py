"""Why an archive, or one file of it, is not taken. Sentences give numbers, never names: those are whoever made the archive's."""

from __future__ import annotations


class Refused(Exception):
    """``reason``: a code; ``text``: one sentence for people, which names the limit or the number of the entry."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason, self.text = reason, text


class Damaged(Refused):
    """One file of an archive that is sound otherwise: it fails alone."""
