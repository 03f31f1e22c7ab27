"""What looks like a patient's identity: names of files are searched here, their headers where they are decoded."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from embedder import Findings, Pattern, Searcher, errors
from webapp.library.metadata import Metadata
from webapp.library.models import IdentityPattern, Image, State

FILE_NAME, HEADER = "file name", "header"  # places of a finding; the others are embedder's
UNSEARCHED = "could not be searched to its end"
NAME_LETTERS, WORDS_LETTERS = 1024, 20_000
CASE_NUMBER = "accession number"  # the pattern of such numbers

MOST_PATTERNS = 64
TRIALS = ("a" * 50_000 + "!", "0" * 50_000 + "!", "Doe-7 " * 8_000, "é,^-" * 8_000)
TRIAL_S = 1.0  # for all of them; the defaults take some hundredths

Found = list[list[str]]  # [place, pattern's name] pairs, as Image.found_identity keeps them


@dataclass(frozen=True)
class Rules:
    """Enabled patterns, ready to search with. ``names``: what reviewers read of each, in the order of ``patterns``."""

    names: tuple[str, ...]
    patterns: tuple[Pattern, ...]

    def found(self, text: str) -> list[str]:
        return [self.names[number] for number in Searcher(self.patterns).found(text)]


def for_names() -> Rules:
    """Asks SQL once: for many names, keep it."""
    return _rules(IdentityPattern.objects.filter(enabled=True, in_names=True))


def for_headers() -> Rules:
    return _rules(IdentityPattern.objects.filter(enabled=True, in_headers=True))


def _rules(rows: Iterable[IdentityPattern]) -> Rules:
    kept = list(rows)
    return Rules(tuple(row.name for row in kept), tuple(Pattern(row.pattern, row.unless) for row in kept))


def fault_of(pattern: str, unless: str = "") -> str:
    """Why the pattern cannot be used, in a sentence; "" where it can."""
    try:
        searcher = Searcher([Pattern(pattern, unless)])
    except errors.BadPattern as exc:
        return f"This is no regular expression of RE2, which knows neither look-ahead nor back-references: {exc}."
    if searcher.found("") or searcher.found("field 7"):
        return "This is found in any text: every image would be held."
    started = time.perf_counter()
    for text in TRIALS:
        searcher.found(text)
    if time.perf_counter() - started > TRIAL_S:
        return "Searching with this takes too long: use fewer counted repetitions."
    return ""


def example_found(pattern: str, unless: str, text: str) -> bool:
    """Raises BadPattern."""
    return bool(Searcher([Pattern(pattern, unless)]).found(text[:WORDS_LETTERS]))


def in_name(path: str, rules: Rules | None = None) -> list[str]:
    """Names of the patterns that ``path``, a file's name with the folders above it, has something of; none where nobody asks."""
    if settings.IDENTITY_CHECK == "off":
        return []
    return (rules or for_names()).found(path[-NAME_LETTERS:])


def found_in_name(path: str, rules: Rules | None = None) -> Found:
    return [[FILE_NAME, name] for name in in_name(path, rules)]


def found_in_words(said: Metadata, rules: Rules | None = None) -> Found:
    """What a table, a form or a file beside the image says of it. A case's number is what a case is called by."""
    if settings.IDENTITY_CHECK == "off":
        return []
    texts = {"caption": said.caption, "finding": said.finding, "case": said.case, "slide": said.slide}
    texts |= {"tags": "\n".join(said.tags), "other fields": "\n".join(map(str, said.extra.values()))}
    told = {place: text[:WORDS_LETTERS] for place, text in texts.items() if text}
    if not told:
        return []
    searched = rules or for_names()
    found = [[place, name] for place, text in told.items() for name in searched.found(text)]
    return [pair for pair in found if pair[0] not in ("case", "slide") or pair[1] != CASE_NUMBER]


def found_as_sent(path: str, said: Metadata) -> Found:
    """In a file's name and in what is said of it: SQL is asked once for both."""
    if settings.IDENTITY_CHECK == "off":
        return []
    rules = for_names()
    return together(found_in_name(path, rules), found_in_words(said, rules))


def found_in_header(findings: Findings, rules: Rules) -> Found:
    found = [[place.shown, rules.names[number]] for place, number in findings.pairs]
    return found if findings.whole else [*found, [HEADER, UNSEARCHED]]


def together(*found: Found) -> Found:
    """Each pair once, in the order in which they were found."""
    return [list(pair) for pair in dict.fromkeys(tuple(pair) for some in found for pair in some)]


def state_after(image: Image, found: Found) -> State:
    """Of a decoded image: what a person has reviewed already is not held again."""
    held = bool(found) and settings.IDENTITY_CHECK == "hold" and image.reviewed_at is None
    return State.HELD if held else State.DECODED
