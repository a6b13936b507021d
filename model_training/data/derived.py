"""Derives or constructs rows where the pool is thin. Each row names this origin."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from postern.contract.exchange import Label

from model_training.data.behaviour.rows import behaviour_rows
from model_training.data.constructed import statements, stories
from model_training.data.rows import Row
from model_training.recipe.config import AugmentConfig

_NEEDLE_CHARACTERS = 300
_HAYSTACK_CHARACTERS = (300, 3000)
_WRAPPER_CHARACTERS = 100
_WRAPPER_ROWS = 5


def derive(rows: Sequence[Row], config: AugmentConfig, rng: np.random.Generator) -> list[Row]:
    """All derived rows of a recipe. `rows` must come from the train split only."""
    written = statements(config.constructed_statements, rng)
    return [
        *written,
        *stories(config.constructed_stories, rng),
        *responses_as_statements(rows, config.responses_as_statements, rng),
        *needles(rows, config.needles, rng),
        *rewrapped(rows, config.rewrapped, config.wrapper_sources, rng),
        *swapped_responses(rows, config.swapped_responses, rng),
        *statements_as_responses([*rows, *written], config.statements_as_responses, rng),
        *behaviour_rows(rows, config.behaviour),
    ]


def needles(rows: Sequence[Row], count: int, rng: np.random.Generator) -> list[Row]:
    """Short prompts inside long harmless ones: length must neither hide harm nor signal it."""
    prompts = [row for row in rows if row.response is None]
    low, high = _HAYSTACK_CHARACTERS
    haystacks = [row.prompt for row in prompts if not row.label and low <= len(row.prompt) <= high]
    by_label = {
        label: [
            row.prompt
            for row in prompts
            if row.label == label and len(row.prompt) <= _NEEDLE_CHARACTERS
        ]
        for label in Label
    }
    derived: list[Row] = []
    if not haystacks or not all(by_label.values()):
        return derived
    for index in range(count):
        label = Label(index % 2)
        needle = _pick(by_label[label], rng)
        words = _pick(haystacks, rng).split(" ")
        place = int(rng.integers(len(words) + 1))
        prompt = " ".join([*words[:place], needle, *words[place:]])
        derived.append(Row(source="derived_needle", prompt=prompt, response=None, label=label))
    return derived


def rewrapped(
    rows: Sequence[Row], count: int, wrapper_sources: Sequence[str], rng: np.random.Generator
) -> list[Row]:
    """Harmless and harmful tasks in the same jailbreak wrappers, so that only the task is the
    signal."""
    found = wrappers([row.prompt for row in rows if row.source in wrapper_sources])
    tasks: defaultdict[int, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        plain = not row.source.startswith("text_") and row.source not in wrapper_sources
        if plain and row.response is None and len(row.prompt) <= _NEEDLE_CHARACTERS:
            tasks[row.label][row.source].append(row.prompt)
    derived: list[Row] = []
    if not found or not all(tasks[label] for label in Label):
        return derived
    for index in range(count):
        label = Label(index % 2)
        sources = list(tasks[label].values())
        task = _pick(sources[int(rng.integers(len(sources)))], rng)
        before, after = found[int(rng.integers(len(found)))]
        prompt = f"{before}{task}{after}"
        derived.append(Row(source="derived_wrapped", prompt=prompt, response=None, label=label))
    return derived


def wrappers(prompts: Sequence[str]) -> list[tuple[str, str]]:
    """(text before, text after) of each wrapper that several of the prompts share.

    Prompts that begin alike share a wrapper: the whole words that they have in common.
    """
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for prompt in prompts:
        alike[prompt[:_WRAPPER_CHARACTERS]].append(prompt)
    found = []
    for group in alike.values():
        before = os.path.commonprefix(group)  # noqa: RUF071 (of characters is meant)
        rests = [prompt[len(before) :] for prompt in group]
        after = os.path.commonprefix([rest[::-1] for rest in rests])[::-1]  # noqa: RUF071
        before = re.sub(r"\w+\Z", "", before)
        after = re.sub(r"\A\w+", "", after)
        if len(group) >= _WRAPPER_ROWS and len(before) + len(after) >= _WRAPPER_CHARACTERS:
            found.append((before, after))
    return found


def swapped_responses(rows: Sequence[Row], count: int, rng: np.random.Generator) -> list[Row]:
    """Harmless answers to harmful prompts and vice versa: the response alone decides."""
    harmful_prompts = [row.prompt for row in rows if row.response is None and row.label]
    harmless_prompts = [row.prompt for row in rows if row.response is None and not row.label]
    long_enough = [row for row in rows if row.response is not None and len(row.response) > 150]
    harmful_answers = [row.response for row in long_enough if row.label]
    harmless_answers = [row.response for row in long_enough if not row.label]
    derived: list[Row] = []
    if not all((harmful_prompts, harmless_prompts, harmful_answers, harmless_answers)):
        return derived
    for index in range(count):
        label = Label(index % 2)
        prompt = _pick(harmless_prompts if label else harmful_prompts, rng)
        answer = _pick(harmful_answers if label else harmless_answers, rng)
        derived.append(Row(source="derived_swap", prompt=prompt, response=answer, label=label))
    return derived


def statements_as_responses(rows: Sequence[Row], count: int, rng: np.random.Generator) -> list[Row]:
    """Labelled statements as answers: brings kinds of harm known from plain text into pairs."""
    harmless_prompts = [
        row.prompt
        for row in rows
        if row.response is None and not row.label and not row.source.startswith("text_")
    ]
    statements = [row for row in rows if row.response is None and row.source.startswith("text_")]
    derived: list[Row] = []
    for label in Label:
        texts = [row.prompt for row in statements if row.label == label]
        if not texts or not harmless_prompts:
            return []
        derived += [
            Row(
                source="derived_statement",
                prompt=_pick(harmless_prompts, rng),
                response=_pick(texts, rng),
                label=label,
            )
            for _ in range(count // 2)
        ]
    return derived


def responses_as_statements(rows: Sequence[Row], count: int, rng: np.random.Generator) -> list[Row]:
    """Labelled responses as standalone plain text: prose of both classes, without a task."""
    derived: list[Row] = []
    for label in Label:
        found = [row for row in rows if row.response and row.label == label]
        by_source: defaultdict[str, list[str]] = defaultdict(list)
        for row in found:
            by_source[row.source].append(str(row.response))
        sources = list(by_source.values())
        derived += [
            Row(
                source="derived_text",
                prompt=_pick(sources[int(rng.integers(len(sources)))], rng),
                response=None,
                label=label,
            )
            for _ in range(count // 2 if sources else 0)
        ]
    return derived


def _pick(texts: Sequence[str | None], rng: np.random.Generator) -> str:
    text = texts[int(rng.integers(len(texts)))]
    assert text is not None
    return text
