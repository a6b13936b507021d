"""Would each language do better with a calibration of its own than with the shared one?

The prompts of a calibration split are scored by the served graph of a published student. A language
with enough rows of both labels gets its own temperature and bias, or the shared temperature with a
bias of its own. All are fitted on four of five folds of prompts and judged on the fifth. Then each
source is a fold: what a language gains on sources that its calibration has not seen is what it
would gain on traffic.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from postern.calibration.figures import Ints, expected_calibration_error, nll
from postern.calibration.fit import N_FOLDS, Sample, fit
from postern.calibration.logistic import fit_logistic
from postern.contract.artifact import read_artifact
from postern.contract.probability import Calibration, Floats, harmful_probability

from model_training.data.rows import Row, family_of, prompt_hash, read_rows, write_atomically
from model_training.errors import DataInvalid
from model_training.measures.served import ScoredRows, open_artifact
from model_training.measures.tables import number, table
from model_training.run.candidate import write_json

WAYS: Final = ("shared", "own", "own bias")
_FEWEST: Final = 50
"""Rows of each label from which a language is judged."""
_RESAMPLES: Final = 2000
_BIASES: Final = (np.array([-10.0]), np.array([10.0]))


def compare(
    margins: Floats,
    labels: Ints,
    languages: npt.NDArray[np.str_],
    folds: Ints,
    *,
    fewest: int = _FEWEST,
    seed: int = 0,
) -> dict[str, Any]:
    """Log loss and calibration error of each way, on rows that it was not fitted on.

    margins: (n,) nats. folds: (n,); each is judged by a fit on the others. A language takes the
    shared calibration for a fold without which it has rows of one label alone. The shared
    calibration is fitted on all rows, also on those of languages with too few rows, which are not
    judged. Raises DataInvalid if no language has enough.
    """
    sample = Sample(margins, labels, np.ones(len(labels)), folds)
    judged = [
        str(one)
        for one in np.unique(languages)
        if min(np.sum(labels[languages == one] == label) for label in (0, 1)) >= fewest
    ]
    if not judged:
        raise DataInvalid(f"no language has {fewest} rows of each label")
    found = {way: np.full(len(labels), np.nan) for way in WAYS}
    for fold in np.unique(folds):
        here, rest = folds == fold, folds != fold
        shared = fit(sample.part(rest), "platt")
        for language in judged:
            inside = languages == language
            known, unseen = sample.part(rest & inside), inside & here
            ways = dict.fromkeys(WAYS, shared)
            if known.has_both_labels:
                ways |= {"own": fit(known, "platt"), "own bias": _moved(shared, known)}
            for way, calibration in ways.items():
                found[way][unseen] = harmful_probability(margins[unseen], calibration)
    everyone = np.isin(languages, judged)
    rng = np.random.default_rng(seed)
    losses = {way: _losses(one, labels) for way, one in found.items()}
    return {
        "languages": {
            language: {
                "rows": int(np.sum(languages == language)),
                "harmful_rows": int(labels[languages == language].sum()),
                **{way: _figures(found[way], labels, languages == language) for way in WAYS},
            }
            for language in judged
        },
        "together": {
            "rows": int(everyone.sum()),
            **{way: _figures(found[way], labels, everyone) for way in WAYS},
        },
        "gain_in_log_loss": {
            way: _gain((losses["shared"] - losses[way])[everyone], rng) for way in WAYS[1:]
        },
    }


def _moved(shared: Calibration, known: Sample) -> Calibration:
    """The shared temperature, with the bias that is most likely on these rows."""
    # A fixed slope: its bounds are itself.
    slope = np.array([1.0 / shared.temperature])
    columns = np.column_stack([known.margins, np.ones(len(known.margins))])
    lower, upper = (np.concatenate([slope, bias]) for bias in _BIASES)
    _, bias = fit_logistic(columns, known.labels, lower=lower, upper=upper)
    return Calibration(temperature=shared.temperature, bias=float(bias))


def _losses(probabilities: Floats, labels: Ints) -> Floats:
    right = np.where(labels == 1, probabilities, 1.0 - probabilities)
    losses: Floats = -np.log(np.clip(right, 1e-12, 1.0))
    return losses


def _figures(probabilities: Floats, labels: Ints, where: npt.NDArray[np.bool_]) -> dict[str, float]:
    return {
        "log_loss": nll(probabilities[where], labels[where]),
        "ece_15": expected_calibration_error(probabilities[where], labels[where]),
    }


def _gain(gains: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """Mean, and its 95 % interval over resamples of the rows."""
    means = [gains[rng.integers(len(gains), size=len(gains))].mean() for _ in range(_RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(gains.mean()), "interval_95": [float(low), float(high)]}


def markdown(found: Mapping[str, Any]) -> str:
    """The table of the figures."""

    def cells(name: str, one: Mapping[str, Any]) -> list[str]:
        return [
            name,
            str(one["rows"]),
            *(number(one[way]["log_loss"], 4) for way in WAYS),
            *(number(one[way]["ece_15"], 4) for way in WAYS),
        ]

    head = ["language", "rows", *(f"{way}: {what}" for what in ("loss", "ECE") for way in WAYS)]
    rows = [cells(name, one) for name, one in found["languages"].items()]
    said = [
        f"Log loss with {way}: {-gain['mean']:+.4f} "
        f"({-gain['interval_95'][1]:+.4f} to {-gain['interval_95'][0]:+.4f}).\n"
        for way, gain in found["gain_in_log_loss"].items()
    ]
    return "\n".join([table(head, [*rows, cells("together", found["together"])]), *said])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    add = parser.add_argument
    add("--artifact", type=Path, required=True, help="folder of the published student")
    add("--of", type=Path, required=True, help="folder of its run; only the split is read")
    add("--output", type=Path, required=True, help="folder for JSON and Markdown")
    add(
        "--rows",
        type=int,
        default=300,
        help="prompts of each language and label, at most (default: 300)",
    )


def chosen(rows: Sequence[Row], count: int) -> list[Row]:
    """Prompts, at most so many of each language and label, by the hash of their text."""
    found: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        if row.response is None:
            found.setdefault((row.language, row.label), []).append(row)
    return [
        row
        for some in found.values()
        for row in sorted(some, key=lambda one: prompt_hash(one.prompt))[:count]
    ]


def run(arguments: argparse.Namespace) -> None:
    """Write `language_calibration.json` and `.md`. Raises ArtifactInvalid, DataInvalid."""
    rows = chosen(read_rows(arguments.of / "rows" / "calibration.jsonl"), arguments.rows)
    artifact = read_artifact(arguments.artifact)
    languages = set(artifact.manifest.languages)
    here = [row for row in rows if row.language in languages]
    scored = open_artifact(artifact).score(here, what="language-calibration")
    found = {
        name: compare(scored.margins, scored.labels, _languages(scored), folds)
        for name, folds in (("prompts", _folds(scored)), ("sources", _source_folds(scored)))
    }
    text = "\n".join(f"Folds of {name}:\n\n{markdown(one)}" for name, one in found.items())
    write_json(arguments.output / "language_calibration.json", found)
    write_atomically(arguments.output / "language_calibration.md", text.encode())
    print(text)


def _languages(scored: ScoredRows) -> npt.NDArray[np.str_]:
    return np.array([row.language for row in scored.rows], dtype=np.str_)


def _folds(scored: ScoredRows) -> Ints:
    return np.array([prompt_hash(row.prompt) % N_FOLDS for row in scored.rows], dtype=np.int64)


def _source_folds(scored: ScoredRows) -> Ints:
    _, places = np.unique([family_of(row.source) for row in scored.rows], return_inverse=True)
    return places.astype(np.int64)
