"""Words without spaces between them: `#HowDoIKnit`, `how_do_i_knit_a_hat`, `#how #do #i #knit`.

Names in programs and hashtags look similar. The difference is that many parts of a disguise are
very common English words, which names and topics seldom contain.
"""

from __future__ import annotations

import re
from typing import Final

from postern.disguises.ciphers import COMMON

# Something of this is in every such word. Looking for it is much quicker than reading all words.
_MAYBE: Final = re.compile(
    r"#|[A-Za-z0-9'][_+.\-][A-Za-z0-9']|[a-z0-9][A-Z]|[A-Z]{2}|[A-Za-z][0-9]"
)
_TOKEN: Final = re.compile(r"\S+")
_CAMEL: Final = re.compile(r"#?[A-Za-z][A-Za-z0-9]*")
# A run of capitals is an abbreviation, without the one that begins the next word.
_CAMEL_PART: Final = re.compile(r"[A-Z](?=[A-Z][a-z])|[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+|[0-9]+")
_SIGNED: Final = re.compile(r"#?[A-Za-z0-9']+(?:([_+.\-])[A-Za-z0-9']+)(?:\1[A-Za-z0-9']+){3,}")
# Quotes, brackets and stops around it.
_AROUND: Final = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb()[]{}<>*.,;:?!\u2026"
_SIGN: Final = re.compile(r"[_+.\-#]")
_TAG: Final = re.compile(r"(?<!\S)#([A-Za-z]+)")
_LEAST_PARTS: Final = 4
_LEAST_COMMON: Final = 2
_LEAST_COMMON_IN_NAMES: Final = 3
_LEAST_SHARE: Final = 0.25
_ONE_LETTER: Final = frozenset("IAai")
_BEGIN_NAMES: Final = frozenset(
    ["can", "find", "from", "get", "has", "is", "new", "on", "set", "to", "with"]
)


def from_joined(text: str) -> str | None:
    """The text with such words separated, or None if there are none."""
    if _MAYBE.search(text) is None:
        return None
    parted = _TOKEN.sub(lambda found: _parted(found[0]), text)
    if _are_sentence(tags := _TAG.findall(parted)) and len(tags) >= _LEAST_PARTS:
        parted = _TAG.sub(r"\1", parted)
    return None if parted == text else parted


def _parted(token: str) -> str:
    core = token.strip(_AROUND)
    if core + "(" in token and core[:1].islower():
        return token  # a function
    if _CAMEL.fullmatch(core):
        parts = _CAMEL_PART.findall(core)
        least = _LEAST_COMMON
        if len(parts) < _LEAST_PARTS or _is_name(parts):
            return token
    elif _SIGNED.fullmatch(core):
        # `state-of-the-art` is a word: more parts must be common.
        parts, least = _SIGN.sub(" ", core).split(), _LEAST_COMMON_IN_NAMES
    else:
        return token
    return token.replace(core, " ".join(parts)) if _are_sentence(parts, least=least) else token


def _is_name(parts: list[str]) -> bool:
    """Whether it is written like a name in a program: `getUserByIdAndName`."""
    first = parts[0]
    words = len(_common(parts)) + sum(part in _ONE_LETTER for part in parts)
    return first.islower() and (first in _BEGIN_NAMES or words < _LEAST_COMMON_IN_NAMES)


def _common(parts: list[str]) -> list[str]:
    return [part.lower() for part in parts if part.lower() in COMMON]


def _are_sentence(parts: list[str], *, least: int = _LEAST_COMMON) -> bool:
    common = _common(parts)
    return len(set(common)) >= least and len(common) >= _LEAST_SHARE * len(parts)
