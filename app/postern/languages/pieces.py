"""A text in pieces of a sentence or so, without what is no prose. No I/O, linear time.

Pieces let an English sentence around a foreign request, and a foreign sentence around an English
one, be seen for what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

_LATIN: Final = "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_ENDS: Final = r".!?\u2026;:"
# Words of prose and ends of sentences. Names in code, paths, addresses and tags are in no language.
# Begins with one set of characters, because the search for that is quick; the bounded, possessive
# repetition keeps it linear.
_WORD: Final = re.compile(
    rf"[{_LATIN}{_ENDS}](?:"
    rf"(?<=[{_ENDS}])(?=\s)"
    rf"|(?<=[{_LATIN}])(?<![\w@/\\#$<.-].)[{_LATIN}]*+(?:['\u2019-][{_LATIN}]++){{0,3}}+"
    r"(?![\w@/\\(=<]|[.:][\w/\\]))"
)
# A longer word is noise, or text in Base64.
_LONGEST_WORD: Final = 30
# A sentence of fewer letters is read together with the next one.
_LEAST_LETTERS: Final = 30
_MOST_LETTERS: Final = 120


def pieces_of(text: str) -> Iterator[str]:
    """The Latin words of a text, in pieces that end with a sentence where possible."""
    words: list[str] = []
    letters = 0
    for match in _WORD.finditer(text):
        word = match[0]
        if word[0].isalpha():
            if len(word) <= _LONGEST_WORD:
                words.append(word)
                letters += len(word)
            enough = _MOST_LETTERS
        else:
            enough = _LEAST_LETTERS
        if letters >= enough:
            yield " ".join(words)
            words, letters = [], 0
    if words:
        yield " ".join(words)


def spread(pieces: Sequence[str], at_most: int) -> Sequence[str]:
    """At most so many of the pieces, evenly spread, the last one included."""
    if len(pieces) <= at_most:
        return pieces
    step = (len(pieces) - 1) / (at_most - 1)
    return [pieces[round(index * step)] for index in range(at_most)]
