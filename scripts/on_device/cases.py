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
from scripts.on_device.answers import answer, shipped_tokenizer
from scripts.on_device.fuzz import exchanges

# The texts whose token ids are frozen for the published student.
_FROZEN: Final = (
    Path(__file__).resolve().parents[2] / "tests/golden/tokens_format_1_postern_minilm.json"
)
_SENTENCE: Final = "How do I knit a warm scarf for my grandmother before the winter?"
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
        Exchange("the gate " * 300),
        Exchange("Tell me.", "the gate is shut " * 200),
        Exchange("the gate " * 150, "Yes."),
        Exchange("the gate " * 300, "and the wall " * 200),
        Exchange("\u200b"),
        *exchanges(60, 7),
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
    tokenizer = shipped_tokenizer()
    texts = [[one.prompt, one.response, answer(tokenizer, one)] for one in _exchanges()]
    content = {
        "written_by": "python -m scripts.on_device",
        "probabilities": _probabilities(),
        "verdicts": _verdicts(),
        "categories": _categories(),
    }
    body = json.dumps(content)[:-1]
    lines = ",\n".join(json.dumps(one) for one in texts)
    return f'{body}, "texts": [\n{lines}\n]}}\n'
