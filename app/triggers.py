"""Whether an exchange looks disguised, and what it says without the disguise: pure, linear time.

A student reads disguised harm as noise and calls it harmless with confidence, so its probability
cannot say when to ask the teacher: these triggers do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from app.contract.errors import EmptyPrompt
from app.contract.exchange import Exchange
from app.contract.text import segments
from app.disguises.ciphers import from_reversed, from_rot13
from app.disguises.encodings import from_base64, from_hex, from_morse
from app.disguises.lettering import from_leetspeak, from_letters_apart, from_lookalikes

Trigger = Literal[
    "unicode", "letters_apart", "base64", "hex", "morse", "rot13", "reversed", "leetspeak"
]

# In the order in which they are undone: letters first, so that what they spell can be decoded.
_UNDO: Final[dict[Trigger, Callable[[str], str | None]]] = {
    "unicode": from_lookalikes,
    "letters_apart": from_letters_apart,
    "base64": from_base64,
    "hex": from_hex,
    "morse": from_morse,
    "rot13": from_rot13,
    "reversed": from_reversed,
    "leetspeak": from_leetspeak,
}
# Disguises inside disguises; more of them than this, and few models would read them either.
_LAYERS: Final = 3


@dataclass(frozen=True, slots=True)
class Disguise:
    """triggers: what fired. decoded: the exchange without it, never longer than before."""

    triggers: tuple[Trigger, ...]
    decoded: Exchange


def disguise_of(exchange: Exchange) -> Disguise | None:
    """None where nothing looks disguised."""
    fired: dict[Trigger, None] = {}
    prompt = _undisguised(exchange.prompt, fired)
    response = None if exchange.response is None else _undisguised(exchange.response, fired)
    if not fired:
        return None
    return Disguise(tuple(fired), Exchange(prompt, response))


def readable_disguise(exchange: Exchange) -> Disguise | None:
    """`disguise_of`, but where nothing visible would be left, the text stays as it came."""
    disguise = disguise_of(exchange)
    if disguise is None:
        return None
    try:
        segments(disguise.decoded)
    except EmptyPrompt:
        return Disguise(disguise.triggers, exchange)
    return disguise


def second_reading(texts: tuple[str, ...], disguise: Disguise | None) -> tuple[str, ...] | None:
    """Segments that the student scores beside those of the text as it came; None: they are equal.

    texts: of the text as it came. Of both, the more harmful counts.
    """
    if disguise is None:
        return None
    decoded = segments(disguise.decoded)
    return None if decoded == texts else decoded


def decoded_counts(disguise: Disguise | None, plain: float, decoded: float) -> bool:
    """Whether the decoded reading is the one that counts. plain, decoded: of each, its margin."""
    return disguise is not None and decoded > plain


def _undisguised(text: str, fired: dict[Trigger, None]) -> str:
    for _ in range(_LAYERS):
        before = text
        for trigger, undo in _UNDO.items():
            decoded = undo(text)
            if decoded is not None:
                fired[trigger] = None
                text = decoded
        if text == before:
            break
    return text
