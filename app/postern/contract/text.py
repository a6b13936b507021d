"""Exchange -> segments: the one definition of how text is written before it is tokenized.

Training and serving both call `segments`. A change of its output must raise `TEXT_FORMAT`: an
artifact trained on another format does not load.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import Final

from postern.contract.errors import EmptyPrompt
from postern.contract.exchange import Exchange

TEXT_FORMAT: Final = 1

_TAG_OFFSET: Final = 0xE0000


def _ranges(*bounds: tuple[int, int]) -> list[int]:
    return [point for first, last in bounds for point in range(first, last + 1)]


# Invisible characters carry hidden text past a human reader. Unicode tags spell ASCII that language
# models can read, so they become that ASCII. The others would only split words, so they are
# removed.
_INVISIBLE: Final[dict[int, str | None]] = {
    **dict.fromkeys(_ranges((0x00, 0x08), (0x0E, 0x1F), (0x7F, 0x9F)), " "),  # controls
    **dict.fromkeys(
        _ranges(
            (0x00AD, 0x00AD),  # soft hyphen
            (0x034F, 0x034F),  # combining grapheme joiner
            (0x061C, 0x061C),  # Arabic letter mark
            (0x115F, 0x1160),  # Hangul fillers
            (0x17B4, 0x17B5),
            (0x180B, 0x180F),  # Mongolian selectors
            (0x200B, 0x200F),  # zero-width characters, directional marks
            (0x202A, 0x202E),  # directional overrides
            (0x2060, 0x206F),
            (0x3164, 0x3164),  # Hangul filler
            (0xFE00, 0xFE0F),  # variation selectors
            (0xFEFF, 0xFEFF),  # byte order mark
            (0xFFA0, 0xFFA0),
            (0xFFF0, 0xFFFB),
            (0xE0000, 0xE001F),
            (0xE007F, 0xE007F),
            (0xE0100, 0xE01EF),  # variation selectors supplement
        ),
        None,
    ),
    **{_TAG_OFFSET + point: chr(point) for point in range(0x20, 0x7F)},
}

_WHITE_SPACE: Final = re.compile(r"\s+")

# WordPiece turns a word of more than 100 characters into a single [UNK], so text joined without
# spaces would be invisible to the model. Such runs are cut, so that the model reads their pieces.
_LONG_RUN: Final = re.compile(r"(\w{80})(?=\w)")


# Keep as many combining marks per letter as Unicode's stream-safe format (UAX #15, section 13)
# does. NFKC sorts each run of marks in quadratic time: 100,000 of them took a minute.
_MAX_MARKS: Final = 30


@functools.cache
def _heaped_marks() -> re.Pattern[str]:
    """A run of combining characters longer than `_MAX_MARKS`, in two groups."""
    candidates = map(chr, range(0x300, 0x1F000))
    marks = "".join(
        mark
        for mark in candidates
        if unicodedata.category(mark) in ("Mn", "Mc", "Me", "Lm")
        and unicodedata.combining(unicodedata.normalize("NFKD", mark)[0])
    )
    return re.compile(f"([{marks}]{{{_MAX_MARKS}}})([{marks}]+)")


def nfkc(text: str) -> str:
    """NFKC in linear time: only the first few combining marks of a letter are kept."""
    if not text.isascii():
        text = _heaped_marks().sub(r"\1", text)
    return unicodedata.normalize("NFKC", text)


@functools.cache
def _expansions() -> dict[str, int]:
    """Characters that NFKC makes longer, and by how many."""
    # Beyond these planes are only private and ideographic characters, none of which grows.
    grown = ((char, len(unicodedata.normalize("NFKC", char))) for char in map(chr, range(0x20000)))
    return {char: length - 1 for char, length in grown if length > 1}


def expanded_length(text: str, *, at_most: int) -> int:
    """Approximate length of a text after `normalize` expands it, before it removes anything.

    Counts without expanding: U+FDFA becomes 18 characters, and 100,000 of them took 1.3 s to
    normalize only to be refused. Exact except for rare heaps of accents. at_most: beyond it, any
    number above it may be returned.
    """
    length = len(text)
    if length > at_most or text.isascii():
        return length
    expansions = _expansions()
    for char in set(text) & expansions.keys():
        length += text.count(char) * expansions[char]
        if length > at_most:
            break
    return length


def normalize(text: str) -> str:
    """Text as the student reads it: NFKC, no invisible characters, single spaces, no long runs.

    Idempotent. May be longer than the input (NFKC expands some characters up to 18 times).
    """
    return _LONG_RUN.sub(r"\1 ", uncut(text))


def uncut(text: str) -> str:
    """`normalize` with its long runs whole, for readers other than the student."""
    text = nfkc(text)
    text = text.translate(_INVISIBLE)
    text = nfkc(text)  # removal can bring characters together that NFKC then combines
    return _WHITE_SPACE.sub(" ", text).strip()


def segments(
    exchange: Exchange, normal: Callable[[str], str] = normalize
) -> tuple[str] | tuple[str, str]:
    """Normalized (prompt,) or (prompt, response).

    Raises EmptyPrompt if nothing visible is left of the prompt.
    """
    prompt = normal(exchange.prompt)
    if not prompt:
        raise EmptyPrompt
    if exchange.response is None:
        return (prompt,)
    return (prompt, normal(exchange.response))


_WORD: Final = re.compile(r"\S+")


def source_span(text: str, start: int, end: int) -> tuple[int, int]:
    """The characters of `text` that cover the characters from `start` to `end` of
    `normalize(text)`; `end` is the one after the last.

    Words are the same in both, because white space parts them. Of a word whose characters change
    one by one, or not at all, only the part that is needed counts; of any other, the whole word.
    All of the text if the span is empty.
    """
    at = 0  # in the normalized text
    found: list[int] = []
    for word in _WORD.finditer(text):
        written = normalize(word[0])
        low, high = at, at + len(written)
        if not written or high <= start:
            at = high + 1 if written else at
            continue
        if low >= end:
            break
        at = high + 1
        first, last = word.span()
        bare = written.replace(" ", "")  # long runs were cut by spaces
        if bare == word[0] or list(bare) == list(map(normalize, word[0])):
            last = first + _letters(written[: end - low])
            first += _letters(written[: max(0, start - low)])
        found += (first, last)
    return (found[0], found[-1]) if found else (0, len(text))


def _letters(text: str) -> int:
    return len(text) - text.count(" ")


_SLICE: Final = 256


def is_visible(text: str) -> bool:
    """Whether anything is left of a text when it is normalized.

    Does not normalize all of it: that multiplies some characters, so only bounded code does it.
    """
    return any(normalize(text[at : at + _SLICE]) for at in range(0, len(text), _SLICE))
