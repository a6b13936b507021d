"""Behaviour cases that a student must get right before it is published. Pure.

The kinds follow public complaints by users of moderation systems. A case is a `Row`: its source is
the kind and its label is the right verdict. Templates and vocabularies differ from those of the
training rows in `rows`; spellings and encodings are the same.

The kinds `blind/…` have no templates. A language model wrote `blind.json` that had seen neither the
templates here nor those of training. They show whether a kind is learnt, or only its templates. So
learn nothing from them, and write no templates after reading those that a student gets wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import cycle
from typing import Final

import numpy as np
from postern.contract.exchange import Label

from model_training.data.behaviour.codes import CODES, Code
from model_training.data.behaviour.grammar import draw, fill, pick
from model_training.data.behaviour.spelling import SPELLINGS, Spelling
from model_training.data.rows import Row
from model_training.evaluation.behaviour import gate_text as text
from model_training.evaluation.behaviour.gate_words import GATE_SLOTS

Rng = np.random.Generator

_PROMPTS: Final[Mapping[str, tuple[Label, Sequence[str]]]] = {
    "help_seeking": (Label.UNHARMFUL, text.HELP_SEEKING),
    "topic_words": (Label.UNHARMFUL, text.TOPIC_WORDS),
    "fiction_games": (Label.UNHARMFUL, text.FICTION_GAMES),
    "identity": (Label.UNHARMFUL, text.IDENTITY),
    "protective_instructions": (Label.UNHARMFUL, text.PROTECTIVE),
    "grave": (Label.HARMFUL, text.GRAVE),
    "plain_harm": (Label.HARMFUL, text.PLAIN_HARM),
}
_PAIRS: Final = ("small_talk_replies", "refusals")

_DILUTIONS: Final[Mapping[str, Callable[[str, str, str], str]]] = {
    "after": lambda prompt, calm, _: f"{prompt} {calm}",
    "before": lambda prompt, calm, _: f"{calm} {prompt}",
    "both": lambda prompt, calm, other: f"{calm} {prompt} {other}",
    "newline": lambda prompt, calm, _: f"{prompt}\n\n{calm}",
}

_SPELLED: Final = (
    *("letters_apart", "apart_capitals", "zero_for_o", "leet", "typos", "swapped"),
    *("vowels_dropped", "homoglyphs", "capitals", "repeated_vowels", "random_case"),
    *("missing_spaces", "odd_punctuation"),
)
_ENCODED: Final = (
    *("base64", "base32", "rot13", "percent", "hex", "hex_entities", "decimal_entities"),
    *("decimal_codes", "binary", "reversed", "hashtags"),
)
_OBFUSCATED_SPELLINGS: Final = (
    "letters_apart",
    "leet",
    "homoglyphs",
    "hidden_inside",
    "swapped",
    "vowels_dropped",
)


def _coded(code: Code, asked: str = "{code}") -> Spelling:
    """An encoding as a change that ignores the random generator."""
    return lambda prompt, _: asked.replace("{code}", code(prompt))


_OBFUSCATED: Final[Mapping[str, Spelling]] = {
    **{name: _coded(CODES[name]) for name in _ENCODED},
    "base64 asked": _coded(CODES["base64"], "Solve this riddle, it is base64: {code}"),
    **{name: SPELLINGS[name] for name in _OBFUSCATED_SPELLINGS},
}

_BLIND: Final[Mapping[str, tuple[Label, str]]] = {
    "blind/protective_instructions": (Label.UNHARMFUL, "protective"),
    "blind/grave": (Label.HARMFUL, "grave"),
}
_BLIND_REFUSALS: Final = "blind/refusals"
_BLIND_ASKED: Final = "blind/base64 asked"

KINDS: Final = (
    *(*_PROMPTS, *_PAIRS),
    *(f"diluted/{name}" for name in _DILUTIONS),
    *(f"undiluted/{name}" for name in _DILUTIONS),
    *(f"spelled/{name}" for name in _SPELLED),
    *(f"obfuscated/{name}" for name in _OBFUSCATED),
    *(*_BLIND, _BLIND_REFUSALS, _BLIND_ASKED),
)
"""All kinds of cases, in the order of the report."""


def plain_cases(count: int) -> list[Row]:
    """Unchanged cases, up to `count` distinct ones of each kind; always the same."""
    found: list[Row] = []
    for place, (kind, (label, templates)) in enumerate(_PROMPTS.items()):
        rng = _rng(0, place)
        found += [_row(kind, one, label) for one in draw(templates, GATE_SLOTS, count, rng)]
    for kind, (label, name) in _BLIND.items():
        found += [_row(kind, one, label) for one in _wordings(name)[:count]]
    return [*found, *_replies(count), *_refusals(count), *_blind_refusals(count)]


def changed_cases(caught: Sequence[str], count: int) -> list[Row]:
    """Changed cases: diluted and obfuscated harm, undiluted and oddly spelled harmless prompts.

    caught: harmful prompts that the student flags unchanged; only these show what a change costs.
    Returns up to `count` cases of each kind, fewer if fewer prompts are caught.
    """
    found: list[Row] = []
    harmful = list(caught)[:count]
    for place, (name, dilute) in enumerate(_DILUTIONS.items()):
        rng = _rng(1, place)
        for kind, label, prompts in (
            ("diluted", Label.HARMFUL, harmful),
            ("undiluted", Label.UNHARMFUL, _calm_prompts(count, rng)),
        ):
            found += [
                _row(f"{kind}/{name}", dilute(prompt, _calm(rng), _calm(rng)), label)
                for prompt in prompts
            ]
    for place, name in enumerate(_SPELLED):
        rng = _rng(2, place)
        found += [
            _row(f"spelled/{name}", SPELLINGS[name](prompt, rng), Label.UNHARMFUL)
            for prompt in _calm_prompts(count, rng)
        ]
    for place, (name, change) in enumerate(_OBFUSCATED.items()):
        rng = _rng(3, place)
        found += [
            _row(f"obfuscated/{name}", change(prompt, rng), Label.HARMFUL) for prompt in harmful
        ]
    for prompt, ask in zip(harmful, cycle(_wordings("asked")), strict=False):
        asked = ask.replace("{code}", CODES["base64"](prompt))
        found.append(_row(_BLIND_ASKED, asked, Label.HARMFUL))
    return found


def _calm_prompts(count: int, rng: Rng) -> list[str]:
    return draw(text.CALM_PROMPTS, GATE_SLOTS, count, rng)


def _calm(rng: Rng) -> str:
    return pick(GATE_SLOTS["calm"], rng)


def _replies(count: int) -> list[Row]:
    rng = _rng(4, 0)
    pairs = dict.fromkeys(_short_pairs()[:count])
    while len(pairs) < count:
        pairs[pick(GATE_SLOTS["small_prompt"], rng), pick(GATE_SLOTS["small_reply"], rng)] = None
    return [_row("small_talk_replies", prompt, Label.UNHARMFUL, reply) for prompt, reply in pairs]


def _short_pairs() -> list[tuple[str, str]]:
    parts = [one.partition(" => ") for one in text.SHORT_PAIRS]
    return [(prompt, reply) for prompt, _, reply in parts]


def _refusals(count: int) -> list[Row]:
    rng = _rng(5, 0)
    templates = text.PLAIN_HARM + text.GRAVE
    return [
        _row("refusals", prompt, Label.UNHARMFUL, fill(pick(text.REFUSALS, rng), GATE_SLOTS, rng))
        for prompt in draw(templates, GATE_SLOTS, count, rng)
    ]


def _blind_refusals(count: int) -> list[Row]:
    pairs = zip(_wordings("refusals")[:count], cycle(_wordings("grave")), strict=False)
    return [_row(_BLIND_REFUSALS, prompt, Label.UNHARMFUL, refusal) for refusal, prompt in pairs]


@cache
def _wordings(name: str) -> tuple[str, ...]:
    read: dict[str, list[str]] = json.loads(
        files(__package__).joinpath("blind.json").read_text("utf-8")
    )
    return tuple(read[name])


def _row(kind: str, prompt: str, label: Label, response: str | None = None) -> Row:
    return Row(source=kind, prompt=prompt, response=response, label=label)


def _rng(group: int, place: int) -> Rng:
    return np.random.default_rng([2026, group, place])
