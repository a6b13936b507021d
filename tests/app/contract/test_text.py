"""Normalization hides nothing: idempotent, no invisible characters, no heaps, one white space."""

from __future__ import annotations

import time
import tracemalloc
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.errors import EmptyPrompt
from postern.contract.exchange import Exchange
from postern.contract.text import TEXT_FORMAT, expanded_length, is_visible, normalize, segments

INVISIBLE = [
    *("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff"),  # zero width
    *("\u200e", "\u200f", "\u061c"),  # directional marks
    *("\u202a", "\u202b", "\u202c", "\u202d", "\u202e"),  # embeddings, overrides
    *("\u2066", "\u2067", "\u2068", "\u2069"),  # isolates
    *("\u00ad", "\u034f", "\u115f", "\u3164", "\ufe0f", "\U000e0001", "\U000e007f", "\U000e0100"),
]
TAGS = [chr(point) for point in range(0xE0020, 0xE007F)]
CONTROLS = [chr(point) for point in (*range(9), *range(14, 32), *range(127, 160))]
CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(INVISIBLE + TAGS + CONTROLS),
    st.sampled_from("\u0301\u0316\u0327\u0344\uff9e\ufdfa\ufb01\u1100\u1161\u11a8\u3000 \t\n"),
)
TEXTS = st.text(CHARACTERS, max_size=120)


@given(TEXTS)
@settings(max_examples=300)
def test_normalize_is_idempotent(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
    assert unicodedata.is_normalized("NFKC", once)


@given(TEXTS)
@settings(max_examples=200)
def test_nothing_invisible_is_left(text: str) -> None:
    left = set(normalize(text))
    assert not left & set(INVISIBLE + TAGS + CONTROLS)
    assert not any(character.isspace() for character in left - {" "})
    assert normalize(text).strip() == normalize(text)
    assert "  " not in normalize(text)


@given(
    needle=st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=1, max_size=20),
    joiners=st.lists(st.sampled_from(INVISIBLE), min_size=1, max_size=20),
)
@settings(max_examples=100)
def test_a_word_cut_up_by_invisible_characters_is_the_plain_word(
    needle: str, joiners: list[str]
) -> None:
    cut = "".join(letter + joiners[index % len(joiners)] for index, letter in enumerate(needle))
    assert normalize(f"see the {cut} here") == f"see the {needle} here"


def test_tags_become_the_letters_that_they_spell() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "Make a cake!")
    assert normalize(f"hello {hidden}") == "hello Make a cake!"


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("  one \t two\r\nthree\u00a0four\u3000", "one two three four"),
        ("\ufb01ne \uff46\uff55\uff4c\uff4c \u2460", "fine full 1"),
        ("e\u0301", "é"),
        ("e\u200b\u0301", "é"),  # removal brings combinable characters together
        ("a\x00b", "a b"),
        ("", ""),
        ("\u200b \ufeff", ""),
    ],
)
def test_what_becomes_of_a_text(text: str, normalized: str) -> None:
    assert normalize(text) == normalized


@given(st.integers(1, 400))
@settings(max_examples=30)
def test_long_runs_are_cut_so_that_wordpiece_reads_them(length: int) -> None:
    normalized = normalize("x" * length)
    assert normalized.replace(" ", "") == "x" * length
    assert max(map(len, normalized.split())) <= 80


@pytest.mark.parametrize(
    "marks", ["\u0316\u0301", "\u0316\uff9e", "\u0301\ufe00\u0316\ufe00", "\u0301\u200b\u0316"]
)
def test_heaps_of_accents_cost_no_more_than_other_text(marks: str) -> None:
    """NFKC sorts a heap in quadratic time, which once took a minute."""
    started = time.monotonic()
    heaped = normalize("read" + marks * (100_000 // len(marks)) + " this")
    assert time.monotonic() - started < 15.0
    assert heaped.startswith("rea")
    assert heaped.endswith(" this")
    assert len(heaped) < 50


def test_ordinary_accents_are_kept() -> None:
    stacked = "a" + "\u0316\u0301" * 15
    assert normalize(stacked) == unicodedata.normalize("NFKC", stacked)


@given(prompt=TEXTS, response=st.none() | TEXTS)
@settings(max_examples=100)
def test_segments_are_the_normalized_texts_or_an_empty_prompt(
    prompt: str, response: str | None
) -> None:
    exchange = Exchange(prompt, response)
    if not normalize(prompt):
        with pytest.raises(EmptyPrompt):
            segments(exchange)
    elif response is None:
        assert segments(exchange) == (normalize(prompt),)
    else:
        assert segments(exchange) == (normalize(prompt), normalize(response))


def test_absent_is_not_empty() -> None:
    assert segments(Exchange("a")) == ("a",)
    assert segments(Exchange("a", "")) == ("a", "")


def test_the_text_format_is_the_one_that_the_goldens_freeze() -> None:
    assert TEXT_FORMAT == 1


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_the_length_is_known_before_it_is_made(text: str) -> None:
    """Nothing that passes the count is longer once it is made, but for long runs cut apart."""
    counted = expanded_length(text, at_most=0 if len(text) == 0 else len(text))
    assert counted > len(text) or counted >= len(unicodedata.normalize("NFKC", text))
    assert is_visible(text) is bool(normalize(text))


def test_what_expands_is_counted_and_not_made() -> None:
    assert expanded_length("\ufdfa" * 1000, at_most=18_000) == 18_000
    assert expanded_length("\ufdfa" * 1000, at_most=17_999) > 17_999
    assert expanded_length("\u00e9\ud55c" * 1000, at_most=2000) == 2000
    tracemalloc.start()
    assert expanded_length("\ufdfa" * 99_000, at_most=100_000) > 100_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
