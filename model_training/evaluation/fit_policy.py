"""Fits the policy: margins of the served graph -> probabilities, operating points, deferral band.

The fit comes after quantization and uses the serving code, on rows that training never saw. A few
large sources dominate the pool, so within a class a source of n rows has total weight n ** 0.5, as
in training (`source_exponent`, `source_weights`). The classes keep their share of the slice,
because a probability means little under another mix than the one it was fitted on.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from postern.calibration.fit import N_FOLDS, Sample, choose_calibration
from postern.calibration.operating_points import operating_points, point_figures
from postern.contract.decision import OperatingPoint, Policy
from postern.contract.exchange import SLICES, Slice
from postern.contract.probability import Calibration, Floats, harmful_probability
from postern.contract.reference import reference_of

from model_training.data.rows import Row, prompt_hash
from model_training.data.sampling import weight_of
from model_training.errors import DataInvalid
from model_training.measures.served import ScoredRows, open_candidate
from model_training.recipe.config import RunConfig
from model_training.run.candidate import (
    CALIBRATION,
    EXPORT,
    POLICY,
    REFERENCE,
    read_json,
    write_json,
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class CalibrationResult:
    """The policy, and its figures on the calibration split."""

    policy: Policy
    metrics: dict[str, Any]


def write_policy(
    candidate: Path, rows: Sequence[Row], config: RunConfig, *, threads: int | None = None
) -> CalibrationResult:
    """Fits the policy on the calibration split and writes `policy.json`, `calibration.json`.

    A slice without rows of both labels takes the other slice's fit. Raises DataInvalid if no slice
    has both, or if `export` left no candidate.
    """
    exported = read_json(candidate / EXPORT)
    served = open_candidate(
        candidate, config.windows, pad_id=int(exported["pad_id"]), threads=threads
    )
    scored = served.score(rows, what="fit-policy")
    by_slice = samples(scored, config)
    result = fit_policy(by_slice)
    languages = fitted_languages(scored.rows)
    slices = {
        name: figures | {"languages": languages[figures["fitted_on"]]}
        for name, figures in result.metrics.items()
    }
    metrics = {"model_sha256": exported["model_sha256"], "slices": slices}
    references = probability_references(by_slice, result.policy)
    write_json(candidate / POLICY, result.policy.model_dump(mode="json"))
    write_json(candidate / CALIBRATION, {**metrics, REFERENCE: references})
    return CalibrationResult(result.policy, metrics)


def fitted_languages(rows: Sequence[Row]) -> dict[Slice, dict[str, dict[str, int]]]:
    """Rows of each slice by language: the policy holds for these, and hardly for one that has few
    rows or rows of one label.
    """
    counts = Counter((row.slice, row.language, row.label) for row in rows)
    found: dict[Slice, dict[str, dict[str, int]]] = {name: {} for name in SLICES}
    for slice_, language in sorted({key[:2] for key in counts}):
        harmless, harmful = (counts[slice_, language, label] for label in (0, 1))
        found[slice_][language] = {"rows": harmless + harmful, "harmful_rows": harmful}
    return found


def probability_references(
    by_slice: Mapping[Slice, Sample], policy: Policy
) -> dict[Slice, dict[str, Any]]:
    """Distribution of each slice's probabilities, for comparison with live traffic."""
    return {
        name: reference_of(
            harmful_probability(sample.margins, policy.calibration[name]), sample.weights
        ).model_dump(mode="json")
        for name, sample in by_slice.items()
        if len(sample.labels)
    }


def samples(scored: ScoredRows, config: RunConfig) -> dict[Slice, Sample]:
    """Slices with weights by source, and folds by prompt, so that no prompt is both fitted and
    judged.
    """
    folds = np.array([prompt_hash(row.prompt) % N_FOLDS for row in scored.rows], dtype=np.int64)
    whole = {
        "margins": scored.margins,
        "labels": scored.labels,
        "weights": row_weights(
            scored.rows,
            source_exponent=config.distil.source_exponent,
            source_weights=config.distil.source_weights,
        ),
        "folds": folds,
    }
    return {
        name: Sample(**{key: value[scored.slices == name] for key, value in whole.items()})
        for name in SLICES
    }


def row_weights(
    rows: Sequence[Row], *, source_exponent: float, source_weights: Mapping[str, float]
) -> Floats:
    """(n,) > 0: a source has n ** exponent within slice and class; classes keep their total
    weight.
    """
    strata = [(row.slice, row.label, row.source) for row in rows]
    sizes = Counter(strata)
    # A source that training excludes still occurs in traffic, and a zero weight would divide by
    # zero.
    mass = {
        key: max(weight_of(key[2], source_weights), 0.01) * size**source_exponent
        for key, size in sizes.items()
    }
    of_class: defaultdict[tuple[str, int], float] = defaultdict(float)
    class_size: Counter[tuple[str, int]] = Counter()
    for key, size in sizes.items():
        class_size[key[:2]] += size
        of_class[key[:2]] += mass[key]
    return np.array(
        [mass[key] / of_class[key[:2]] * class_size[key[:2]] / sizes[key] for key in strata]
    )


def fit_policy(by_slice: Mapping[Slice, Sample]) -> CalibrationResult:
    """Pure: samples -> policy and metrics."""
    usable = {name: sample for name, sample in by_slice.items() if sample.has_both_labels}
    if not usable:
        raise DataInvalid("the calibration split holds no slice with rows of both labels")
    fitted = {name: _fit_slice(sample) for name, sample in usable.items()}
    stand_in = next(iter(usable))
    for name in set(SLICES) - set(usable):
        _LOG.warning("fit-policy: slice %s lacks a label; it takes the fit of %s", name, stand_in)
    source = {name: name if name in usable else stand_in for name in SLICES}
    names = ("balanced", "strict", "permissive")
    policy = Policy(
        calibration={name: fitted[source[name]][0] for name in SLICES},
        operating_points={
            point: {name: fitted[source[name]][1][point] for name in SLICES} for point in names
        },
        default_operating_point="balanced",
    )
    metrics: dict[str, Any] = {
        name: {**fitted[source[name]][2], "fitted_on": source[name]} for name in SLICES
    }
    return CalibrationResult(policy, metrics)


def _fit_slice(
    sample: Sample,
) -> tuple[Calibration, dict[str, OperatingPoint], dict[str, Any]]:
    calibration, metrics = choose_calibration(sample)
    probabilities = harmful_probability(sample.margins, calibration)
    points = operating_points(probabilities, sample.labels, sample.weights)
    metrics["operating_points"] = {
        name: point_figures(point, probabilities, sample.labels, sample.weights)
        for name, point in points.items()
    }
    return calibration, points, metrics
