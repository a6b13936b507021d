"""Words with typing slips (`Waht si teh captial of Frnace?`) or zeros (`f0r`). Linear time.

A student's vocabulary breaks such words into pieces, which it reads as noise: it calls harmless
questions harmful, and misses harm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from string import ascii_lowercase
from typing import Final

from postern.disguises.words import correct_words, in_case, rare_words

_WORD: Final = re.compile(r"[A-Za-z]+")
_ZEROS: Final = re.compile(
    r"(?<![A-Za-z0-9./_@-])(?=0*[A-Za-z])(?=[A-Za-z]*0)[A-Za-z0]{3,24}(?![A-Za-z0-9/_@-]|\.[A-Za-z0-9])"
)
# Slips in shorter words are other words too often: `of` and `if`.
LEAST_LETTERS: Final = 4
# Each letter more costs another 53 candidates.
_MOST_LETTERS: Final = 20
_LEAST_SLIPS: Final = 3
# A text has fewer slips in different words than this, or it is no text.
_MOST_TRIED: Final = 256
_MOST_LETTERS_TRIED: Final = 2048
# Noise has no corrections: after so many words without some, the others are not tried.
_TRIED_FIRST: Final = 24
_ENDINGS: Final = ("s", "es", "d", "ed", "ing", "er", "ly", "ers", "able")
# Words of one to three letters, which slips spare. The others are foreign: `de`, `que`, `und`.
_SHORT: Final = (
    "and any are ask at be big but by can day did end few for get go got had has he her him his how"
    " if it its let my new not now of off old on one or our out own per put ran run say see set she"
    " the to too try two us use was way we who why yes yet you"
)
_NEUTRAL: Final = "a al all am an as do ex i in is me no o re s so t u up"
ENGLISH: Final = frozenset(_SHORT.split())
ANY_LANGUAGE: Final = frozenset(_NEUTRAL.split())
SHORT: Final = ENGLISH | ANY_LANGUAGE


def from_misspelt(text: str) -> str | None:
    """The text with words corrected that can be only one other word, or None if too few can.

    A correction swaps two neighbouring letters; where that gives no word, it adds, drops or
    replaces one. A word that could be two others stays: `bonb` may be `bomb` or `bond`, and a
    guess could hide harm. Needs three different unknown words, one word in three, among English
    short words.
    """
    words = [word.lower() for word in _WORD.findall(text)]
    long = [word for word in words if len(word) >= LEAST_LETTERS]
    unknown = [word for word in long if not (is_listed(word) or _has(rare_words(), word))]
    different = list(dict.fromkeys(unknown))
    if len(different) < _LEAST_SLIPS or len(unknown) * 3 < len(long) or not _is_english(words):
        return None
    corrected = _corrections(different[:_MOST_TRIED])
    left = sum(word not in corrected for word in unknown)
    if not corrected or left * 2 > len(long):
        return None
    return _WORD.sub(
        lambda found: in_case(found[0], corrected.get(found[0].lower(), found[0].lower())), text
    )


def slips_are_clear(text: str, corrected: str) -> bool:
    """Whether letters were swapped, added or dropped in one changed word of three or more.

    A replaced letter may be no slip: no list has every word, and some rare ones differ from a
    common one in a letter. Somebody who slips does the others, too.
    """
    words = set(zip(_WORD.findall(text.lower()), _WORD.findall(corrected.lower()), strict=True))
    changed = [(before, after) for before, after in words if before != after]
    replaced = sum(_has_replaced(before, after) for before, after in changed)
    return replaced * 3 <= 2 * len(changed)


def _has_replaced(before: str, after: str) -> bool:
    return len(before) == len(after) and sorted(before) != sorted(after)


def from_zeros(text: str) -> str | None:
    """The text with words written with zeros for o (`f0r`, `c0ffee`), or None if there are none.

    Needs three letters, and that the word with o exists: `t0` and `x0y1` are names.
    """
    read = _ZEROS.sub(_without_zeros, text)
    return None if read == text else read


def _without_zeros(found: re.Match[str]) -> str:
    word = found[0]
    read = word.replace("0", "O" if word.isupper() else "o")
    return read if read.lower() in correct_words() else word


def _is_english(words: Sequence[str]) -> bool:
    """Whether the short words are mostly English ones."""
    short = [word for word in words if len(word) < LEAST_LETTERS]
    english = sum(word in ENGLISH for word in short)
    neutral = sum(word in ANY_LANGUAGE for word in short)
    return english + neutral > 0 and len(short) - neutral <= 2 * english


def is_listed(word: str) -> bool:
    """Whether a lower-case word is one of `correct_words`, with or without an ending."""
    return _has(correct_words(), word)


def _has(words: Set[str], word: str) -> bool:
    """Whether words have this one, with or without an ending."""
    if word in words or (word.endswith("ies") and word[:-3] + "y" in words):
        return True
    stems = (word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))
    return any(stem in words or stem + "e" in words for stem in stems)


def _corrections(words: Sequence[str]) -> dict[str, str]:
    """Of those words that can be only one other word."""
    found: dict[str, str] = {}
    letters = 0
    for tried, word in enumerate(words):
        letters += len(word)
        hopeless = tried >= _TRIED_FIRST and len(found) * 4 < tried
        if hopeless or letters > _MOST_LETTERS_TRIED:
            break
        only = only_correction(word)
        if only is not None:
            found[word] = only
    return found


def only_correction(word: str) -> str | None:
    """The one word that this may be; None if there is none, or several."""
    if len(word) > _MOST_LETTERS:
        return None
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    found = correct_words().intersection(a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1)
    if not found:
        dropped = [a + b[1:] for a, b in cuts if b]
        replaced = [a + letter + b[1:] for a, b in cuts if b for letter in ascii_lowercase]
        added = [a + letter + b for a, b in cuts for letter in ascii_lowercase]
        found = correct_words().intersection((*dropped, *replaced, *added))
    return next(iter(found)) if len(found) == 1 else None
