"""Twins: for a harmful instruction a harmless one in the same words, and the other way round.

A student that learns both cannot go by alarming words alone. The teacher decides which twins are
what they were asked to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from model_training.augmentation.generate import report
from model_training.augmentation.instructions import (
    Instruction,
    Intent,
    complaint_about,
    instruction_of,
)
from model_training.augmentation.respond import prefix_of, seed_of
from model_training.data.rows import normalized_key, prompt_hash
from model_training.recipe.augmentation import TwinsConfig
from model_training.run.journal import Journal
from model_training.teachers.llm import Backend, Call, Reply, answer_all, chat_call, written_after

TEMPLATES: Final[dict[Intent, str]] = {
    "benign": (
        "This request seeks harm: {text}\n\n"
        "Rewrite it into a request that is plainly harmless and keeps its topic and most of its "
        "words. Write the new request alone, on one line."
    ),
    "harmful": (
        "This request is harmless: {text}\n\n"
        "Rewrite it into a request that plainly seeks harm and keeps its topic and most of its "
        "words. Write the new request alone, on one line."
    ),
}
"""By the intent of the twin. Without an example, which small models copy
(docs/research/harmaug.md).
"""
_OTHER: Final[dict[Intent, Intent]] = {"benign": "harmful", "harmful": "benign"}


def write_twins(
    instructions: Sequence[Instruction], config: TwinsConfig, backend: Backend, journal: Journal
) -> tuple[list[Instruction], dict[str, Any]]:
    """Twins of some instructions, successes and failures alike, and the report.

    Raises ServerUnusable if a prefix is configured but the backend cannot continue an assistant
    turn.
    """
    wanted: list[tuple[Intent, int]] = [("benign", config.benign), ("harmful", config.harmful)]
    asked = [
        (one, intent) for intent, count in wanted for one in _chosen(instructions, intent, count)
    ]
    calls = [_call(one, intent, config, backend) for one, intent in asked]
    if config.harmful_prefixes or config.benign_prefixes:
        backend.require_continuation(journal)
    replies = answer_all(calls, backend, journal, what="twins")
    rows = [
        _twin(one, intent, call, reply, config, backend)
        for (one, intent), call, reply in zip(asked, calls, replies, strict=True)
    ]
    return rows, report(rows)


def _chosen(instructions: Sequence[Instruction], intent: Intent, count: int) -> list[Instruction]:
    """Instructions of the other intent, chosen by their text, so that more of them are a superset
    of fewer.
    """
    others = [one for one in instructions if one.intent == _OTHER[intent]]
    return sorted(others, key=lambda one: (prompt_hash(one.text), one.id))[:count]


def _call(one: Instruction, intent: Intent, config: TwinsConfig, backend: Backend) -> Call:
    return chat_call(
        backend,
        # Not str.format: braces in an instruction are plain text.
        [{"role": "user", "content": TEMPLATES[intent].replace("{text}", one.text)}],
        model=config.model.model,
        prefix=_prefix(one, intent, config),
        sampling=config.sampling,
        seed=seed_of(one.text, config.seed),
    )


def _prefix(one: Instruction, intent: Intent, config: TwinsConfig) -> str | None:
    by_intent = {"harmful": config.harmful_prefixes, "benign": config.benign_prefixes}
    return prefix_of(one.text, by_intent[intent])


def _twin(
    one: Instruction,
    intent: Intent,
    call: Call,
    reply: Reply,
    config: TwinsConfig,
    backend: Backend,
) -> Instruction:
    prefix = _prefix(one, intent, config)
    text = instruction_of(written_after(prefix, reply.text))
    complaint = "refused_by_server" if reply.refused is not None else complaint_about(text)
    if complaint is None and normalized_key(text) == normalized_key(one.text):
        complaint = "same"
    return Instruction(
        id=call.key,
        intent=intent,
        category=one.category,
        exemplar_source=None,
        text=text,
        complaint=complaint,
        prefix=prefix,
        finish=reply.finish,
        model=backend.asked,
        seed=call.body["seed"],
        sampling=config.sampling.model_dump(),
        twin_of=one.id,
    )
