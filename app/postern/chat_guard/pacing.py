"""When the text of a streamed answer is scored. It depends only on the text, not on how it came.

It reads letter by letter, so that a word or a sentence end that is cut in two counts as one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

ScoreAt = Literal["sentence", "tokens"]

_TOKEN_LETTERS: Final = 8
_CHARS_PER_TOKEN: Final = 16
# "1. ", "Mr. ", "Oh! ": not worth a forward pass each.
_SHORTEST_SENTENCE_TOKENS: Final = 5
# A score reads all of the text so far. With a share of that text as the least distance between two
# scores, the work for an answer grows with its length, not with its square.
_SHARE_OF_TEXT: Final = 8

_OTHER, _LETTER, _WHOLE, _STOP, _FULL_STOP, _CLOSER, _SPACE, _LINE = range(8)
_KINDS: Final = (
    (re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"), _WHOLE),
    (re.compile(r"[^\W_]"), _LETTER),
    (re.compile(r"\n"), _LINE),
    (re.compile(r"\s"), _SPACE),
    (re.compile(r"[.!?\u2026]"), _STOP),
    (re.compile(r"[\u3002\uff01\uff1f\uff61]"), _FULL_STOP),
    (re.compile(r"[\"'\u201d\u2019)\]*_]"), _CLOSER),
)


@dataclass(frozen=True, slots=True)
class ScoreRule:
    """When held text is scored: at sentence ends or not, and after this many tokens at the latest.

    tail_chars: of a long answer, the part that is scored before its end; at the end all of it is.
    doubt_tokens: this much text, held meanwhile, must stay harmful before an answer is cut in its
    middle. Alone, the first sentence of an answer ("That is a great question.") says too little and
    is often taken for harm: of 102 harmless answers that began so, 25 were cut at the first score
    that found harm, but only 2 with 96 tokens of doubt, and these 2 are also flagged as a whole.
    """

    at: ScoreAt
    every_tokens: int
    tail_chars: int
    doubt_tokens: int = 0


class Pacer:
    """The points in one text at which it is scored.

    Tokens are roughly what chat models count: eight letters of a word, a mark, a character of a
    script without spaces.
    """

    def __init__(self, rule: ScoreRule) -> None:
        self._rule = rule
        self._chars = 0
        self._tokens = 0
        self._run = 0
        self._stopped = False
        self.scored_tokens = 0
        """Up to the last place that was found."""
        self._kinds: dict[str, int] = {}

    def feed(self, text: str) -> int | None:
        """The last point in this piece up to which the text is to be scored; None if there is
        none."""
        last: int | None = None
        for position, character in enumerate(text):
            kind = self._kind(character)
            goes_on = kind == _LETTER and self._run
            if self._is_full and not goes_on and kind not in (_SPACE, _LINE):
                last = self._found(position)  # before the next word or mark
            self._count(kind)
            if self._is_due(kind):
                last = self._found(position + 1)
            if kind != _CLOSER:
                self._stopped = kind == _STOP
        return last

    def _found(self, place: int) -> int:
        self.scored_tokens += self._tokens
        self._chars = self._tokens = 0
        return place

    @property
    def _is_full(self) -> bool:
        return self._tokens >= self._rule.every_tokens

    def _count(self, kind: int) -> None:
        self._chars += 1
        if kind == _LETTER:
            self._tokens += self._run % _TOKEN_LETTERS == 0
            self._run += 1
        else:
            self._run = 0
            self._tokens += kind not in (_SPACE, _LINE)

    def _is_due(self, kind: int) -> bool:
        rule = self._rule
        # A word is not cut in two, unless it is too long for one. White space alone counts as no
        # token, and must not collect for ever.
        if self._chars >= _CHARS_PER_TOKEN * rule.every_tokens:
            return True
        if self._is_full and kind in (_SPACE, _LINE):
            return True
        ended = kind in (_LINE, _FULL_STOP) or (kind == _SPACE and self._stopped)
        least = max(_SHORTEST_SENTENCE_TOKENS, self._read // _SHARE_OF_TEXT)
        return ended and rule.at == "sentence" and self._tokens >= least

    @property
    def _read(self) -> int:
        """Tokens that the next score reads again."""
        return min(self.scored_tokens, self._rule.tail_chars // 4)

    def _kind(self, character: str) -> int:
        found = self._kinds.get(character)
        if found is None:
            found = next((kind for like, kind in _KINDS if like.match(character)), _OTHER)
            self._kinds[character] = found
        return found
