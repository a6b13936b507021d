"""When a text is scored is a matter of the text alone, however it came."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.chat_guard.pacing import Pacer, ScoreRule

RULE = ScoreRule("sentence", 8, 100)


def places(rule: ScoreRule, *pieces: str) -> list[int]:
    """The last place of each piece that has one, from the beginning of the text."""
    pacer, found, before = Pacer(rule), [], 0
    for piece in pieces:
        if (place := pacer.feed(piece)) is not None:
            found.append(before + place)
        before += len(piece)
    return found


@given(
    text=st.text(alphabet="ab1.!?\"' \n\u3002\u4e66_-", max_size=200),
    cuts=st.lists(st.integers(0, 200), max_size=20),
    every=st.integers(1, 20),
    at=st.sampled_from(["sentence", "tokens"]),
)
def test_the_places_do_not_depend_on_the_pieces(
    text: str, cuts: list[int], every: int, at: str
) -> None:
    rule = ScoreRule(at, every, 100)  # type: ignore[arg-type]
    letter_by_letter = places(rule, *text)
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(bounds)]
    found = places(rule, *pieces)
    assert set(found) <= set(letter_by_letter)
    assert found[-1:] == letter_by_letter[-1:]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("This is a whole sentence. And", True),
        ("This is not yet one.", False),
        ("pi is 3.14159 or", False),
        ("It said: \u201cthat is enough for us.\u201d Then", True),
        ("A line of five words\n", True),
        ("1. ", False),
        ("\u3053\u308c\u306f\u672c\u3067\u3059\u3002", True),
        (" " * 127, False),
        (" " * 128, True),
        ("one two three four five six seven eight ", True),
        ("incomprehensibilities of all the sorts happen ", True),
    ],
)
def test_when_a_sentence_is_due(text: str, due: bool) -> None:
    assert bool(places(RULE, text)) is due
    assert bool(places(RULE, *text)) is due


def test_by_tokens_alone_sentences_do_not_matter() -> None:
    rule = ScoreRule("tokens", 8, 100)
    assert not places(rule, "One two. Three four five. ")
    assert places(rule, "One two. Three four five. Six ")  # with three marks


def test_the_longer_the_text_the_farther_apart_are_its_scores() -> None:
    """Each reads all of it again, so the work would grow with the square of it."""
    text = "a b c d e. " * 2000
    found = places(ScoreRule("sentence", 64, 4000), *text)
    assert found[0] == 11
    assert len(found) < 250  # 2000 sentences, 12,000 tokens
