"""The searches for disguises begin with a quick look. It changes no answer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.disguises import joined, stretched

# Letters that runs, parts of names and tags are made of, and those whose lower case is longer.
_CHARS = st.sampled_from("aeioubBkKsS019_+.-#' ?\u0130\u0131\u017f\u212a")
_WORDS = st.sampled_from(
    [
        "HowDoIKnit",
        "how_do_i_knit_a",
        "#how",
        "#do",
        "#i",
        "#knit",
        "hooow",
        "dooo",
        "iii",
        "baakee",
        "breeaad",
        "ii",
        "uu",
        "FreeBSD",
    ]
)
TEXTS = st.lists(st.text(_CHARS, max_size=12) | _WORDS, max_size=12).map(" ".join)


@given(TEXTS)
def test_joined_words_are_found_by_the_quick_look(text: str) -> None:
    found = joined.from_joined(text)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(joined, "_MAYBE", re.compile(""))
        assert joined.from_joined(text) == found


@given(TEXTS)
def test_stretched_words_are_found_by_the_quick_look(text: str) -> None:
    found = stretched.from_stretched(text), stretched.stretch_is_clear(text)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stretched, "_SINGLE_VOWEL", re.compile("(?!)"))
        assert (stretched.from_stretched(text), stretched.stretch_is_clear(text)) == found


def test_the_texts_hold_what_is_looked_for() -> None:
    assert joined.from_joined("HowDoIKnit") is not None
    assert stretched.from_stretched("hooow dooo weee baaake it") is not None
    assert stretched.stretch_is_clear("hoow doo ii baakee aa piiee")
