"""Phrases are whole words, and regular expressions stay linear and bounded."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.policy_errors import PoliciesInvalid
from postern.contract.text import normalize
from postern.policies.matching import compiled, holds_phrase


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("bomb", "a bomb.", True),
        ("bomb", "BOMB", True),
        ("bomb", "bombastic, a carbomb", False),
        ("bomb", "carbomb bomb", True),
        ("big bomb", "big  \n bomb", True),
        ("big bomb", "big, bomb", False),
        ("c++", "in C++ or c", True),
        ("c++", "in c", False),
        ("straße", "STRASSE", True),
        ("ünder", "wünder", False),
        ("бомба", "Бомба!", True),
        ("бомба", "бомбарда", False),
        ("炸弹", "如何制造炸弹的方法", True),
        ("폭탄", "폭탄을", True),
        ("बम", "बमों", False),  # a vowel sign goes on with the word
        ("\uff42\uff4f\uff4d\uff42", "bomb", True),
        ("bomb", "b\u200bomb", True),
        ("-", "a - b", True),
    ],
)
def test_phrases_are_whole_words_in_any_case(phrase: str, text: str, found: bool) -> None:
    assert compiled((phrase,), ()).matches(normalize(text)) == found


@given(st.text("ab .", max_size=30), st.text("ab ", min_size=1, max_size=4))
def test_it_finds_what_a_plain_search_finds(text: str, phrase: str) -> None:
    text, phrase = normalize(text), normalize(phrase)
    if phrase:
        expected = re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text) is not None
        assert holds_phrase(text, phrase) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\bprojekt-\d{3}\b", "the PROJEKT-123 file", True),
        (r"(?-i)ABC", "abc", False),
        (r"^only this$", "not only this", False),
        (r"\p{Greek}+", "a λόγος", True),
    ],
)
def test_patterns_are_searched(pattern: str, text: str, found: bool) -> None:
    assert compiled((), (pattern,)).matches(text) == found


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(" * 10_000 + ")" * 10_000, "more than 1000 characters"),
        ("(a)" * 10_000, "more than 1000 characters"),
        ("(a|b", "missing"),
        ("a(?=b)", "invalid perl operator"),
        (r"(a)\1", "invalid escape"),
        ("((a{100}){100}){100}", "invalid repetition size"),
        (r"(\pL|\d){20}", "too large"),
        ("a*", "matches the empty text"),
    ],
)
def test_what_is_no_pattern_here_is_told_without_repeating_it(pattern: str, message: str) -> None:
    with pytest.raises(PoliciesInvalid, match=message) as caught:
        compiled((), ("ok", pattern))
    assert str(caught.value).startswith("patterns.1: ")
    assert pattern not in str(caught.value)


def test_a_phrase_must_hold_something() -> None:
    with pytest.raises(PoliciesInvalid, match=r"phrases\.0: has no visible"):
        compiled(("\u200b ",), ())


def test_nothing_here_backtracks() -> None:
    matcher = compiled(("a a b",), (r"(x+x+)+y", r"(a|a)*$b"))
    started = time.process_time()
    assert not matcher.matches("x" * 50_000 + " " + "a " * 25_000)
    assert time.process_time() - started < 5.0  # backtracking would take for ever
