"""Texts to send: real texts from a data folder, or generated texts of realistic lengths.

The repository holds no rows. This file records only the lengths of prompts and responses in two
public test sets (OpenAI's moderation evaluation, HarmBench), in tokens of the shipped student.
Every word below is one token of its vocabulary, so a generated text of n words has n tokens. It
takes as long to judge as a real text; its verdict means nothing.
"""

from __future__ import annotations

import gzip
import itertools
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeGuard, TypeVar

# Quantiles 0, 4, 8, … 100 % of 2,282 prompts and 602 responses, in tokens.
PROMPT_TOKENS = (
    *(3, 20, 27, 33, 40, 45, 51, 56, 62, 68, 74, 80, 88),
    *(97, 106, 119, 132, 151, 177, 229, 287, 346, 422, 521, 750, 1818),
)
RESPONSE_TOKENS = (
    *(10, 31, 59, 78, 96, 116, 153, 176, 207, 229, 251, 274, 305),
    *(322, 342, 371, 398, 416, 426, 435, 445, 454, 466, 482, 499, 711),
)
_WORDS = """
the of and to in a is that for it as was with be by on not he his but at are this have from or
had an they which one you were all her she there would their we him been has when who will no
more if out so said what up its about than into them can only other time new some could these
two may first then do any like my now over such our man me even most made after also did many
off before must well back through years where much your way down should because long each just
state those people too mr how little good world make very year still see own work men day get
here old between both life being under three never know same last another while us might great
go come since against right came take used himself few house use place during high without again
home around small however found thought went say part once general upon school every don does
got united left number course war until always away something fact water though less public put
think almost hand enough far look head system better set told nothing night end why called didn
find going knew later point program city business give group toward young days let room word
face need form several order thing side money help tell story recipe garden book music train
letter question answer list table paper river bread sugar flour cake movie game doctor child
teacher family friend computer language history science weather summer winter morning evening
kitchen window street car road market price energy green light simple short plan travel email
"""
WORDS = tuple(_WORDS.split())


class Texts(Protocol):
    """A source of texts. No two of its texts are the same, so that no cache can help."""

    def prompt(self) -> str: ...

    def pair(self) -> tuple[str, str]:
        """A prompt and the response to it."""
        ...

    def of_length(self, tokens: int) -> str:
        """A prompt of about `tokens` tokens."""
        ...


class MadeTexts:
    """Random words at recorded lengths."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._seen: set[str] = set()

    def prompt(self) -> str:
        return self.of_length(_quantile(PROMPT_TOKENS, self._rng.random()))

    def pair(self) -> tuple[str, str]:
        # The two lengths are nearly independent in the recorded sets (correlation 0.03).
        return self.prompt(), self.of_length(_quantile(RESPONSE_TOKENS, self._rng.random()))

    def of_length(self, tokens: int) -> str:
        while True:
            text = " ".join(self._rng.choices(WORDS, k=max(1, tokens)))
            if text not in self._seen:
                self._seen.add(text)
                return text
            tokens += 1  # with so few words, all their orders may have been used


class ReadTexts:
    """Rows of a data folder in random order. From the second pass, each gets two extra words."""

    def __init__(self, prompts: Sequence[str], pairs: Sequence[tuple[str, str]], seed: int) -> None:
        if not prompts:
            raise ValueError("there are no prompts")
        self._made = MadeTexts(seed)
        rng = random.Random(seed)
        self._prompts = _endless(prompts, rng)
        self._pairs = _endless(pairs, rng) if pairs else None
        self._words = rng

    def prompt(self) -> str:
        text, again = next(self._prompts)
        return f"{text} {self._mark()}" if again else text

    def pair(self) -> tuple[str, str]:
        if self._pairs is None:
            return self.prompt(), self._made.of_length(150)
        (prompt, response), again = next(self._pairs)
        return prompt, f"{response} {self._mark()}" if again else response

    def of_length(self, tokens: int) -> str:
        return self._made.of_length(tokens)

    def _mark(self) -> str:
        return " ".join(self._words.choices(WORDS, k=2))


_Row = TypeVar("_Row")


def _endless(rows: Sequence[_Row], rng: random.Random) -> Iterator[tuple[_Row, bool]]:
    """Every row in each pass, always in a new order; says whether the row repeats."""
    for again in itertools.chain([False], itertools.repeat(True)):
        for row in rng.sample(rows, len(rows)):
            yield row, again


def read_texts(folder: Path, *, seed: int, split: str = "test") -> ReadTexts:
    """The rows of `<folder>/<split>/*.jsonl.gz`. Raises FileNotFoundError if there are none."""
    prompts: dict[str, None] = {}
    pairs: dict[tuple[str, str], None] = {}
    for row in _rows(sorted((folder / split).glob("*.jsonl.gz"))):
        prompt, response = row.get("prompt"), row.get("response")
        if not _readable(prompt):
            continue
        prompts[prompt] = None
        if _readable(response):
            pairs[prompt, response] = None
    if not prompts:
        raise FileNotFoundError(f"no rows in {split}/*.jsonl.gz")
    return ReadTexts(tuple(prompts), tuple(pairs), seed)


def texts(data: Path | None, *, seed: int) -> Texts:
    """Real texts if a data folder is given, else generated texts."""
    return MadeTexts(seed) if data is None else read_texts(data, seed=seed)


def _rows(files: Iterable[Path]) -> Iterator[dict[str, str]]:
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _readable(text: str | None) -> TypeGuard[str]:
    """Whether the text has something to judge and can be sent; UTF-8 has no lone surrogates."""
    if not text or not any(map(str.isalnum, text)):
        return False
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _quantile(recorded: Sequence[int], share: float) -> int:
    """Linear interpolation between two recorded quantiles."""
    place = share * (len(recorded) - 1)
    low = int(place)
    return round(recorded[low] + (recorded[low + 1] - recorded[low]) * (place - low))
