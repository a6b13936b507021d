"""Detects disguised exchanges and undoes the disguise. Linear time.

The only I/O is that of `words`, whose lists are read once.

A student reads disguised harm as noise and confidently calls it harmless, and it calls harmless
text in odd spelling harmful. So its probability cannot tell when to ask the teacher: these triggers
do. If a disguise can be undone in only one way, the text without it is judged; also if what stands
there tells a student nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from postern.contract.exchange import Exchange
from postern.contract.text import is_visible, segments
from postern.disguises.ciphers import from_reversed, from_rot13
from postern.disguises.codes import (
    from_base32,
    from_binary,
    from_decimal,
    from_entities,
    from_percent,
)
from postern.disguises.encodings import from_base64, from_hex, from_morse
from postern.disguises.joined import from_joined
from postern.disguises.lettering import (
    from_leetspeak,
    from_letters_apart,
    from_lookalikes,
    leet_is_clear,
    words_are_clear,
)
from postern.disguises.misspelt import from_misspelt, from_zeros, slips_are_clear
from postern.disguises.stretched import from_stretched, stretch_is_clear
from postern.disguises.vowels import from_vowels_dropped

Trigger = Literal[
    "unicode",
    "entities",
    "percent",
    "letters_apart",
    "stretched",
    "base32",
    "base64",
    "hex",
    "binary",
    "decimal",
    "morse",
    "rot13",
    "reversed",
    "leetspeak",
    "zeros",
    "joined",
    "vowels_dropped",
    "misspelt",
]

# In the order of undoing: letters first, so that what they spell can be decoded.
_UNDO: Final[dict[Trigger, Callable[[str], str | None]]] = {
    "unicode": from_lookalikes,
    "entities": from_entities,
    "percent": from_percent,
    "letters_apart": from_letters_apart,
    "stretched": from_stretched,
    "base32": from_base32,
    "base64": from_base64,
    "hex": from_hex,
    "binary": from_binary,
    "decimal": from_decimal,
    "morse": from_morse,
    "rot13": from_rot13,
    "reversed": from_reversed,
    "leetspeak": from_leetspeak,
    "zeros": from_zeros,
    "joined": from_joined,
    "vowels_dropped": from_vowels_dropped,
    "misspelt": from_misspelt,
}
# Undoing these changes words that were there: `eht` and `ot` around a plain word would reverse it.
# Undoing the others only decodes noise, separates words or joins letters. `vowels_dropped` may put
# another word in, but a student tells nothing from what was there: docs/research/teacher.md.
_UNCERTAIN: Final[frozenset[Trigger]] = frozenset({"rot13", "reversed"})
# Checks, on the text before undoing, whether a disguise can be undone in only one way.
_CLEAR: Final[dict[Trigger, Callable[[str], bool]]] = {
    "letters_apart": words_are_clear,
    "stretched": stretch_is_clear,
    "leetspeak": leet_is_clear,
}
# With bytes that are no text, another text may have been taken for a code.
_STRICT: Final[dict[Trigger, Callable[[str], str | None]]] = {
    "base32": partial(from_base32, strict=True),
    "base64": partial(from_base64, strict=True),
    "hex": partial(from_hex, strict=True),
    "binary": partial(from_binary, strict=True),
}
# Limit of nested disguises: few models would read more of them either.
_LAYERS: Final = 3


@dataclass(frozen=True, slots=True)
class Disguise:
    """triggers: those that fired. decoded: the exchange without its disguise, for a student hardly
    longer than before.

    certain: only the decoded text is judged, since the text can mean nothing else, or tells nothing
    as it stands. Undisguised parts stay unchanged, so nothing is lost by not reading the noise.
    """

    triggers: tuple[Trigger, ...]
    decoded: Exchange
    certain: bool = False


def disguise_of(exchange: Exchange) -> Disguise | None:
    """The disguise of an exchange; None if nothing looks disguised."""
    fired: dict[Trigger, bool] = {}
    prompt = _undisguised(exchange.prompt, fired)
    response = None if exchange.response is None else _undisguised(exchange.response, fired)
    if not fired:
        return None
    return Disguise(tuple(fired), Exchange(prompt, response), all(fired.values()))


def readable_disguise(exchange: Exchange) -> Disguise | None:
    """`disguise_of`, except that the text stays unchanged if nothing visible would be left."""
    disguise = disguise_of(exchange)
    if disguise is None:
        return None
    if not is_visible(disguise.decoded.prompt):
        return Disguise(disguise.triggers, exchange)
    return disguise


def second_reading(texts: tuple[str, ...], disguise: Disguise | None) -> tuple[str, ...] | None:
    """Segments to score in addition to those of the original text; None if they are equal.

    texts: of the original text. `decoded_counts` tells which of the two counts.
    """
    if disguise is None:
        return None
    decoded = segments(disguise.decoded)
    return None if decoded == texts else decoded


def decoded_counts(disguise: Disguise | None, plain: float, decoded: float) -> bool:
    """Whether the decoded reading counts. plain, decoded: margins of the two readings.

    If decoding is certain, the noise does not count: harmless text in odd spelling would look
    harmful. Otherwise the more harmful reading counts, so that a wrong decoding hides no harm.
    """
    return disguise is not None and (disguise.certain or decoded > plain)


def _undisguised(text: str, fired: dict[Trigger, bool]) -> str:
    """fired: receives the triggers that fired, and whether each could be undone in only one way."""
    for _ in range(_LAYERS):
        before = text
        for trigger, undo in _UNDO.items():
            decoded = undo(text)
            if decoded is not None:
                fired[trigger] = fired.get(trigger, True) and _is_clear(trigger, text, decoded)
                text = decoded
        if text == before:
            break
    return text


def _is_clear(trigger: Trigger, text: str, decoded: str) -> bool:
    """Whether a text, of which an undoing made `decoded`, can mean nothing else."""
    if trigger == "misspelt":
        return slips_are_clear(text, decoded)
    if trigger in _STRICT:
        return _STRICT[trigger](text) == decoded
    check = _CLEAR.get(trigger)
    return trigger not in _UNCERTAIN and (check is None or check(text))
