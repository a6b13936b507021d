"""Which texts a classifier reads together. Pure: it needs no weights.

Texts that share a forward pass share its rounding. So the same shards give the same soft labels, to
the last bit, in one process, on a cluster, and after a kill: shards have one size, answers to a
shard are kept whole or not at all, and texts without anything to read are in none of them. What is
left is then cut at the same places again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from postern.contract.errors import EmptyPrompt
from postern.contract.exchange import Exchange
from postern.contract.text import segments

from model_training.recipe.augmentation import ClassifierTeacher, EnsembleTeacher
from model_training.teachers.llm import Call, Reply

SHARD_CALLS: Final = 256
_NOTHING_TO_READ: Final = 422  # like the status of a server

Reads = Callable[[Exchange], bool]
"""Whether a teacher finds something to read."""


@dataclass(frozen=True)
class Plan:
    """shards: calls to answer together, in any order of shards. refused: replies to the others."""

    shards: list[list[Call]]
    refused: dict[str, Reply]


def planned(calls: Sequence[Call], reads: Reads) -> Plan:
    """Cut calls into shards of similar lengths, because padding costs as much as text."""
    readable = [call for call in calls if reads(exchange_of(call))]
    ordered = sorted(readable, key=lambda call: sum(map(len, map(str, call.body.values()))))
    kept = {call.key for call in readable}
    return Plan(
        [ordered[start : start + SHARD_CALLS] for start in range(0, len(ordered), SHARD_CALLS)],
        {call.key: Reply(refused=_NOTHING_TO_READ) for call in calls if call.key not in kept},
    )


def exchange_of(call: Call) -> Exchange:
    return Exchange(call.body["prompt"], call.body.get("response"))


def reads_of(config: ClassifierTeacher | EnsembleTeacher) -> Reads:
    """What the tokenizer of this teacher takes for text."""
    if isinstance(config, ClassifierTeacher) and config.format == "pair":
        return lambda exchange: bool(exchange.prompt.strip())
    return has_text


def has_text(exchange: Exchange) -> bool:
    """Whether anything visible is left of the prompt."""
    try:
        segments(exchange)
    except EmptyPrompt:
        return False
    return True
