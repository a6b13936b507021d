"""The language that the server's reader names, and whether rounding may change it.

The identifier adds in floats of 32 bits, in an order that depends on the processor; TypeScript adds
in 64 bits. So where a probability lies within `ROUNDING` of a bound, their answers may differ, and
neither is wrong. Such an exchange has no language here, and TypeScript must find the same ones.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final

import numpy as np
from postern.languages import reader
from postern.languages.model import load_identifier
from postern.languages.reader import LanguageReader
from postern.languages.scripts import Found
from py3langid.langid import visit_counts

ROUNDING: Final = 1e-3
"""Relative. On 6,000 texts of up to 400 characters, the two differed by at most a quarter of it."""


def exact_shares(text: str) -> dict[str, float]:
    """Probability of each code by py3langid's formula, in floats of 64 bits.

    So it is the same on every processor, apart from the last bits of an exponential.
    """
    model = load_identifier()
    content = model._encode(text)
    visits = visit_counts(model.tk_nextmove, model._rowbase, model.tk_output, content)
    if not visits:
        scores = [0.0] * len(model.nb_classes)
    else:
        table = model.nb_ptc[list(visits)].astype(float)
        weights = [_float32(math.log1p(count)) for count in visits.values()]
        scores = [
            math.fsum((prior, *(w * p for w, p in zip(weights, column, strict=True))))
            for prior, column in zip(model.nb_pc.tolist(), table.T.tolist(), strict=True)
        ]
    scale = 1.0 / math.sqrt(len(content) or 1)
    best = max(scores)
    odds = [math.exp((score - best) * scale) for score in scores]
    total = math.fsum(odds)
    shares: dict[str, float] = {}
    for code, one in zip(model.nb_classes, odds, strict=True):
        shares[code] = shares.get(code, 0.0) + one / total
    return shares


def _float32(number: float) -> float:
    return float(np.float32(number))


class WatchedReader(LanguageReader):
    """The server's reader, which notes whether a probability lies near a bound."""

    clear = True

    def answer(self, texts: tuple[str, ...]) -> list[Any] | None:
        """Language and whether it is supported; None if rounding may change them."""
        self.clear = True
        found = self.read(texts)
        return [found.language, found.supported] if self.clear else None

    def _count(self, piece: str, own: Counter[str], foreign: Counter[str]) -> None:
        if len(piece) - piece.count(" ") >= reader._LEAST_LETTERS:
            shares = self._exact(piece)
            measured = sum(shares.get(one, 0.0) for one in self._measured)
            self._watch(measured, reader._LEAST_PROBABILITY)
            self._watch(measured, reader._CLEAR)
            self._watch(max(shares.values()), reader._NAMED)
        super()._count(piece, own, foreign)

    def _of_script(self, found: Found) -> str:
        if len(found.script.languages) > 1:
            shares = self._exact(found.words[: reader._MOST_CHARS])
            known = (shares.get(one, 0.0) for one in found.script.languages)
            first, second, *_ = sorted(known, reverse=True)
            if second > 0:
                self._watch(first, second)
        return super()._of_script(found)

    def _watch(self, probability: float, bound: float) -> None:
        if abs(probability / bound - 1) < ROUNDING:
            self.clear = False

    def _exact(self, piece: str) -> dict[str, float]:
        shares: dict[str, float] = {}
        for code, share in exact_shares(piece).items():
            language = reader._SAME.get(code, code)
            shares[language] = shares.get(language, 0.0) + share
        return shares
