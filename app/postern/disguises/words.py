"""English words and their order, written by `scripts/words.py`. Read once, when first needed."""

from __future__ import annotations

import math
from functools import cache
from importlib.resources import files
from sys import intern
from typing import Final

_MOST_LETTERS: Final = 200
_LONGEST_WORD: Final = 20
_ONE_LETTER: Final = frozenset("ai")
_COST_OF_ONE_LETTER: Final = 4.0
_COST_OF_NO_WORD: Final = 14.0


@cache
def commonest_first() -> tuple[str, ...]:
    """Lower-case English words of two letters or more, the most frequent first."""
    return tuple(map(intern, _text("words.txt").split()))


@cache
def correct_words() -> frozenset[str]:
    """The words of `commonest_first`."""
    return frozenset(commonest_first())


@cache
def rare_words() -> frozenset[str]:
    """Words not among `commonest_first` that look like slips in one of those: `ricin`."""
    return frozenset(_text("rare.txt").split())


@cache
def place_of() -> dict[str, int]:
    """Word -> place in `commonest_first`."""
    return {word: place for place, word in enumerate(commonest_first())}


def words_in(letters: str) -> list[str]:
    """The likeliest words that stand in a row without spaces: `killmyboss`. Letters that are no
    words, or more than 200, stay together. Linear time.

    A word costs the logarithm of its place among words by frequency, which by Zipf's law is that of
    its probability; a letter that belongs to none costs more than any word.
    """
    if len(letters) > _MOST_LETTERS:
        return [letters]
    lowered = letters.lower()
    costs, starts = [0.0], [0]
    for end in range(1, len(letters) + 1):
        first = max(0, end - _LONGEST_WORD)
        found = ((costs[at] + _cost(lowered[at:end]), at) for at in range(first, end))
        cost, start = min(found)
        costs.append(cost)
        starts.append(start)
    if costs[-1] >= _COST_OF_NO_WORD * len(letters) / 2:
        return [letters]
    words, end = [], len(letters)
    while end > 0:
        words.append(letters[starts[end] : end])
        end = starts[end]
    return words[::-1]


def _cost(word: str) -> float:
    if word in _ONE_LETTER:
        return _COST_OF_ONE_LETTER
    place = place_of().get(word)
    if place is not None:
        return math.log(place + 2)
    return _COST_OF_NO_WORD if len(word) == 1 else math.inf


@cache
def common_pairs() -> tuple[tuple[str, str], ...]:
    """Neighbouring words, the most frequent first, that tell more than the words alone."""
    lines = (line.split() for line in _text("pairs.txt").splitlines())
    return tuple((intern(first), intern(second)) for first, second in lines)


def in_case(before: str, word: str) -> str:
    """A lower-case word in the case of the one that it replaces; as it came if both are equal."""
    if word == before.lower():
        return before
    if before.isupper() and len(before) > 1:
        return word.upper()
    return word.capitalize() if before[0].isupper() else word


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
