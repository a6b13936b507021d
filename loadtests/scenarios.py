"""Kinds of traffic: each is an endless sequence of requests to `POST /classify`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from loadtests.texts import Texts

PATH = "/classify"
# Shares in the mixed traffic of a chatbot's gate. Most turns are judged twice: the prompt before
# the model is asked, and the pair before its answer is shown.
_CHATBOT = {"prompt": 50, "pair": 34, "conversation": 10, "batch": 4, "long": 2}
_LONG_TOKENS = (1000, 6000)
_BATCH_SIZE = (8, 32)
_TAIL_EVERY = 100
TAIL_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Request:
    """One request. texts: exchanges that the reply must judge."""

    body: bytes
    texts: int
    path: str = PATH


Make = Callable[[Texts, random.Random], Request]


def classify(body: dict[str, Any], texts: int = 1) -> Request:
    return Request(json.dumps(body, ensure_ascii=False).encode(), texts)


def prompt(texts: Texts, _: random.Random) -> Request:
    return classify({"prompt": texts.prompt()})


def pair(texts: Texts, _: random.Random) -> Request:
    asked, answered = texts.pair()
    return classify({"prompt": asked, "response": answered})


def batch(texts: Texts, rng: random.Random) -> Request:
    return batch_of(rng.randint(*_BATCH_SIZE))(texts, rng)


def long(texts: Texts, rng: random.Random) -> Request:
    return classify({"prompt": texts.of_length(rng.randint(*_LONG_TOKENS))})


def conversation(texts: Texts, rng: random.Random) -> Request:
    """A few turns and their answers; each user turn and each answer is judged."""
    turns = rng.randint(1, 4)
    messages: list[dict[str, str]] = []
    for _ in range(turns):
        asked, answered = texts.pair()
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": answered})
    messages.append({"role": "user", "content": texts.prompt()})
    return classify({"messages": messages}, 2 * turns + 1)


def chatbot(texts: Texts, rng: random.Random) -> Request:
    kinds: dict[str, Make] = {
        "prompt": prompt,
        "pair": pair,
        "conversation": conversation,
        "batch": batch,
        "long": long,
    }
    (kind,) = rng.choices(list(_CHATBOT), weights=list(_CHATBOT.values()))
    return kinds[kind](texts, rng)


def tail(texts: Texts, rng: random.Random) -> Request:
    """Real prompts, with one in a hundred replaced by a prompt of TAIL_TOKENS tokens."""
    if rng.randrange(_TAIL_EVERY):
        return prompt(texts, rng)
    return classify({"prompt": texts.of_length(TAIL_TOKENS)})


def fixed(tokens: int) -> Make:
    """Prompts of a fixed number of tokens."""

    def make(texts: Texts, _: random.Random) -> Request:
        return classify({"prompt": texts.of_length(tokens)})

    return make


def batch_of(size: int) -> Make:
    """Real prompts, `size` in each request."""

    def make(texts: Texts, _: random.Random) -> Request:
        return classify({"inputs": [{"prompt": texts.prompt()} for _ in range(size)]}, size)

    return make


SCENARIOS: dict[str, Make] = {
    "prompts": prompt,
    "pairs": pair,
    "batches": batch,
    "long": long,
    "chatbot": chatbot,
    "tail": tail,
    "tokens-16": fixed(16),
    "tokens-64": fixed(64),
    "tokens-128": fixed(128),
    "tokens-512": fixed(512),
    "batch-1": batch_of(1),
    "batch-8": batch_of(8),
    "batch-32": batch_of(32),
    "batch-128": batch_of(128),
}


def requests(name: str, texts: Texts, *, seed: int) -> Iterator[Request]:
    """The endless sequence of a scenario, determined by the seed. Raises KeyError if unknown."""
    make = SCENARIOS[name]
    rng = random.Random(seed)
    while True:
        yield make(texts, rng)
