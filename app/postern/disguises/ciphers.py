"""English in rot13 or written backwards, detected by its commonest words."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Final

_WORD: Final = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")
_COMMON_WORDS: Final = (
    "the be to of and a in that have i it for not on with he as you do at this but his by from"
    " they we say her she or an will my one all would there their what so up out if about who"
    " get which go me when make can like time no just him know take people into year your good"
    " some could them see other than then now look only come its over think also back after use"
    " two how our work first well way even new want because any these give day most us is are"
    " was were been has had did does write tell explain please step steps instructions create"
    " build story without where why should help need using"
)
# One letter proves nothing: `n` is `a` in rot13, and a number in every program.
COMMON: Final = frozenset(word for word in _COMMON_WORDS.split() if len(word) > 1)
"""The commonest words of English, of two letters or more, in lower case."""
_LEAST_HITS: Final = 3
_LEAST_DISTINCT: Final = 2
_LEAST_SHARE: Final = 0.25


def _rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def _reversed(text: str) -> str:
    return text[::-1]


_IN_ROT13: Final = frozenset(map(_rot13, COMMON)) - COMMON
_BACKWARDS: Final = frozenset(map(_reversed, COMMON)) - COMMON


def from_rot13(text: str) -> str | None:
    """The text with its rot13 part decoded, or None if there is none."""
    return _undone(text, _rot13, _IN_ROT13)


def from_reversed(text: str) -> str | None:
    """The text with its backward part reversed, or None if there is none."""
    return _undone(text, _reversed, _BACKWARDS)


def _undone(text: str, undo: Callable[[str], str], disguised: frozenset[str]) -> str | None:
    """Undo the stretch with the most words that become common, and only that one."""
    seen = [word for word in _WORD.findall(text.lower()) if word in disguised]
    if len(seen) < _LEAST_HITS or len(set(seen)) < _LEAST_DISTINCT:
        return None
    words = list(_WORD.finditer(text))
    evidence = [_evidence(word[0].lower(), disguised) for word in words]
    first, last, hits = _best_run(evidence)
    if hits < _LEAST_HITS:
        return None
    # Rare words around it belong to it until a common word shows otherwise.
    while first > 0 and evidence[first - 1] >= 0:
        first -= 1
    while last + 1 < len(words) and evidence[last + 1] >= 0:
        last += 1
    if hits < _LEAST_SHARE * (last + 1 - first):
        return None
    start, end = words[first].start(), words[last].end()
    return text[:start] + undo(text[start:end]) + text[end:]


def _evidence(word: str, disguised: frozenset[str]) -> int:
    return int(word in disguised) - int(word in COMMON)


def _best_run(evidence: list[int]) -> tuple[int, int, int]:
    """(first, last, sum) of the run with the largest sum; Kadane's algorithm."""
    best, total, start = (0, -1, 0), 0, 0
    for index, value in enumerate(evidence):
        if total <= 0:
            total, start = 0, index
        total += value
        if total > best[2]:
            best = (start, index, total)
    return best
