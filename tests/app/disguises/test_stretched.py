"""Repeated letters are undone exactly where only one reading is left, and plain text stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.exchange import Exchange
from postern.disguises.stretched import from_stretched, stretch_is_clear
from postern.disguises.triggers import disguise_of

VOWEL = re.compile("[aeiou]", re.IGNORECASE)
PLAIN = "How do I keep a loaf of bread fresh in a good freezer for a week?"


def stretched(text: str, times: int) -> str:
    return VOWEL.sub(lambda found: found[0] * times, text)


SYLLABLES = st.lists(
    st.sampled_from(
        ["ba", "ke", "Ii", "tree", "good", "rr", "fu", "ll", "aou", "Y", "?!", ",", "x"]
    ),
    min_size=12,
    max_size=40,
)


@given(SYLLABLES.map(lambda drawn: "da fu ki mo re la " + " da ".join(drawn)), st.integers(2, 6))
def test_vowels_that_are_repeated_equally_often_come_back(text: str, times: int) -> None:
    assert from_stretched(stretched(text, times)) == text
    assert stretch_is_clear(stretched(text, times))


@pytest.mark.parametrize("times", [2, 3, 4])
def test_only_the_decoded_text_is_judged(times: int) -> None:
    disguise = disguise_of(Exchange(stretched(PLAIN, times)))
    assert disguise is not None
    assert (disguise.triggers, disguise.certain) == (("stretched",), True)
    assert disguise.decoded.prompt == PLAIN


def test_capitals_may_be_left_alone() -> None:
    text = re.sub("[aeiou]", lambda found: found[0] * 3, PLAIN.replace("do I keep", "did I Always"))
    assert "diiid I Alwaaays" in text
    assert stretch_is_clear(text)
    assert from_stretched(text) == PLAIN.replace("do I keep", "did I Always")


def test_unequal_repeats_are_a_guess() -> None:
    found = disguise_of(Exchange("Sooo hooow do I baaaake breeead toniiiight"))
    assert found is not None
    assert not found.certain
    assert found.decoded.prompt == "So how do I bake bread tonight"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "That is sooo good, thanks a lot for your help with this.",
        "See www.example.org, chapters III, VIII and XIII.",
        "Colours #fff, #eee and #aaa",
        "aaa bbb ccc",
        "book " * 30,
        "See, good food soon. Keep cool, feed geese, root beets.",
        "Aaaah!",
        "",
    ],
)
def test_plain_text_stays(text: str) -> None:
    assert from_stretched(text) is None
