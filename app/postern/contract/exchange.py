"""The thing that is judged, and the two labels it can have."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

Slice = Literal["prompt", "pair"]
SLICES: tuple[Slice, ...] = ("prompt", "pair")


class Label(enum.IntEnum):
    """Label order of the logits; recorded in the manifest and checked when an artifact loads."""

    UNHARMFUL = 0
    HARMFUL = 1


LABEL_ORDER: tuple[str, ...] = ("unharmful", "harmful")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A prompt, and the response to it where there is one.

    `response is None`: is this prompt harmful? Otherwise: is this response harmful, given the
    prompt? An empty response is a response: absent is not empty.
    """

    prompt: str
    response: str | None = None

    @property
    def slice(self) -> Slice:
        return "prompt" if self.response is None else "pair"
