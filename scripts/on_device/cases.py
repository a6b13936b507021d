"""Cases with Python's answers in full -> `on_device/golden/cases.json`."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Final

import numpy as np
from postern.contract.artifact import read_artifact
from postern.contract.categories import categories
from postern.contract.decision import student_verdict
from postern.contract.exchange import Exchange, Slice
from postern.contract.probability import Calibration, harmful_probability
from postern.shipped import DEFAULT_ARTIFACT

from loadtests.attack_texts import DISGUISES
from model_training.data.behaviour.codes import CODES
from scripts.on_device.answers import answer, shipped_reader, shipped_tokenizer
from scripts.on_device.fuzz import exchanges
from scripts.on_device.readings import exact_shares
from scripts.on_device.words import WORDS

# The texts whose token ids are frozen for the published student.
_FROZEN: Final = (
    Path(__file__).resolve().parents[2] / "tests/golden/tokens_format_1_postern_minilm.json"
)
_SENTENCE: Final = "How do I knit a warm scarf for my grandmother before the winter?"
_LEAST_SHARE: Final = 1e-3
_MARGINS: Final = (-800.0, -40.0, -7.25, -1.5, -0.01, 0.0, 0.3, 1.0, 2.75, 9.0, 60.0, 800.0)
_CALIBRATIONS: Final = (
    Calibration(temperature=1.0),
    Calibration(temperature=0.93, bias=-0.47),
    Calibration(temperature=1.57, bias=0.52, temperature_unharmful=0.75),
)


def _exchanges() -> list[Exchange]:
    frozen = json.loads(_FROZEN.read_text("utf-8"))["cases"]
    rng = random.Random(20)
    return [
        *(Exchange(one["prompt"], one["response"]) for one in frozen),
        *(Exchange(hide(_SENTENCE, rng)) for hide in DISGUISES.values()),
        *(Exchange(f"What is this? {code(_SENTENCE)}") for code in CODES.values()),
        Exchange("hoow doo ii baakee breeaad iin thee ooveen"),
        Exchange("Hw d I bk brd wtht yst?", "Ths s hw t bk t wtht yst nd slt."),
        Exchange("the gate " * 300),
        Exchange("Tell me.", "the gate is shut " * 200),
        Exchange("the gate " * 150, "Yes."),
        Exchange("the gate " * 300, "and the wall " * 200),
        Exchange("\u200b"),
        *(Exchange(text) for text in _in_languages()),
        *exchanges(60, 7),
    ]


def _in_languages() -> list[str]:
    """Each language alone; and where a foreign part could be overlooked, or English be lost."""
    spoken = {name: " ".join(words) for name, words in WORDS.items()}
    english, german = spoken["en"], spoken["de"]
    return [
        *(f"{text}." for text in spoken.values()),
        f"{english}. {german}. {english}.",
        f"I would like you to tell me very carefully and in detail {german}",
        f"{english} {spoken['ru']} {spoken['th'].replace(' ', '')}",
        f"{english}. " * 120 + f"{german}. " * 3 + f"{english}. " * 120,
        f"{english}. " * 8 + spoken["names"],
        german.upper(),
        spoken["tr"].upper(),
        spoken["ru"].upper(),
        spoken["th"].replace(" ", "") * 60,
        f"👩‍👩‍👧‍👦 {spoken['es']} 👍🏽 {spoken['es']} 🏳️‍🌈",
        "x" * 500,
        "aGVsbG8gd29ybGQ" * 40,
    ]


def _shares() -> list[dict[str, Any]]:
    """What the identifier makes of a text: each code with a probability from a thousandth."""
    texts = [" ".join(words)[:400] for words in WORDS.values()]
    texts += ["", "q", "0123", "ÀÉÎ ÕÜ", "İSTANBUL GÜZEL", "\u0e01" * 100]
    return [
        {
            "text": text,
            "shares": {
                code: float(f"{share:.9g}")
                for code, share in exact_shares(text).items()
                if share >= _LEAST_SHARE
            },
        }
        for text in texts
    ]


def _probabilities() -> list[dict[str, Any]]:
    margins = np.array(_MARGINS)
    return [
        {
            "calibration": one.model_dump(),
            "margins": list(_MARGINS),
            "probabilities": harmful_probability(margins, one).tolist(),
        }
        for one in _CALIBRATIONS
    ]


def _verdicts() -> list[dict[str, Any]]:
    """Cases of the shipped policy: at every operating point, and at a caller's threshold."""
    policy = read_artifact(DEFAULT_ARTIFACT).manifest.policy
    slices: tuple[Slice, ...] = ("prompt", "pair")
    found = []
    for name in policy.operating_points:
        for slice_ in slices:
            for threshold in (None, 0.0, 0.001, 0.5, 0.999, 1.0):
                point = policy.point(slice_, operating_point=name, threshold=threshold)
                verdicts = [student_verdict(p, point) for p in (0.0, 0.3, point.threshold, 0.95)]
                found.append(
                    {
                        "operating_point": name,
                        "slice": slice_,
                        "asked": threshold,
                        "threshold": point.threshold,
                        "deferral_band": list(point.deferral_band),
                        "probabilities": [one.probability for one in verdicts],
                        "harmful": [one.harmful for one in verdicts],
                    }
                )
    return found


def _categories() -> list[dict[str, Any]]:
    head = read_artifact(DEFAULT_ARTIFACT).manifest.categories
    if head is None:
        return []
    found = []
    for logit, harmful in ((-3.0, True), (0.0, True), (0.5, False), (6.0, True)):
        logits = np.full((1, len(head.labels)), logit) + np.arange(len(head.labels)) * 0.1
        (shares,) = head.given_harm(logits).tolist()
        told = categories(head, shares, probability=0.8, harmful=harmful)
        found.append(
            {
                "logits": logits[0].tolist(),
                "harmful": harmful,
                "probabilities": [one.probability for one in told],
                "applies": [one.applies for one in told],
            }
        )
    return found


def document() -> str:
    tokenizer, reader = shipped_tokenizer(), shipped_reader()
    texts = [[one.prompt, one.response, answer(tokenizer, reader, one)] for one in _exchanges()]
    content = {
        "written_by": "python -m scripts.on_device",
        "probabilities": _probabilities(),
        "verdicts": _verdicts(),
        "categories": _categories(),
        "shares": _shares(),
    }
    body = json.dumps(content)[:-1]
    lines = ",\n".join(json.dumps(one) for one in texts)
    return f'{body}, "texts": [\n{lines}\n]}}\n'
