"""Draws texts from templates with slots: pure, seeded."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

Slots = Mapping[str, Sequence[str]]

_SLOT: Final = re.compile(r"\{(\w+)\}")
_AFTER_A_STOP: Final = re.compile(r"([.!?] |^)([a-z])")
_DEEPEST: Final = 4
_TRIES: Final = 8


def lines(block: str) -> tuple[str, ...]:
    """The non-empty lines of a block of text, stripped."""
    return tuple(line.strip() for line in block.strip().splitlines() if line.strip())


def words(block: str) -> tuple[str, ...]:
    """The parts of a block between `|` and line breaks, stripped."""
    return tuple(part.strip() for part in re.split(r"[|\n]", block) if part.strip())


def paragraphs(block: str) -> tuple[str, ...]:
    """The texts between empty lines of a block, each on one line, or on several for ` // `."""
    texts = (" ".join(part.split()) for part in block.split("\n\n"))
    return tuple(text.replace(" // ", "\n") for text in texts if text)


def pick(texts: Sequence[str], rng: np.random.Generator) -> str:
    """One of the texts, at random. Raises ValueError if there is none."""
    return texts[int(rng.integers(len(texts)))]


def fill(template: str, slots: Slots, rng: np.random.Generator) -> str:
    """The template with every `{slot}` drawn anew; the drawn text may itself contain slots.

    Raises KeyError for an unknown slot. Sentences begin with a capital.
    """
    text = template
    for _ in range(_DEEPEST):
        if "{" not in text:
            break
        text = _SLOT.sub(lambda found: pick(slots[found[1]], rng), text)
    return _AFTER_A_STOP.sub(lambda found: found[1] + found[2].upper(), text)


def draw(templates: Sequence[str], slots: Slots, count: int, rng: np.random.Generator) -> list[str]:
    """At most `count` distinct texts, equally from all templates, in random order."""
    found: dict[str, None] = {}
    order: list[int] = rng.permutation(len(templates)).tolist()
    tries = itertools.islice(itertools.cycle(order), count * _TRIES if templates else 0)
    for index in tries:
        if len(found) >= count:
            break
        found[fill(templates[index], slots, rng)] = None
    return list(found)
