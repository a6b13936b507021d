"""Limits for the JSON of one chat beyond its bytes: depth, values, choices, exchanges, text.

A body of a few hundred kilobytes can contain a quarter of a million values inside 900 brackets, or
12,000 fields beside 12,000 choices. It is counted before anything is made of it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from postern.contract.errors import ExchangeTooLong

MAX_CHOICES: Final = 128
"""The same as OpenAI's own limit of `n`."""
CONTEXT_CHARS: Final = 1000
"""Characters of the earlier turns that are read beside an earlier answer.

These turns are judged themselves.
"""


@dataclass(frozen=True, slots=True)
class JsonBounds:
    """depth: of brackets; values: in all arrays and objects together, including names of fields."""

    depth: int
    values: int


REQUEST: Final = JsonBounds(depth=64, values=100_000)
ANSWER: Final = JsonBounds(depth=64, values=200_000)
EVENT: Final = JsonBounds(depth=64, values=10_000)
VECTORS: Final = JsonBounds(depth=16, values=1_000_000)
"""An answer with embeddings, whose numbers take no work beyond their bytes."""


@dataclass(frozen=True, slots=True)
class ChatBudget:
    """Limits of what is judged in one request, or in one answer. Anything beyond is refused.

    exchanges, chars: of what was not judged before, prompts and responses together.
    """

    exchanges: int
    chars: int


def check_json(value: Any, bounds: JsonBounds) -> None:
    """Raises ExchangeTooLong. Works level by level, so that memory follows what was counted."""
    count = depth = 0
    level = [value]
    while level:
        depth += 1
        if depth > bounds.depth:
            raise ExchangeTooLong(what="levels of brackets", limit=bounds.depth)
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                count += 2 * len(one)
                children = one.values()
            elif isinstance(one, list):
                count += len(one)
                children = one  # type: ignore[assignment]
            else:
                continue
            if count > bounds.values:
                raise ExchangeTooLong(what="values", limit=bounds.values)
            below += [child for child in children if isinstance(child, dict | list)]
        level = below


def strict_json(text: str | bytes) -> Any:
    """Parse standard JSON without loss: integers of any size survive; NaN and 1e999 are refused.

    Raises ValueError.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("too deep") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("beyond the range of a float")
    return value
