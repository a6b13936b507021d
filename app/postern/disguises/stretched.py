"""Words whose letters are repeated: `hooow dooo iii baaakeee breeeeeeaaad`. Linear time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final

_RUN: Final = re.compile(r"([A-Za-z])\1*", re.IGNORECASE)
_LONG_RUN: Final = re.compile(r"([A-Za-z])\1{2,}", re.IGNORECASE)
_SINGLE_VOWEL: Final = re.compile("|".join(f"(?<!{vowel}){vowel}(?!{vowel})" for vowel in "aeiou"))
_NO_WORD: Final = re.compile(r"[IVXLCDM]+|(.)\1*|https?|www", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z]+")
_VOWELS: Final = frozenset("aeiou")
_NEVER_DOUBLED: Final = frozenset("aiu")  # but for vacuum, skiing and the like
_LEAST_VOWELS: Final = 6
_LEAST_WORDS: Final = 3


def from_stretched(text: str) -> str | None:
    """The text with repeated letters written once, or None if it is not stretched.

    If every vowel of several words is repeated equally often, each run is divided by that number,
    so that `breeaad`, from `bread`, and `freeee`, from `free`, both come back. Otherwise a letter
    that stands three times or more is written once, as no English word has three: needs three such
    words, and one word in three, because `www`, `VIII` and a single `sooo` are no disguise.
    """
    times = _times(text)
    if times > 1:
        return _RUN.sub(lambda found: _divided(found, times), text)
    if _LONG_RUN.search(text) is None:
        return None
    words = _WORD.findall(text)
    stretched = sum(bool(_LONG_RUN.search(word)) and not _NO_WORD.fullmatch(word) for word in words)
    if stretched < _LEAST_WORDS or stretched * 3 < len(words):
        return None
    return _LONG_RUN.sub(lambda found: found[1], text)


def stretch_is_clear(text: str) -> bool:
    """Whether the text comes back in only one way: `goood` may be `good` or `god`."""
    return _times(text) > 1


def _times(text: str) -> int:
    """How often every vowel is repeated; 1 if not equally often, or if there are too few.

    Each word counts once. English doubles only e and o by itself: `book`, `book, see, food, keep`.
    Capitals may be left alone: `Hooow dooo I`.
    """
    times = _times_as_written(text.lower())
    return times if times > 1 else _times_as_written(text)


def _times_as_written(text: str) -> int:
    """Of the lower-case vowels."""
    if _SINGLE_VOWEL.search(text) is not None:  # nearly every text has one
        return 1
    runs = list(_vowel_runs(set(_WORD.findall(text))))
    if len(runs) < _LEAST_VOWELS or not any(vowel in _NEVER_DOUBLED for vowel, _ in runs):
        return 1
    return math.gcd(*(length for _, length in runs))


def _vowel_runs(words: Iterable[str]) -> Iterable[tuple[str, int]]:
    for word in words:
        for char, run in groupby(word):
            if char in _VOWELS:
                yield char, sum(1 for _ in run)


def _divided(found: re.Match[str], times: int) -> str:
    """Consonants are divided only where a word cannot have so many."""
    run = found[0]
    whole = len(run) % times == 0
    stretched = run[0].lower() in _VOWELS or len(run) > 2
    return run[::times] if whole and stretched else run
