"""The exchange that is judged, and the two labels that it can have."""

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
    """A prompt and, optionally, the response to it.

    If `response is None`, the question is whether the prompt is harmful. Otherwise the question is
    whether the response is harmful, given the prompt. An empty response is still a response: absent
    is not empty.
    """

    prompt: str
    response: str | None = None

    @property
    def slice(self) -> Slice:
        return "prompt" if self.response is None else "pair"
