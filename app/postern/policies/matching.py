"""Phrases and regular expressions, matched on normalized text in linear time. No I/O.

Regular expressions run on RE2, which never backtracks: the time of a search is at most its length
times the size of the compiled expression. Both are bounded, and so is the memory.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from postern.contract.policy_errors import PoliciesInvalid
from postern.contract.text import uncut

LONGEST_PATTERN: Final = 1000
LARGEST_PROGRAM: Final = 4000
"""Instructions of one compiled expression. `\\pL` takes about 1200."""
_PATTERN_BYTES: Final = 1 << 20

# Scripts that are written without spaces, or that write endings to a word: a phrase is found within
# a run of letters, too.
_RUNS_ON: Final = (
    (0x0E00, 0x109F),  # Thai, Lao, Tibetan, Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x9FFF),  # Han
    (0xAC00, 0xD7AF),  # Hangul
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A phrase or an expression of a list. place: in the list, such as `phrases.3`.

    phrase: as the operator wrote it. None for an expression, which would tell how to get past it.
    """

    place: str
    phrase: str | None = None


@dataclass(frozen=True, slots=True)
class Matcher:
    """phrases: normalized and case-folded; written: as they were. patterns: compiled by RE2."""

    phrases: tuple[str, ...] = ()
    patterns: tuple[Any, ...] = ()
    written: tuple[str, ...] = ()

    def matches(self, text: str) -> bool:
        """text: normalized."""
        return next(self.entries(text), None) is not None

    def entries(self, text: str) -> Iterator[Entry]:
        """What the text matches, searched as it is asked for. text: normalized."""
        folded = text.casefold()
        for index, phrase in enumerate(self.phrases):
            if holds_phrase(folded, phrase):
                yield Entry(f"phrases.{index}", self.written[index])
        if not self.patterns:
            return
        encoded = text.encode("utf-8", "replace")
        for index, pattern in enumerate(self.patterns):
            if pattern.search(encoded) is not None:
                yield Entry(f"patterns.{index}")


def compiled(phrases: Sequence[str], patterns: Sequence[str]) -> Matcher:
    """Raises PoliciesInvalid, naming the place and not the value."""
    return Matcher(
        tuple(_phrase(one, f"phrases.{index}") for index, one in enumerate(phrases)),
        tuple(_pattern(one, f"patterns.{index}") for index, one in enumerate(patterns)),
        tuple(phrases),
    )


def holds_phrase(text: str, phrase: str) -> bool:
    """Whether the phrase stands in the text as whole words. Both are normalized and case-folded."""
    start = text.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        if not _goes_on(text, start):
            if not _goes_on(text, end):
                return True
            start += 1
        else:
            # It cannot begin within this word, so the rest of the word is skipped.
            start += 1
            while start < len(text) and _goes_on(text, start):
                start += 1
        start = text.find(phrase, start)
    return False


def _goes_on(text: str, place: int) -> bool:
    """Whether a word goes on over the boundary before `place`."""
    return 0 < place < len(text) and _in_word(text[place - 1]) and _in_word(text[place])


def _in_word(char: str) -> bool:
    if char.isascii():
        return char.isalnum()
    point = ord(char)
    if any(first <= point <= last for first, last in _RUNS_ON):
        return False
    return char.isalnum() or unicodedata.category(char)[0] == "M"


def _phrase(phrase: str, where: str) -> str:
    found = uncut(phrase).casefold()
    if not found:
        raise PoliciesInvalid(f"{where}: has no visible characters")
    return found


def _pattern(pattern: str, where: str) -> Any:
    if len(pattern) > LONGEST_PATTERN:
        raise PoliciesInvalid(f"{where}: has more than {LONGEST_PATTERN} characters")
    # Only servers with expressions in their policies load the library.
    import re2

    options = re2.Options()
    options.max_mem = _PATTERN_BYTES
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = False
    try:
        found = re2.compile(pattern, options)
    except re2.error as exc:
        raise PoliciesInvalid(f"{where}: {_fault(exc)}") from None
    if found.programsize > LARGEST_PROGRAM:
        raise PoliciesInvalid(
            f"{where}: is too large: {found.programsize} instructions, at most {LARGEST_PROGRAM}"
        )
    if found.search(b"") is not None:
        raise PoliciesInvalid(f"{where}: matches the empty text, and so every text")
    return found


def _fault(exc: Exception) -> str:
    """RE2's reason without the part of the expression that it repeats."""
    told = exc.args[0] if exc.args else ""
    words = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    return f"is no regular expression of RE2: {words.partition(':')[0]}"
