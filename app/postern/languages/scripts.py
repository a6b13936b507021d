"""Scripts that tell a language, or narrow it down. No I/O, linear time."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the languages that are written in it.

    letter_weight: Latin letters that one of its characters is worth. A syllable or an ideograph
    says more.
    """

    name: str
    languages: tuple[str, ...]
    letter_weight: float = 1.0


_BLOCK_BITS: Final = 6
# Of Unicode, first and last points of whole blocks of 64. Rare blocks are left out.
_SCRIPTS: Final[tuple[tuple[Script, tuple[tuple[int, int], ...]], ...]] = (
    (Script("greek", ("el",)), ((0x380, 0x3FF), (0x1F00, 0x1FFF))),
    (
        Script(
            "cyrillic", ("ru", "uk", "bg", "be", "sr", "mk", "kk", "ky", "mn", "tg", "tt", "ba")
        ),
        ((0x400, 0x53F),),
    ),
    (Script("armenian", ("hy",)), ((0x540, 0x57F),)),
    (Script("hebrew", ("he",)), ((0x5C0, 0x5FF),)),
    (Script("arabic", ("ar", "fa", "ur", "ps", "ug", "ku")), ((0x600, 0x6FF),)),
    (Script("devanagari", ("hi", "mr", "ne", "sa")), ((0x900, 0x97F),)),
    (Script("bengali", ("bn", "as")), ((0x980, 0x9FF),)),
    (Script("gurmukhi", ("pa",)), ((0xA00, 0xA7F),)),
    (Script("gujarati", ("gu",)), ((0xA80, 0xAFF),)),
    (Script("oriya", ("or",)), ((0xB00, 0xB7F),)),
    (Script("tamil", ("ta",)), ((0xB80, 0xBFF),)),
    (Script("telugu", ("te",)), ((0xC00, 0xC7F),)),
    (Script("kannada", ("kn",)), ((0xC80, 0xCFF),)),
    (Script("malayalam", ("ml",)), ((0xD00, 0xD7F),)),
    (Script("sinhala", ("si",)), ((0xD80, 0xDFF),)),
    (Script("thai", ("th",)), ((0xE00, 0xE7F),)),
    (Script("lao", ("lo",)), ((0xE80, 0xEFF),)),
    (Script("tibetan", ("bo", "dz")), ((0xF00, 0xFFF),)),
    (Script("myanmar", ("my",)), ((0x1000, 0x107F),)),
    (Script("georgian", ("ka",)), ((0x10C0, 0x10FF),)),
    (Script("hangul", ("ko",), 2.5), ((0x1100, 0x11FF), (0x3140, 0x317F), (0xAC00, 0xD7BF))),
    (Script("ethiopic", ("am", "ti"), 2.0), ((0x1200, 0x137F),)),
    (Script("khmer", ("km",)), ((0x1780, 0x17FF),)),
    (Script("kana", ("ja",), 2.0), ((0x3040, 0x30FF),)),
    (
        Script("han", ("zh",), 3.0),
        ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323BF)),
    ),
)
# Their letters stand in formulas, and as look-alikes inside Latin words: whole words count.
_LOOK_ALIKES: Final = frozenset({"greek", "cyrillic", "armenian"})
# Fewer letters are a name, a formula or a quoted word in a text of another language.
_LEAST_LETTERS: Final = 12.0
# Japanese is written in Han and kana. Chinese texts quote a little kana.
_HAN_PER_KANA: Final = 10
_LATIN_BLOCKS: Final = 0x250 >> _BLOCK_BITS


@dataclass(frozen=True, slots=True)
class Found:
    """A script in a text. letters: in the worth of Latin ones. words: what is written in it, where
    that is needed to tell the language."""

    script: Script
    letters: float
    words: str = ""


def scripts_of(text: str) -> tuple[list[Found], bool]:
    """Scripts that a text holds enough of to be read, and whether Latin may be one of them."""
    if text.isascii():
        return [], True
    blocks = _blocks(text)
    counts = {
        script: sum(
            int(blocks[first >> _BLOCK_BITS : (last >> _BLOCK_BITS) + 1].sum())
            for first, last in ranges
        )
        for script, ranges in _SCRIPTS
        if len(blocks) > ranges[0][0] >> _BLOCK_BITS
    }
    named = {script.name: script for script in counts}
    if "han" in named and counts[named["kana"]] * _HAN_PER_KANA >= counts[named["han"]]:
        counts[named["kana"]] += counts.pop(named["han"])
    found = [
        _found(script, count, text)
        for script, count in counts.items()
        if count * script.letter_weight >= _LEAST_LETTERS
    ]
    latin = int(blocks[:_LATIN_BLOCKS].sum()) >= _LEAST_LETTERS
    return [one for one in found if one.letters >= _LEAST_LETTERS], latin


def _found(script: Script, count: int, text: str) -> Found:
    if script.name not in _LOOK_ALIKES and len(script.languages) == 1:
        return Found(script, count * script.letter_weight)
    words = " ".join(_runs(script.name).findall(text))
    if script.name in _LOOK_ALIKES:
        count = len(words) - words.count(" ")
    return Found(script, count * script.letter_weight, words)


def _blocks(text: str) -> npt.NDArray[np.int64]:
    """How many characters a text has of each block of 64. Counting them one by one takes longer
    than the forward pass of a text without spaces."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return np.bincount(points >> _BLOCK_BITS).astype(np.int64)


@functools.cache
def _runs(script: str) -> re.Pattern[str]:
    """Runs of a script's characters."""
    ranges = next(ranges for one, ranges in _SCRIPTS if one.name == script)
    inside = "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
    if script in _LOOK_ALIKES:
        return re.compile(rf"(?<![^\W\d_])[{inside}]{{2,}}(?![^\W\d_])")
    return re.compile(f"[{inside}]+")
