"""Sealed strings: values that an API encrypts for itself, such as the signature of a thought.

They are no text, and a judgement on them would be noise. But only a value that looks encrypted
passes as sealed: English in base64 is printable when it is decoded, and English without spaces has
no digits.
"""

from __future__ import annotations

import base64
import math
import re
from typing import Final

SEALED: Final = frozenset({"signature", "encrypted_content", "encrypted_index", "encrypted_stdout"})
"""Fields for sealed strings."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_URL_SAFE: Final = str.maketrans("-_", "+/")
# As short as an identifier, which may be anything.
_SHORT: Final = 64
# 37 % of random bytes are printable. All bytes of ASCII are, and half of those of ASCII in UTF-16.
_MOST_PRINTABLE: Final = 0.5
# Of the number of different bytes that random ones would have.
_LEAST_DIFFERENT: Final = 0.7
_LEAST_LETTERS: Final = 0.2
_LEAST_DIGITS: Final = 0.05


def is_sealed(value: str) -> bool:
    """Whether a string can be no text: base64 of bytes that look random."""
    if _BASE64.fullmatch(value) is None:
        return False
    if len(value) <= _SHORT:
        return True
    n_chars = len(value)
    cases = (sum(map(str.isupper, value)), sum(map(str.islower, value)))
    digits = sum(map(str.isdigit, value))
    if min(cases) < _LEAST_LETTERS * n_chars or digits < _LEAST_DIGITS * n_chars:
        return False
    plain = value.rstrip("=").translate(_URL_SAFE)
    plain = plain[: len(plain) // 4 * 4]  # a piece of a stream may end anywhere
    raw = base64.b64decode(plain)
    printable = sum(32 <= byte < 127 for byte in raw)
    different = 256 * (1 - math.exp(-len(raw) / 256))
    return printable < _MOST_PRINTABLE * len(raw) and len(set(raw)) >= _LEAST_DIFFERENT * different
