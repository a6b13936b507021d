"""Instructions -> exchanges: the instruction alone, with a refusal, and with a complying answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from model_training.augmentation.instructions import Instruction, Intent, is_refusal
from model_training.data.rows import prompt_hash
from model_training.recipe.augmentation import Model, RespondConfig, StanceConfig
from model_training.run.journal import Journal
from model_training.teachers.llm import Backend, Call, Reply, answer_all, chat_call, written_after

Stance = Literal["refuse", "comply"]
OpenBackend = Callable[[Model], Backend]

REFUSING_SYSTEM: Final = (
    "Decline the user's request, whatever it is, politely and in at most three sentences. Give no "
    "part of what was asked for."
)


class Exchanged(BaseModel):
    """An instruction, alone or with an answer, that waits for the teacher."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """That of the instruction."""
    intent: Intent
    category: str | None
    prompt: str
    response: str | None
    stance: Stance | None
    """The stance that the answer was asked to take. The teacher decides what it is."""
    looks_refusing: bool | None
    finish: str | None
    model: str | None
    seed: int | None
    sampling: dict[str, Any] | None


def respond(
    instructions: Sequence[Instruction],
    config: RespondConfig,
    open_backend: OpenBackend,
    journal: Journal,
) -> tuple[list[Exchanged], dict[str, Any]]:
    """All exchanges, those of one instruction side by side, and the report.

    Answers that are empty, or that the server refused to write, are left out and counted. Raises
    ServerUnusable if a prefix is configured but the backend cannot continue an assistant turn.
    """
    answers: dict[Stance, list[Exchanged | None]] = {}
    chosen = _chosen(instructions, config)
    report: dict[str, Any] = {"instructions": len(instructions), "answered": len(chosen)}
    stances: tuple[tuple[Stance, StanceConfig | None], ...] = (
        ("refuse", config.refuse),
        ("comply", config.comply),
    )
    for stance, settings in stances:
        if settings is None:
            continue
        backend = open_backend(settings.model)
        if settings.prefixes:
            backend.require_continuation(journal)
        answers[stance] = _answers(chosen, stance, settings, backend, journal, seed=config.seed)
        report[stance] = _report(answers[stance])
    places = {one.id: place for place, one in enumerate(chosen)}
    rows: list[Exchanged] = []
    for instruction in instructions:
        rows.append(alone(instruction))
        place = places.get(instruction.id)
        if place is not None:
            rows += [row for found in answers.values() if (row := found[place]) is not None]
    return rows, report


def _chosen(instructions: Sequence[Instruction], config: RespondConfig) -> list[Instruction]:
    """Those that are answered, in their order. More of them are a superset of fewer."""
    if config.instructions is None:
        return list(instructions)
    lots = sorted((seed_of(one.text, config.seed), place) for place, one in enumerate(instructions))
    return [instructions[place] for place in sorted(p for _, p in lots[: config.instructions])]


def seed_of(text: str, seed: int) -> int:
    """Depends on the text, not on its position: other rows do not change its answer."""
    return (prompt_hash(text) + seed) % 2**31


def alone(instruction: Instruction) -> Exchanged:
    """The instruction as a prompt without a response."""
    return Exchanged(
        id=instruction.id,
        intent=instruction.intent,
        category=instruction.category,
        prompt=instruction.text,
        response=None,
        stance=None,
        looks_refusing=None,
        finish=None,
        model=None,
        seed=None,
        sampling=None,
    )


def _answers(
    instructions: Sequence[Instruction],
    stance: Stance,
    config: StanceConfig,
    backend: Backend,
    journal: Journal,
    *,
    seed: int,
) -> list[Exchanged | None]:
    calls = [_call(one, stance, config, backend, seed=seed) for one in instructions]
    replies = answer_all(calls, backend, journal, what=stance)
    return [
        _exchanged(one, stance, config, call, reply)
        for one, call, reply in zip(instructions, calls, replies, strict=True)
    ]


def _call(
    instruction: Instruction, stance: Stance, config: StanceConfig, backend: Backend, *, seed: int
) -> Call:
    system = config.system
    if system is None and stance == "refuse":
        system = REFUSING_SYSTEM
    messages = [] if not system else [{"role": "system", "content": system}]
    return chat_call(
        backend,
        [*messages, {"role": "user", "content": instruction.text}],
        model=config.model.model,
        prefix=prefix_of(instruction.text, config.prefixes),
        sampling=config.sampling,
        seed=seed_of(instruction.text, seed),
    )


def prefix_of(text: str, prefixes: Sequence[str]) -> str | None:
    """The beginning of the answer to a text, which depends on the text alone; None without any."""
    return prefixes[prompt_hash(text) % len(prefixes)] if prefixes else None


def _exchanged(
    instruction: Instruction, stance: Stance, config: StanceConfig, call: Call, reply: Reply
) -> Exchanged | None:
    prefix = prefix_of(instruction.text, config.prefixes)
    written = written_after(prefix, reply.text)
    if reply.refused is not None or not written.strip():
        return None
    if prefix and not written[:1].isspace():
        written = f" {written}"  # some servers trim this space
    response = f"{prefix or ''}{written}".strip()
    return Exchanged(
        id=instruction.id,
        intent=instruction.intent,
        category=instruction.category,
        prompt=instruction.text,
        response=response,
        stance=stance,
        looks_refusing=is_refusal(response),
        finish=reply.finish,
        model=call.asked,
        seed=call.body["seed"],
        sampling=config.sampling.model_dump(),
    )


def _report(answers: Sequence[Exchanged | None]) -> dict[str, Any]:
    found = [row for row in answers if row is not None]
    return {
        "answers": len(found),
        "left_out": len(answers) - len(found),
        "cut_off": sum(row.finish == "length" for row in found),
        "look_refusing": sum(bool(row.looks_refusing) for row in found),
    }
