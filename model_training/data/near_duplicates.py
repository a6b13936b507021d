"""Finds near-duplicates: MinHash selects candidates, exact Jaccard similarity decides."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from datasketch import MinHash, MinHashLSH

_SHINGLE: Final = 5
_PERMUTATIONS: Final = 128
# MinHash misses some pairs at its threshold, so it searches below ours.
_SLACK: Final = 0.15
_WORD: Final = re.compile(r"\w+")


def shingles(text: str) -> frozenset[bytes]:
    """Character 5-grams of the text, ignoring case, punctuation and repeated white space."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    plain = " ".join(_WORD.findall(folded)) or folded
    if len(plain) <= _SHINGLE:
        return frozenset([plain.encode("utf-8", "replace")])
    ends = range(len(plain) - _SHINGLE + 1)
    return frozenset(plain[i : i + _SHINGLE].encode("utf-8", "replace") for i in ends)


def jaccard(left: frozenset[bytes], right: frozenset[bytes]) -> float:
    """Shared shingles divided by all shingles, in [0, 1]."""
    return len(left & right) / len(left | right)


class NearDuplicates:
    """Texts seen so far; `find` names the first of them that a text nearly repeats."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._index = MinHashLSH(threshold=max(0.05, threshold - _SLACK), num_perm=_PERMUTATIONS)
        self._texts: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def find(self, text: str) -> int | None:
        """The name of a text with a Jaccard similarity of at least the threshold, or None."""
        own = shingles(text)
        candidates: list[int] = sorted(self._index.query(_signature(own)))
        for name in candidates:
            if jaccard(own, shingles(self._texts[name])) >= self._threshold:
                return name
        return None

    def add(self, name: int, text: str) -> None:
        """Names must be unique."""
        self._index.insert(name, _signature(shingles(text)))
        self._texts[name] = text


class SharedRuns:
    """Word sequences of a set of texts; tells whether another text shares one.

    A text of fewer words than `length`, but at least `_SHORTEST_RUN`, counts as a whole.
    """

    _SHORTEST_RUN: Final = 5

    def __init__(self, texts: Iterable[str], length: int) -> None:
        self._runs: dict[int, set[int]] = {}
        for text in texts:
            words = _words(text)
            size = min(length, len(words))
            if size >= min(length, self._SHORTEST_RUN):
                self._runs.setdefault(size, set()).update(_runs(words, size))

    def shared_with(self, text: str) -> bool:
        words = _words(text)
        return any(not known.isdisjoint(_runs(words, size)) for size, known in self._runs.items())


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _runs(words: list[str], size: int) -> set[int]:
    return {hash(tuple(words[i : i + size])) for i in range(len(words) - size + 1)}


def _signature(pieces: frozenset[bytes]) -> MinHash:
    signature = MinHash(num_perm=_PERMUTATIONS)
    signature.update_batch(list(pieces))
    return signature
