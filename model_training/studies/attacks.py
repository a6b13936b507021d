"""Disguised prompts for the case study: ciphers and encodings that a chatbot can still read."""

from __future__ import annotations

import base64
import codecs
import string
from collections.abc import Callable, Sequence
from typing import Final, Literal

import numpy as np

from model_training.data.rows import Row

Attack = Literal["rot13", "base64", "leetspeak", "substitution"]

_LEET: Final = str.maketrans("aeiostAEIOST", "431057431057")


def disguise(attack: Attack | None, *, seed: int) -> Callable[[str], str]:
    """The text as the attack changes it. seed: for the alphabet of `substitution`."""
    match attack:
        case None:
            return lambda text: text
        case "rot13":
            return lambda text: codecs.encode(text, "rot13")
        case "base64":
            return lambda text: base64.b64encode(text.encode("utf-8", "replace")).decode()
        case "leetspeak":
            return lambda text: text.translate(_LEET)
        case "substitution":
            shuffled = "".join(
                np.random.default_rng(seed).permutation(list(string.ascii_lowercase))
            )
            table = str.maketrans(
                string.ascii_lowercase + string.ascii_uppercase, shuffled + shuffled.upper()
            )
            return lambda text: text.translate(table)


def attacked(
    rows: Sequence[Row],
    attack: Attack | None,
    *,
    count: int,
    longest: int,
    instruction: str,
    seed: int,
) -> list[Row]:
    """Disguised prompts of both classes, equally many of each, up to `count`.

    Harmless prompts are disguised too; otherwise the disguise itself would signal harm. Sources
    take turns, so that no large one dominates. attack: None leaves the text plain. longest:
    characters of a prompt.
    """
    change = disguise(attack, seed=seed)
    rng = np.random.default_rng(seed)
    found: list[Row] = []
    for label, name in ((0, "unharmful"), (1, "harmful")):
        by_source: dict[str, list[str]] = {}
        for place in rng.permutation(len(rows)):
            row = rows[place]
            if row.response is None and row.label == label and len(row.prompt) <= longest:
                by_source.setdefault(row.source, []).append(row.prompt)
        for text in _in_turn(list(by_source.values()), count // 2):
            prompt = f"{instruction} {change(text)}".strip()
            found.append(Row(source=f"attack_{name}", prompt=prompt, response=None, label=label))
    return found


def _in_turn(groups: Sequence[Sequence[str]], count: int) -> list[str]:
    """The first of each group, then the second of each, up to `count` in all."""
    longest = max((len(group) for group in groups), default=0)
    dealt = [group[turn] for turn in range(longest) for group in groups if turn < len(group)]
    return dealt[:count]
