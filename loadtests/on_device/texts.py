"""Prompts of an exact number of tokens, each another one, made of whole words of the vocabulary."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Final

from postern.contract.artifact import Artifact

# At the beginning and the end of a window. A reply does not count them.
MARKS: Final = 2
_WORD: Final = re.compile(r"[a-z]{4,12}")


def words(artifact: Artifact) -> list[str]:
    """The vocabulary's words that are one token each."""
    vocabulary = json.loads(artifact.tokenizer)["model"]["vocab"]
    return sorted(word for word in vocabulary if _WORD.fullmatch(word))


def prompts(words: list[str], tokens: int, seed: int) -> Iterator[str]:
    """Random prompts of `tokens` tokens, the marks of a window included, without end."""
    chosen = random.Random(seed * 1000 + tokens)
    while True:
        yield " ".join(chosen.choices(words, k=tokens - MARKS))
