"""English whose vowels were dropped: `Hw d I bk brd wtht yst`, `hw d bk brd wtht yst`.

Linear time, but for a sort of the pairs that are found.

A student reads such words as noise: it calls harmless text harmful and misses harm, about equally
often. Several words may look alike without vowels. So each is read as the most frequent one, or as
the one that is most frequent beside its neighbour. Nine words in ten come back that way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from functools import cache
from itertools import pairwise
from typing import Final

from postern.disguises.misspelt import SHORT
from postern.disguises.words import (
    common_pairs,
    commonest_first,
    correct_words,
    in_case,
    place_of,
    rare_words,
)

_WORD: Final = re.compile(r"[^\W_]+")
_LATIN: Final = re.compile(r"[a-z]+")
_NUMBER: Final = re.compile(r"[0-9]+")
_VOWELS: Final = "aeiou"
_VOWEL: Final = re.compile(f"[{_VOWELS}]")
# Of the characters of English prompts, 31 % are vowels; with none but first letters, 7 %.
_VOWELS_APART: Final = 5
# One word in four begins with a vowel; fewer than this, and first letters were dropped, too.
_FIRSTS_APART: Final = 12
_LEAST_WORDS: Final = 4
_LEAST_UNKNOWN: Final = 2
_LEAST_GRAMMAR: Final = 2
# Words of grammar as they look without vowels. Lists of abbreviations lack them.
_BARE: Final = (
    "bt cn cld d dd ds frm fr hs hv hw m nd nt shld t th tht thr ths wh wht whch whn whr wll wth"
    " wld y yr"
)
# Those that look the same with their vowels.
_SAME: Final = "a an and as at by i if in is it my of on or up us why"
BARE_GRAMMAR: Final = frozenset(_BARE.split())
SAME_GRAMMAR: Final = frozenset(_SAME.split())


def from_vowels_dropped(text: str) -> str | None:
    """The text with the vowels of its words put back, or None if it does not lack them.

    Needs four different words that lack vowels, twice as many words that lack them as others, and
    signs of English: two words of grammar without vowels (`hw`, `th`); or three longer words that
    are none as they stand, unlike `tcp`, or two beside a word of grammar. Words with vowels stay,
    and so do numbers, names like `sha1` and other scripts. The result is at most 3.4 times as long;
    for a student it mostly has fewer tokens.
    """
    lowered = text.lower()
    if sum(map(lowered.count, _VOWELS)) * _VOWELS_APART > len(lowered):
        return None
    words = [word.lower() for word in _WORD.findall(text)]
    firsts_stay = sum(word[0] in _VOWELS for word in words) * _FIRSTS_APART >= len(words)
    likely = _commonest(firsts_stay)
    bare = [word for word in words if likely.get(word, word) != word]
    different = set(bare)
    if len(different) < _LEAST_WORDS or len(bare) < 2 * sum(map(_is_whole, words)):
        return None
    if not _is_english(words, different):
        return None
    read = iter(_read(words, firsts_stay))
    return _WORD.sub(lambda found: in_case(found[0], next(read)), text)


def without_vowels(word: str, *, firsts_stay: bool = True) -> str:
    """A lower-case word without its vowels, but for the first letter if `firsts_stay`."""
    return word[0] + _VOWEL.sub("", word[1:]) if firsts_stay else _VOWEL.sub("", word)


def _read(words: Sequence[str], firsts_stay: bool) -> list[str]:
    """The most frequent pairs first; the words that are left, each as the most frequent one."""
    ranks, likely = _ranks(firsts_stay), _commonest(firsts_stay)
    pairs = enumerate(f"{first} {second}" for first, second in pairwise(words))
    read: dict[int, str] = {}
    for rank, at in sorted((ranks[pair], at) for at, pair in pairs if pair in ranks):
        first, second = common_pairs()[rank]
        if read.get(at, first) == first and read.get(at + 1, second) == second:
            read[at], read[at + 1] = first, second
    return [read.get(at) or likely.get(word, word) for at, word in enumerate(words)]


def _is_english(words: Sequence[str], different: Set[str]) -> bool:
    """Tells a text from a list of abbreviations, a formula and the like. different: lack vowels."""
    unknown = different - correct_words()
    long = sum(len(word) > 2 for word in unknown)
    grammar = different & BARE_GRAMMAR
    if len(grammar) >= _LEAST_GRAMMAR:
        return long > 0
    proven = grammar or not SAME_GRAMMAR.isdisjoint(words) or long > _LEAST_UNKNOWN
    return bool(proven) and long >= _LEAST_UNKNOWN and 2 * len(unknown | grammar) >= len(different)


def _is_whole(word: str) -> bool:
    """Whether it has vowels after the first letter, is a name like `sha1` or of another script."""
    if _LATIN.fullmatch(word):
        return _VOWEL.search(word, 1) is not None
    return _NUMBER.fullmatch(word) is None


def commonest(words: Iterable[str], *, firsts_stay: bool) -> dict[str, str]:
    """The first of the words by its letters without vowels; of one letter, only short words.

    words: lower-case, the most frequent first.
    """
    found = {letter: letter for letter in _VOWELS}
    for word in words:
        bare = without_vowels(word, firsts_stay=firsts_stay)
        if len(bare) > 1 or word in SHORT:
            found.setdefault(bare, word)
    return found


def pair_without_vowels(pair: Iterable[str], *, firsts_stay: bool) -> str:
    """Both words without vowels, with a space between them."""
    return " ".join(without_vowels(word, firsts_stay=firsts_stay) for word in pair)


@cache
def _commonest(firsts_stay: bool) -> dict[str, str]:
    return commonest(commonest_first(), firsts_stay=firsts_stay)


@cache
def _ranks(firsts_stay: bool) -> dict[str, int]:
    """Place in `common_pairs` of the most frequent pair that looks so without vowels."""
    found: dict[str, int] = {}
    for rank, pair in enumerate(common_pairs()):
        found.setdefault(pair_without_vowels(pair, firsts_stay=firsts_stay), rank)
    return found


def read_tables() -> None:
    """Builds the tables now, and not at the first text. Needs 22 MB and a fifth of a second."""
    correct_words()
    rare_words()
    place_of()
    for firsts_stay in (True, False):
        _commonest(firsts_stay)
        _ranks(firsts_stay)
