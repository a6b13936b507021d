"""Texts -> the language that they were read as. Scripts decide where they can.

A short or mixed text is `und`. English prose taken for another language would lower the worth of
its verdict for nothing, so only strong evidence makes a text foreign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from postern.contract.language import UNDETERMINED, Reading
from postern.languages.model import load_identifier
from postern.languages.pieces import pieces_of, spread
from postern.languages.scripts import Found, scripts_of

# Pieces of one text that are read, about 8,000 letters. They are spread evenly over a longer text.
MOST_PIECES: Final = 96
# The identifier reads bytes, and letters of other scripts have several. So it gets fewer letters.
_MOST_CHARS: Final = 400

# Letters of a piece below which its language is a guess.
_LEAST_LETTERS: Final = 14
# A piece is foreign if the measured languages together are less probable than this.
_LEAST_PROBABILITY: Final = 0.004
# A longer piece whose measured languages are less probable than this is read in halves.
_CLEAR: Final = 0.9
_DIVIDED: Final = 36
# Probability from which a language is named, and the share of letters that it then needs.
_NAMED: Final = 0.5

# Foreign letters that no language can be named for count from this share of the other letters.
_UNNAMED_SHARE: Final = 0.25
# Languages that have a name in metrics. Others are counted together.
COMMON: Final = frozenset(
    (
        "ar bg bn cs da de el en es fa fi fr he hi hu id it ja jv ko ms nl no pl pt ro ru sk sr sv"
        f" sw ta te th tl tr uk ur vi zh {UNDETERMINED}"
    ).split()
)

# Codes of the identifier -> the language that a student is measured for.
_SAME: Final[Mapping[str, str]] = {"ary": "ar", "arz": "ar"}


class LanguageReader:
    """Reads languages. Its model is loaded once, from the package. Threads may share it."""

    def __init__(self, measured: Collection[str], *, further: Collection[str] = ()) -> None:
        """measured: languages that the student was measured for. further: those that other
        students were measured for; they are foreign, and supported."""
        self._measured = frozenset(measured)
        self._further = frozenset(further) - self._measured
        self._identifier = load_identifier()

    @property
    def measured(self) -> frozenset[str]:
        """All languages that are supported."""
        return self._measured | self._further

    def read(self, texts: Iterable[str]) -> Reading:
        """The language of the normalized texts of one exchange; a foreign one counts first."""
        own: Counter[str] = Counter()
        foreign: Counter[str] = Counter()
        for text in texts:
            scripts, latin = scripts_of(text)
            for found in scripts:
                language = self._of_script(found)
                side = own if language in self._measured else foreign
                side[language] += round(found.letters)
            for piece in spread(list(pieces_of(text)), MOST_PIECES) if latin else ():
                self._count(piece, own, foreign)
        # Lists of names look like no language at all.
        if set(foreign) == {UNDETERMINED} and foreign.total() < _UNNAMED_SHARE * own.total():
            return Reading(_most(own))
        if not foreign:
            return Reading(_most(own))
        language = _most(foreign)
        return Reading(language, language in self._further)

    def _count(self, piece: str, own: Counter[str], foreign: Counter[str]) -> None:
        """Count a piece's letters for its language, if it has enough to tell."""
        letters = len(piece) - piece.count(" ")
        if letters < _LEAST_LETTERS:
            return
        # Most pieces are clear, and ranking all languages takes half as long again.
        best, probability = self._identifier.classify(piece)
        if best in self._measured and probability >= _CLEAR:
            own[best] += letters
            return
        shares = self._shares(piece)
        measured = sum(shares.get(one, 0.0) for one in self._measured)
        best = max(shares, key=shares.__getitem__)
        name = best if shares[best] >= _NAMED else UNDETERMINED
        if measured < _LEAST_PROBABILITY:
            foreign[name] += letters
            return
        found: Counter[str] = Counter()
        if measured < _CLEAR and letters >= _DIVIDED:
            words = piece.split(" ")  # the language may change in mid-sentence
            for half in (words[: len(words) // 2], words[len(words) // 2 :]):
                self._count(" ".join(half), Counter(), found)
        foreign.update(found)
        own[name if name in self._measured else UNDETERMINED] += letters - found.total()

    def _of_script(self, found: Found) -> str:
        languages = found.script.languages
        if len(languages) == 1:
            return languages[0]
        shares = self._shares(found.words[:_MOST_CHARS])
        return max(languages, key=lambda one: shares.get(one, 0.0))

    def _shares(self, piece: str) -> dict[str, float]:
        """Probability of each language."""
        shares: dict[str, float] = {}
        for code, share in self._identifier.rank(piece):
            language = _SAME.get(code, code)
            shares[language] = shares.get(language, 0.0) + share
        return shares


def _most(letters: Counter[str]) -> str:
    """The language of most letters; `und` if it has no majority."""
    if not letters:
        return UNDETERMINED
    ((language, count),) = letters.most_common(1)
    return language if count >= _NAMED * letters.total() else UNDETERMINED
