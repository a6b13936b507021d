"""Windows of token ids and their padding: what the tokenizer gives to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Span = tuple[int, int]
"""First token and the one after the last, counted in one segment."""


@dataclass(frozen=True, slots=True)
class Window:
    """Input of one forward pass. ids, type_ids: (length,) int64, special tokens included."""

    ids: Ids
    type_ids: Ids

    @property
    def length(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Encoding:
    """An exchange ready for the model. tokens: of text; special ones are not counted."""

    windows: tuple[Window, ...]
    tokens: int
    prompt_tokens: int
    """0 means that the tokenizer saw nothing in the prompt, so there is nothing to judge."""
    spans: tuple[tuple[Span, ...], ...] = ()
    """What each window holds of each segment. Empty if there is only one window."""
    student: int = 0
    """Place of the student that these tokens are for, among those that serve."""


_MULTIPLE_OF: Final = 8


def padded_length(longest: int, *, multiple_of: int = _MULTIPLE_OF) -> int:
    """Padded length of each window in a batch whose longest window has `longest` tokens."""
    return -(-longest // multiple_of) * multiple_of


def pad(
    windows: Sequence[Window], *, pad_id: int, multiple_of: int = _MULTIPLE_OF
) -> tuple[Ids, Ids, Ids]:
    """(ids, attention_mask, type_ids), each (n, longest) int64, rounded up to `multiple_of`.

    Padding is on the right, under a zero mask.
    """
    longest = padded_length(max(window.length for window in windows), multiple_of=multiple_of)
    ids = np.full((len(windows), longest), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    types = np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : window.length] = window.ids
        mask[row, : window.length] = 1
        types[row, : window.length] = window.type_ids
    return ids, mask, types
