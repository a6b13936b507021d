"""Vectors in base64, as OpenAI's clients ask for embeddings: told apart from text by their numbers.

Text that happens to be base64 gives numbers that no embedding has, such as 1e-19 or 1e36. Text in
base64 also gives bytes that are all printable.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import numpy as np

_FLOAT: Final = np.dtype("<f4")
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
    if len(raw) % _FLOAT.itemsize or len(raw) < _FEWEST * _FLOAT.itemsize:
        return False
    numbers = np.abs(np.frombuffer(raw, _FLOAT))
    octets = np.frombuffer(raw, np.uint8)
    fits = (numbers == 0) | ((numbers >= _SMALLEST) & (numbers <= _LARGEST))
    printable = (octets >= ord(" ")) & (octets <= ord("~"))
    return bool(fits.all() and printable.mean() < _MOST_PRINTABLE)
