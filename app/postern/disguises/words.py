"""English words and their order, written by `scripts/words.py`. Read once, when first needed."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from sys import intern


@cache
def commonest_first() -> tuple[str, ...]:
    """Lower-case English words of two letters or more, the most frequent first."""
    return tuple(map(intern, _text("words.txt").split()))


@cache
def correct_words() -> frozenset[str]:
    """The words of `commonest_first`."""
    return frozenset(commonest_first())


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
