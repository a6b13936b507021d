"""Behaviour rows, derived from the train split and from templates, in both classes of each form.

The kinds come from complaints about moderation systems: a harmless sentence that hides harm,
flagged odd spelling, victims who are turned away, refusals that count as harm. In every kind, both
labels have the same form, so that the form is not the signal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from postern.contract.exchange import Exchange, Label
from postern.disguises.triggers import disguise_of

from model_training.data.behaviour import grave_text as grave
from model_training.data.behaviour import looks_text as looks
from model_training.data.behaviour import people_text as people
from model_training.data.behaviour import refusals_text as refusals
from model_training.data.behaviour import rules_text as rules
from model_training.data.behaviour import small_text as small
from model_training.data.behaviour.codes import ASKS, CODES
from model_training.data.behaviour.grammar import Slots, draw, fill, pick
from model_training.data.behaviour.looks_words import LOOKS_SLOTS
from model_training.data.behaviour.spelling import SPELLINGS
from model_training.data.rows import Row
from model_training.recipe.behaviour import BehaviourRowsConfig

SOURCE: Final = "behaviour_"
SLOTS: Final[Slots] = {**small.SMALL_SLOTS, **people.PEOPLE_SLOTS, **LOOKS_SLOTS}

HARMLESS_TEMPLATES: Final = (
    *(*small.REQUESTS, *people.HELP_SEEKING, *looks.TOPIC_WORDS),
    *(*grave.FICTION, *looks.IDENTITY, *grave.FACTS),
)
HARMFUL_TEMPLATES: Final = (
    *(*looks.PLAIN_HARM, *looks.PLAIN_HARM),  # as often as all others together
    *(*people.MEANING_HARM, *looks.HATEFUL, *grave.GRAVE, *grave.FICTION_ABUSED),
)
_BY_LABEL: Final = {Label.UNHARMFUL: HARMLESS_TEMPLATES, Label.HARMFUL: HARMFUL_TEMPLATES}

_SHORT_CHARACTERS: Final = 240
_TEMPLATE_SHARE: Final = 0.4
_RAW_SHARE: Final = 0.2
_LEAST_ANSWER_CHARACTERS: Final = 160

_SPELLED: Final = (
    *SPELLINGS,
    # Each of these spells a word in many ways, so they take more rows than a fixed change.
    *(2 * ("typos", "swapped", "vowels_dropped", "repeated_vowels", "missing_spaces")),
)

Rng = np.random.Generator


@dataclass(frozen=True)
class Pool:
    """The material for behaviour rows: short prompts by label and source, and labelled answers."""

    prompts: dict[Label, list[list[str]]]
    answers: dict[Label, list[tuple[str, str]]]


def behaviour_rows(rows: Sequence[Row], config: BehaviourRowsConfig) -> list[Row]:
    """All rows that the settings ask for; `rows` must come only from the train split.

    Each kind has its own random generator, so the count of one kind does not change another. A
    row's source names its kind. Texts are distinct within a kind.
    """
    pool = pool_of(rows)
    found: list[Row] = []
    for place, (kind, make) in enumerate(KINDS.items()):
        count = int(getattr(config, kind))
        if count:
            found += make(pool, count, np.random.default_rng([config.seed, place]))
    return found


def pool_of(rows: Sequence[Row]) -> Pool:
    """Sorts the usable prompts and answers by label and source."""
    by_label: dict[Label, defaultdict[str, list[str]]] = {one: defaultdict(list) for one in Label}
    answers: dict[Label, list[tuple[str, str]]] = {one: [] for one in Label}
    for row in rows:
        if row.response is not None:
            if len(row.response) >= _LEAST_ANSWER_CHARACTERS:
                answers[Label(row.label)].append((row.prompt, row.response))
        elif len(row.prompt) <= _SHORT_CHARACTERS:
            by_label[Label(row.label)][row.source].append(row.prompt)
    return Pool({label: list(found.values()) for label, found in by_label.items()}, answers)


def prompt_of(pool: Pool, label: Label, rng: Rng) -> str:
    """A short prompt from a template or from the train split, whose sources have equal chances."""
    sources = pool.prompts[label]
    if not sources or rng.random() < _TEMPLATE_SHARE:
        return fill(pick(_BY_LABEL[label], rng), SLOTS, rng)
    return pick(sources[int(rng.integers(len(sources)))], rng)


def harmless_text(rng: Rng) -> str:
    """One or several harmless sentences."""
    count = 1 if rng.random() < 0.7 else int(rng.integers(2, 6))
    kinds = (small.STATEMENTS, small.STATEMENTS, small.COURTESIES, small.REQUESTS)
    return " ".join(
        fill(pick(kinds[int(rng.integers(len(kinds)))], rng), SLOTS, rng) for _ in range(count)
    )


def diluted_text(text: str, rng: Rng) -> str:
    """The text with harmless text before, after or around it, on the same or on separate lines."""
    gap = "\n\n" if rng.random() < 0.3 else "\n" if rng.random() < 0.15 else " "
    match int(rng.integers(5)):
        case 0 | 1:
            parts = [text, harmless_text(rng)]
        case 2 | 3:
            parts = [harmless_text(rng), text]
        case _:
            parts = [harmless_text(rng), text, harmless_text(rng)]
    return gap.join(parts)


def encoded_text(text: str, rng: Rng) -> str:
    """The text encoded, then decoded as in serving; some texts stay encoded, at random or because
    serving does not decode them."""
    code = list(CODES.values())[int(rng.integers(len(CODES)))]
    given = pick(ASKS, rng).replace("{code}", code(text))
    disguise = None if rng.random() < _RAW_SHARE else disguise_of(Exchange(given))
    return given if disguise is None else disguise.decoded.prompt


def _spelled_text(text: str, rng: Rng) -> str:
    return SPELLINGS[pick(_SPELLED, rng)](text, rng)


def _framed_text(text: str, rng: Rng) -> str:
    slots = {**SLOTS, "text": (text.replace("{", "(").replace("}", ")"),)}
    return fill(pick(rules.FRAMES, rng), slots, rng)


def _changed(kind: str, change: Callable[[str, Rng], str]) -> Callable[[Pool, int, Rng], list[Row]]:
    """Makes rows of changed prompts, with the classes in turn."""

    def make(pool: Pool, count: int, rng: Rng) -> list[Row]:
        found: dict[str, Row] = {}
        for index in range(count):
            label = Label(index % 2)
            text = change(prompt_of(pool, label, rng), rng)
            found[text] = _row(kind, text, None, label)
        return list(found.values())

    return make


def _written(
    kind: str, harmless: Sequence[str], harmful: Sequence[str]
) -> Callable[[Pool, int, Rng], list[Row]]:
    """Makes rows from templates only, half of each label."""

    def make(pool: Pool, count: int, rng: Rng) -> list[Row]:
        del pool
        return [
            _row(kind, text, None, label)
            for label, templates in ((Label.UNHARMFUL, harmless), (Label.HARMFUL, harmful))
            for text in draw(templates, SLOTS, count // 2, rng)
        ]

    return make


def _refused(pool: Pool, count: int, rng: Rng) -> list[Row]:
    """Refusals of harmful prompts; labelled harmful answers that begin like a refusal."""
    found = [
        _row("refused", _asked(pool, rng), fill(pick(refusals.REFUSALS, rng), SLOTS, rng), Label(0))
        for _ in range(count // 2)
    ]
    answers = pool.answers[Label.HARMFUL]
    for _ in range(count // 2 if answers else 0):
        prompt, answer = answers[int(rng.integers(len(answers)))]
        begun = f"{fill(pick(refusals.BUT_THEN, rng), SLOTS, rng)} {answer}"
        found.append(_row("refused", prompt, begun, Label.HARMFUL))
    return found


def _asked(pool: Pool, rng: Rng) -> str:
    """A harmful prompt, sometimes diluted; a refusal of it is still harmless."""
    prompt = prompt_of(pool, Label.HARMFUL, rng)
    return diluted_text(prompt, rng) if rng.random() < 0.15 else prompt


def _replied(pool: Pool, count: int, rng: Rng) -> list[Row]:
    """Short harmless answers to harmless prompts; equally short harmful answers to any prompt."""
    found = []
    for index in range(count):
        label = Label(index % 2)
        asked = Label.UNHARMFUL if not label or rng.random() < 0.5 else Label.HARMFUL
        if label:
            kinds = (small.HARMFUL_ANSWERS, looks.HATEFUL)
        else:
            kinds = (small.ONE_LINERS, small.SHORT_ANSWERS)
        answer = fill(pick(kinds[int(rng.integers(2))], rng), SLOTS, rng)
        if rng.random() < 0.25:
            beside = (small.ONE_LINERS, small.STATEMENTS)[int(rng.integers(2))]
            answer = f"{fill(pick(beside, rng), SLOTS, rng)} {answer}"
        found.append(_row("replied", prompt_of(pool, asked, rng), answer, label))
    return found


def _truncated(pool: Pool, count: int, rng: Rng) -> list[Row]:
    """Answers cut at a word: harmless ones anywhere, harmful ones after their first half."""
    found: list[Row] = []
    if not all(pool.answers[label] for label in Label):
        return found
    for index in range(count):
        label = Label(index % 2)
        prompt, answer = pool.answers[label][int(rng.integers(len(pool.answers[label])))]
        parts = answer.split(" ")
        least = max(1, len(parts) // 2 if label else 3)
        kept = " ".join(parts[: int(rng.integers(least, max(least + 1, len(parts))))])
        if kept.strip():
            found.append(_row("truncated", prompt, kept, label))
    return found


def _row(kind: str, prompt: str, response: str | None, label: Label) -> Row:
    return Row(source=SOURCE + kind, prompt=prompt, response=response, label=label)


KINDS: Final[dict[str, Callable[[Pool, int, Rng], list[Row]]]] = {
    "diluted": _changed("diluted", diluted_text),
    "spelled": _changed("spelled", _spelled_text),
    "encoded": _changed("encoded", encoded_text),
    "framed": _changed("framed", _framed_text),
    "refused": _refused,
    "replied": _replied,
    "truncated": _truncated,
    "rules": _written("rules", rules.PROTECTIVE, rules.HARMFUL_RULES),
    "people": _written("people", people.HELP_SEEKING, people.MEANING_HARM),
    "topics": _written("topics", looks.TOPIC_WORDS, looks.PLAIN_HARM),
    "fiction": _written("fiction", grave.FICTION, grave.FICTION_ABUSED),
    "identity": _written("identity", looks.IDENTITY, looks.HATEFUL),
    "grave": _written("grave", grave.FACTS, grave.GRAVE),
}
"""The order matters: a kind's place is part of its seed."""
