"""Whether an exchange looks disguised, and what it says without the disguise: pure, linear time.

A student reads disguised harm as noise and calls it harmless with confidence, and harmless text in
odd spelling harmful. So its probability cannot say when to ask the teacher: these triggers do; and
where the disguise can be undone but one way, the text without it is what is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from postern.contract.errors import EmptyPrompt
from postern.contract.exchange import Exchange
from postern.contract.text import segments
from postern.disguises.ciphers import (
    from_reversed,
    from_rot13,
)
from postern.disguises.codes import (
    from_base32,
    from_binary,
    from_decimal,
    from_entities,
    from_percent,
)
from postern.disguises.encodings import (
    from_base64,
    from_hex,
    from_morse,
)
from postern.disguises.joined import from_joined
from postern.disguises.lettering import (
    from_leetspeak,
    from_letters_apart,
    from_lookalikes,
    leet_is_clear,
    words_are_clear,
)

Trigger = Literal[
    "unicode",
    "entities",
    "percent",
    "letters_apart",
    "base32",
    "base64",
    "hex",
    "binary",
    "decimal",
    "morse",
    "rot13",
    "reversed",
    "leetspeak",
    "joined",
]

# In the order in which they are undone: letters first, so that what they spell can be decoded.
_UNDO: Final[dict[Trigger, Callable[[str], str | None]]] = {
    "unicode": from_lookalikes,
    "entities": from_entities,
    "percent": from_percent,
    "letters_apart": from_letters_apart,
    "base32": from_base32,
    "base64": from_base64,
    "hex": from_hex,
    "binary": from_binary,
    "decimal": from_decimal,
    "morse": from_morse,
    "rot13": from_rot13,
    "reversed": from_reversed,
    "leetspeak": from_leetspeak,
    "joined": from_joined,
}
# Undoing these changes words that stood there: whoever writes `eht` and `ot` around a plain word
# turns it round. Undoing the others only spells out noise, parts words or joins letters.
_UNCERTAIN: Final[frozenset[Trigger]] = frozenset({"rot13", "reversed"})
# What decides whether what was undone reads but one way; the text before it was undone.
_CLEAR: Final[dict[Trigger, Callable[[str], bool]]] = {
    "letters_apart": words_are_clear,
    "leetspeak": leet_is_clear,
}
# Disguises inside disguises; more of them than this, and few models would read them either.
_LAYERS: Final = 3


@dataclass(frozen=True, slots=True)
class Disguise:
    """triggers: what fired. decoded: the exchange without it, hardly longer than before.

    certain: the text can say nothing but what was decoded, so that alone is judged. All that was
    no disguise stands in it as before: nothing is lost by not reading the noise.
    """

    triggers: tuple[Trigger, ...]
    decoded: Exchange
    certain: bool = False


def disguise_of(exchange: Exchange) -> Disguise | None:
    """None where nothing looks disguised."""
    fired: dict[Trigger, bool] = {}
    prompt = _undisguised(exchange.prompt, fired)
    response = None if exchange.response is None else _undisguised(exchange.response, fired)
    if not fired:
        return None
    return Disguise(tuple(fired), Exchange(prompt, response), all(fired.values()))


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

    texts: of the text as it came. Which of both counts, `decoded_counts` says.
    """
    if disguise is None:
        return None
    decoded = segments(disguise.decoded)
    return None if decoded == texts else decoded


def decoded_counts(disguise: Disguise | None, plain: float, decoded: float) -> bool:
    """Whether the decoded reading is the one that counts. plain, decoded: of each, its margin.

    Where decoding is certain, the noise is no reading: harmless text in odd spelling looks harmful
    as it comes. Where it is not, the more harmful counts, so that no false decoding hides harm.
    """
    return disguise is not None and (disguise.certain or decoded > plain)


def _undisguised(text: str, fired: dict[Trigger, bool]) -> str:
    """fired: takes what fired, and whether each time it could be undone but one way."""
    for _ in range(_LAYERS):
        before = text
        for trigger, undo in _UNDO.items():
            decoded = undo(text)
            if decoded is not None:
                clear = trigger not in _UNCERTAIN and _CLEAR.get(trigger, _always)(text)
                fired[trigger] = fired.get(trigger, True) and clear
                text = decoded
        if text == before:
            break
    return text


def _always(text: str) -> bool:
    del text
    return True
