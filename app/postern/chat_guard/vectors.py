"""Vectors in base64, as OpenAI's clients ask for embeddings: told apart from text by their numbers.

Text that happens to be base64 gives numbers that no embedding has, such as 1e-19 or 1e36. Text in
base64 also gives bytes that are all printable.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Final

_FLOAT_BYTES: Final = 4
# Embeddings are of about unit length, and some models do not normalize theirs.
_SMALLEST, _LARGEST = 1e-9, 1e4
# Fewer numbers could be in that range by chance. No model has so few dimensions.
_FEWEST: Final = 16
# 37 % of random bytes are printable.
_MOST_PRINTABLE: Final = 0.75


def is_vector(value: str) -> bool:
    """Whether a string is base64 of float32 numbers, each zero or of the size of an embedding's."""
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    count, rest = divmod(len(raw), _FLOAT_BYTES)
    if rest or count < _FEWEST:
        return False
    numbers = struct.unpack(f"<{count}f", raw)
    if not all(number == 0 or _SMALLEST <= abs(number) <= _LARGEST for number in numbers):
        return False
    return sum(ord(" ") <= octet <= ord("~") for octet in raw) < _MOST_PRINTABLE * len(raw)
