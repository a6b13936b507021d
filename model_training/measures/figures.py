"""Figures about scores and probabilities. Harmful is the positive class throughout. No I/O."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from postern.calibration.figures import (
    Ints,
    brier,
    equal_mass_calibration_error,
    expected_calibration_error,
    need,
    nll,
    reliability,
    threshold_at_best_f1,
    threshold_at_fpr,
    threshold_at_recall,
)
from postern.contract.errors import EmptyInput
from postern.contract.probability import Floats

__all__ = [
    "EmptyInput",
    "Floats",
    "Interval",
    "Ints",
    "auprc",
    "bootstrap_interval",
    "brier",
    "equal_mass_calibration_error",
    "expected_calibration_error",
    "f1",
    "false_positive_rate",
    "nll",
    "precision_recall_f1",
    "recall",
    "recall_at_fpr",
    "reliability",
    "threshold_at_best_f1",
    "threshold_at_fpr",
    "threshold_at_recall",
]

Interval = tuple[float, float]


def auprc(scores: Floats, labels: Ints) -> float:
    """Average precision, [0, 1]. scores: (n,), any monotone scale; labels: (n,) 0 or 1.

    Equal to scikit-learn's average_precision_score to the last bit. That function spends a hundred
    times longer on its arguments than on the figure, and intervals need thousands of figures.
    Raises EmptyInput if nothing is harmful, ValueError if a score is not finite.
    """
    need(labels, 1)
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    order = np.argsort(scores, kind="stable")[::-1]
    last_of_equals = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = np.cumsum(labels[order] == 1, dtype=np.float64)[last_of_equals]
    precision = (found / (last_of_equals + 1))[::-1]
    recall = np.append((found / found[-1])[::-1], 0.0)
    return max(0.0, float(-np.sum(np.diff(recall) * precision)))


def f1(probabilities: Floats, labels: Ints, *, threshold: float) -> float:
    """Harmonic mean of precision and recall at `probability >= threshold`, [0, 1]."""
    return precision_recall_f1(probabilities, labels, threshold=threshold)[2]


def precision_recall_f1(
    probabilities: Floats, labels: Ints, *, threshold: float
) -> tuple[float, float, float]:
    """(precision, recall, F1) at `probability >= threshold`, each [0, 1]; 0 where undefined."""
    need(labels, 1)
    flagged, harmful = probabilities >= threshold, labels == 1
    both, n_flagged, n_harmful = (int(np.sum(m)) for m in (flagged & harmful, flagged, harmful))
    precision = both / n_flagged if n_flagged else 0.0
    return precision, both / n_harmful, 2.0 * both / (n_flagged + n_harmful)


def recall(probabilities: Floats, labels: Ints, *, threshold: float) -> float:
    """Share of harmful rows at or above the threshold, [0, 1]. Raises EmptyInput without any."""
    need(labels, 1)
    return float(np.mean(probabilities[labels == 1] >= threshold))


def false_positive_rate(probabilities: Floats, labels: Ints, *, threshold: float) -> float:
    """Share of unharmful rows at or above the threshold, [0, 1]. Raises EmptyInput without any."""
    need(labels, 0)
    return float(np.mean(probabilities[labels == 0] >= threshold))


def recall_at_fpr(scores: Floats, labels: Ints, *, rate: float) -> float:
    """Recall at the lowest threshold whose false-positive rate is at most `rate`, [0, 1]."""
    return recall(scores, labels, threshold=threshold_at_fpr(scores, labels, rate=rate))


def bootstrap_interval(
    figure: Callable[[Floats, Ints], float],
    scores: Floats,
    labels: Ints,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a figure over rows (Efron 1979), resampled within classes.

    So no resample lacks a class, and each has the harm rate of the set, which affects AUPRC.
    """
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in (0, 1)]
    found = []
    for _ in range(n_resamples):
        rows = np.concatenate([rng.choice(rows, size=len(rows)) for rows in classes if len(rows)])
        found.append(figure(scores[rows], labels[rows]))
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(found, [tail, 1.0 - tail])
    return float(low), float(high)
