from __future__ import annotations

import time

import pytest

from embedder import Pattern, Searcher
from embedder.errors import BadPattern


def found(pattern: str, text: str, *, unless: str = "") -> bool:
    return Searcher([Pattern(pattern, unless)]).found(text) == [0]


def test_case_and_the_way_letters_are_composed_do_not_matter():
    assert found("mrn", "an MRN of 4 digits")
    assert found("müller", "Mu\u0308ller")
    assert found("MRN0", "ＭＲＮ０")


def test_a_match_that_is_dismissed_does_not_count_and_the_next_one_does():
    assert not found(r"\w+, \w+", "kidney, cortex", unless="cortex")
    assert found(r"\w+, \w+", "kidney, cortex; doe, jane", unless="cortex")


def test_words_side_by_side_share_their_border():
    assert found(r"(?:^|[^a-z])[a-z]{3}(?:$|[^a-z])", "one two six", unless="one|two")


def test_what_is_dismissed_too_often_counts():
    assert found("a", "a" * 1000, unless="a")


def test_the_pattern_that_makes_others_hang_takes_no_time():
    started = time.perf_counter()
    assert not found(r"(a+)+$", "a" * 1_000_000 + "b")
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", r"(?:(?:\pL{99}){99}){99}", "a{1001}", "\ud800"])
def test_what_cannot_be_searched_in_linear_time_is_refused_with_a_sentence(pattern):
    with pytest.raises(BadPattern) as refused:
        Searcher([Pattern(pattern)])
    assert str(refused.value)


def test_an_empty_text_and_half_a_letter_are_searched():
    assert not found("mrn", "")
    assert found("mrn", "\ud800 MRN")
