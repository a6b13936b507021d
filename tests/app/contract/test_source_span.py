"""Where characters of the normalized text come from in the text as it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from postern.contract.text import normalize, source_span

odd = st.sampled_from(
    [
        *(" ", "\n", "\t", "\u2003", "\u0085", "\x1c", "\x00", "\u200b", "\u00ad", "\ufeff"),
        *("\ufb01", "\ufdfa", "\u00a8", "\u0301", "\u212b", "\uff42", "\uff0c", "\u1100\u1161"),
        *("\U0001f600", "\U000e0062", "word", "w" * 81, "\u4e16", "bomb"),
    ]
)
texts = st.lists(odd | st.text(max_size=3), max_size=12).map("".join)


@given(text=texts)
def test_words_are_the_same_in_both(text: str) -> None:
    """What the mapping rests on: white space parts words before and after."""
    assert normalize(text) == " ".join(filter(None, map(normalize, text.split())))


@given(text=texts, data=st.data())
def test_a_span_covers_what_it_stands_for(text: str, data: st.DataObject) -> None:
    written = normalize(text)
    start = data.draw(st.integers(0, len(written)))
    end = data.draw(st.integers(start, len(written)))
    first, last = source_span(text, start, end)
    assert 0 <= first <= last <= len(text)
    covered = normalize(text[first:last]).replace(" ", "")
    assert written[start:end].replace(" ", "") in covered


def test_it_is_exact_where_characters_stay_single() -> None:
    text = "How do\n\n I  make a\u2003\uff42\uff4f\uff4d\uff42, please?"
    written = normalize(text)
    start = written.index("bomb")
    first, last = source_span(text, start, start + 4)
    assert text[first:last] == "\uff42\uff4f\uff4d\uff42"
    start = written.index("ke a b")
    first, last = source_span(text, start, start + 6)
    assert text[first:last] == "ke a\u2003\uff42"


def test_a_word_that_changes_counts_as_a_whole() -> None:
    text = "one o\ufb03ce two"
    start = normalize(text).index("ffi")
    first, last = source_span(text, start, start + 1)
    assert text[first:last] == "o\ufb03ce"


def test_runs_that_were_cut_apart_are_counted_without_the_cuts() -> None:
    text = "x" * 100 + "y" * 100
    start = normalize(text).index("y")
    assert source_span(text, start, len(normalize(text))) == (100, 200)


def test_an_empty_span_is_all_of_it() -> None:
    assert source_span("a b", 2, 2) == (0, 3)
    assert source_span("", 0, 0) == (0, 0)
