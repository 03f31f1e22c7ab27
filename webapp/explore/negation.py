"""Negations that somebody typed. Encoders of this kind do not read them: «without necrosis» brings necrosis to the top."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webapp.explore.asking import LONGEST_TEXT

LONGEST_NEGATED = 6  # words: what goes on longer is a sentence, and no single concept

_CUES = r"negative for|absence of|absent|devoid of|free of|free from|lack of|lacking|without|no|not"
_LEAD = r"(?:any|a|an|the|evidence of|signs of|sign of|features of|obvious|definite|showing|seen)\s+"
# set phrases that deny nothing
_HARMLESS = re.compile(
    r"\bnot otherwise specified\b|\bno special type\b|\bno\.\s*\d+|\bno\s+\d+\b|\bnot only\b|\bwhether or not\b", re.IGNORECASE
)
_NEGATION = re.compile(
    rf"(?:\b(?:with|and|but|or|is|are)\s+)?(?<![\w-])(?:{_CUES})\s+(?:{_LEAD})*"
    r"(?P<what>[^\s,.;:()](?:[^,.;:()]*?))(?=\s+(?:and|but|with|in|of|from|at|near|beside|showing|within)\b|[,.;:()]|$)",
    re.IGNORECASE,
)
_ALTERNATIVES = re.compile(r"\s+(?:or|nor)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Negation:
    """``concepts``: what is denied, each on its own. ``rest``: the text without the negations, "" where nothing else was said."""

    concepts: tuple[str, ...]
    rest: str


def find(text: str) -> Negation | None:
    """None where nothing is denied. Of a text that is too long to be asked, only the beginning is looked at."""
    text = " ".join(text[:LONGEST_TEXT].split())  # the pattern takes the square of a run of blanks
    guarded = _HARMLESS.sub(lambda found: "\0" * len(found.group()), text)
    concepts: list[str] = []
    rest, end = "", 0
    for found in _NEGATION.finditer(guarded):
        what = text[found.start("what") : found.end("what")].strip()
        if "\0" in found.group() or len(what.split()) > LONGEST_NEGATED:
            continue
        concepts += [part.strip() for part in _ALTERNATIVES.split(what) if part.strip()]
        rest, end = rest + text[end : found.start()], found.end()
    if not concepts:
        return None
    return Negation(tuple(dict.fromkeys(concepts)), _clean(rest + text[end:]))


def _clean(text: str) -> str:
    """Without what the negations left behind: doubled commas, a conjunction at an end."""
    text = re.sub(r"\s+([,.;:])", r"\1", " ".join(text.split()))
    text = re.sub(r"([,;:])(?:\s*[,.;:])+", r"\1", text)
    text = re.sub(r"^(?:[\s,.;:]|(?:and|but|or)\b)+|(?:[\s,.;:]|\b(?:and|but|or|with))+$", "", text, flags=re.IGNORECASE)
    return text if any(letter.isalnum() for letter in text) else ""
