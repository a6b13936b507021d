"""Odd spelling that people read easily: pure, seeded changes, one function for each kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

Spelling = Callable[[str, np.random.Generator], str]

_VOWEL: Final = re.compile(r"[aeiou]", re.IGNORECASE)
_LETTERS: Final = re.compile(r"[A-Za-z]+")
_ZERO: Final = str.maketrans("oO", "00")
_LEET: Final = (
    str.maketrans("aeioAEIO", "43104310"),
    str.maketrans("aeiostAEIOST", "431057431057"),
    str.maketrans("aeisAEIS", "@3!$@3!$"),
    str.maketrans("eoiEOI", "301301"),
)
# Cyrillic letters that look like Latin ones, from Unicode's confusables.txt.
_CYRILLIC: Final = (
    str.maketrans("aeopcxyi", "аеорсхуі"),  # noqa: RUF001
    str.maketrans("aecAEC", "аесАЕС"),  # noqa: RUF001
    str.maketrans("oepOEP", "оерОЕР"),  # noqa: RUF001
)
_KEYS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE: Final[Mapping[str, str]] = {
    key: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in _KEYS
    for place, key in enumerate(row)
}
_MARKS: Final = ("!!!", "??", "...", " ,", ";;", " !", "~", "?!?", "…", " . ")


def typos(text: str, rng: np.random.Generator) -> str:
    """A typing slip in every word of four letters or more: swapped, doubled, lost or wrong key."""
    return _each_word(text, lambda word: _slip(word, rng) if len(word) > 3 else word)


def swapped(text: str, rng: np.random.Generator) -> str:
    """Swap two inner letters in every word of four letters or more."""
    return _each_word(text, lambda word: _swap(word, rng) if len(word) > 3 else word)


def letters_apart(text: str, rng: np.random.Generator) -> str:
    """One space between letters, and three between words."""
    del rng
    return "   ".join(" ".join(word) for word in text.split())


def signs_between(text: str, rng: np.random.Generator) -> str:
    """A sign between the letters of each word."""
    sign = str(rng.choice(list(".-_*")))
    return " ".join(sign.join(word) for word in text.split())


def apart_capitals(text: str, rng: np.random.Generator) -> str:
    """Capitals with spaces between them."""
    return letters_apart(text.upper(), rng)


def leet(text: str, rng: np.random.Generator) -> str:
    """Digits and signs for letters that they resemble."""
    return text.translate(_LEET[int(rng.integers(len(_LEET)))])


def zero_for_o(text: str, rng: np.random.Generator) -> str:
    """A zero for each o."""
    del rng
    return text.translate(_ZERO)


def vowels_dropped(text: str, rng: np.random.Generator) -> str:
    """Drop vowels, except for a word's first letter."""
    del rng
    return _each_word(text, lambda word: word[0] + _VOWEL.sub("", word[1:]))


def homoglyphs(text: str, rng: np.random.Generator) -> str:
    """Cyrillic letters in place of Latin ones."""
    return text.translate(_CYRILLIC[int(rng.integers(len(_CYRILLIC)))])


def capitals(text: str, rng: np.random.Generator) -> str:
    """All in capitals."""
    del rng
    return text.upper()


def lower(text: str, rng: np.random.Generator) -> str:
    """All in lower case, without punctuation."""
    del rng
    return re.sub(r"[^\w\s']", "", text.lower())


def repeated_vowels(text: str, rng: np.random.Generator) -> str:
    """Repeat each vowel two to four times."""
    times = int(rng.integers(2, 5))
    return _VOWEL.sub(lambda found: found[0] * times, text)


def random_case(text: str, rng: np.random.Generator) -> str:
    """Each letter in upper or lower case at random."""
    flips = rng.random(len(text)) < 0.5
    return "".join(
        char.upper() if flip else char.lower() for char, flip in zip(text, flips, strict=True)
    )


def missing_spaces(text: str, rng: np.random.Generator) -> str:
    """Drop half of the spaces."""
    first, *rest = text.split(" ")
    gone = rng.random(len(rest)) < 0.5
    return first + "".join(
        word if none else f" {word}" for word, none in zip(rest, gone, strict=True)
    )


def odd_punctuation(text: str, rng: np.random.Generator) -> str:
    """Signs after words where none belong."""
    found = []
    for word in text.split():
        mark = _MARKS[int(rng.integers(len(_MARKS)))] if rng.random() < 0.4 else ""
        found.append(word + mark)
    return " ".join(found)


def hidden_inside(text: str, rng: np.random.Generator) -> str:
    """A zero-width character between letters."""
    return str(rng.choice(["\u200b", "\u200d", "\u2060", "\u00ad"])).join(text)


SPELLINGS: Final[Mapping[str, Spelling]] = {
    "typos": typos,
    "swapped": swapped,
    "letters_apart": letters_apart,
    "signs_between": signs_between,
    "apart_capitals": apart_capitals,
    "leet": leet,
    "zero_for_o": zero_for_o,
    "vowels_dropped": vowels_dropped,
    "homoglyphs": homoglyphs,
    "capitals": capitals,
    "lower": lower,
    "repeated_vowels": repeated_vowels,
    "random_case": random_case,
    "missing_spaces": missing_spaces,
    "odd_punctuation": odd_punctuation,
    "hidden_inside": hidden_inside,
}


def _each_word(text: str, change: Callable[[str], str]) -> str:
    return _LETTERS.sub(lambda found: change(found[0]), text)


def _swap(word: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(1, len(word) - 2))
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _slip(word: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(1, len(word) - 1))
    kind = int(rng.integers(4))
    if kind == 0:
        return _swap(word, rng)
    if kind == 1:
        return word[:place] + word[place] + word[place:]
    if kind == 2:
        return word[:place] + word[place + 1 :]
    beside = _BESIDE.get(word[place].lower())
    return (
        word
        if not beside
        else word[:place] + beside[int(rng.integers(len(beside)))] + word[place + 1 :]
    )
