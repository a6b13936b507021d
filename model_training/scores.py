"""Figures about scores and probabilities. Pure; harmful is the positive class throughout."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_recall_curve,
    precision_recall_fscore_support,
)

from app.contract.errors import PosternError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Interval = tuple[float, float]


class EmptyInput(PosternError):
    """A figure was asked for over no rows, or over rows without a class that it needs."""


def auprc(scores: Floats, labels: Ints) -> float:
    """Average precision, [0, 1]. scores: (n,), any monotone scale; labels: (n,) 0 or 1.

    Raises EmptyInput when nothing is harmful.
    """
    _need(labels, 1)
    return float(average_precision_score(labels, scores))


def f1(probabilities: Floats, labels: Ints, *, threshold: float) -> float:
    """Harmonic mean of precision and recall at `probability >= threshold`, [0, 1]."""
    return precision_recall_f1(probabilities, labels, threshold=threshold)[2]


def precision_recall_f1(
    probabilities: Floats, labels: Ints, *, threshold: float
) -> tuple[float, float, float]:
    """(precision, recall, F1) at `probability >= threshold`, each [0, 1]; 0 where undefined."""
    _need(labels, 1)
    precision, recall, score, _ = precision_recall_fscore_support(
        labels, probabilities >= threshold, average="binary", zero_division=0.0
    )
    return float(precision), float(recall), float(score)


def recall(probabilities: Floats, labels: Ints, *, threshold: float) -> float:
    """Share of the harmful at or above the threshold, [0, 1]. Raises EmptyInput without harmful."""
    _need(labels, 1)
    return float(np.mean(probabilities[labels == 1] >= threshold))


def false_positive_rate(probabilities: Floats, labels: Ints, *, threshold: float) -> float:
    """Share of the unharmful at or above the threshold, [0, 1]. Raises EmptyInput without them."""
    _need(labels, 0)
    return float(np.mean(probabilities[labels == 0] >= threshold))


def threshold_at_fpr(
    scores: Floats, labels: Ints, *, rate: float, weights: Floats | None = None
) -> float:
    """The lowest threshold whose false-positive rate is at most `rate`, in units of `scores`.

    It lies just above an unharmful score, so every score above that one counts as harmful; minus
    infinity where all may be flagged. weights: (n,) >= 0, of rows. Raises EmptyInput without
    unharmful rows.
    """
    falling, share = _falling(scores, labels, label=0, weights=weights)
    beyond = np.flatnonzero(share > rate + 1e-9)
    return float(np.nextafter(falling[beyond[0]], math.inf)) if len(beyond) else -math.inf


def threshold_at_recall(
    scores: Floats, labels: Ints, *, rate: float, weights: Floats | None = None
) -> float:
    """The highest threshold whose recall is at least `rate`. Raises EmptyInput without harmful.

    weights: (n,) >= 0, of rows.
    """
    falling, share = _falling(scores, labels, label=1, weights=weights)
    return float(falling[np.flatnonzero(share >= rate - 1e-9)[0]])


def threshold_at_best_f1(scores: Floats, labels: Ints, *, weights: Floats | None = None) -> float:
    """The threshold of the highest F1. Raises EmptyInput when nothing is harmful."""
    _need(labels, 1)
    precision, recalled, thresholds = precision_recall_curve(labels, scores, sample_weight=weights)
    score = 2 * precision * recalled / np.maximum(precision + recalled, 1e-12)
    return float(thresholds[int(np.argmax(score[:-1]))])


def recall_at_fpr(scores: Floats, labels: Ints, *, rate: float) -> float:
    """Recall at the lowest threshold whose false-positive rate is at most `rate`, [0, 1]."""
    return recall(scores, labels, threshold=threshold_at_fpr(scores, labels, rate=rate))


def expected_calibration_error(
    probabilities: Floats, labels: Ints, *, n_bins: int = 15, weights: Floats | None = None
) -> float:
    """Gap between stated and observed harm rate, weighted by bin size.

    probabilities: (n,) float64 in [0, 1]; labels: (n,) 0 or 1; weights: (n,) >= 0, of rows.
    Returns [0, 1], unitless. Raises EmptyInput when n == 0. Binary form, equal-width bins, after
    Guo et al. 2017, section 2.
    """
    stated, observed, size = reliability(probabilities, labels, n_bins=n_bins, weights=weights)
    filled = size > 0
    return float(np.sum(size[filled] * np.abs(stated - observed)[filled]) / size.sum())


def reliability(
    probabilities: Floats, labels: Ints, *, n_bins: int = 15, weights: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """(mean probability, share of harmful, weight) of each equal-width bin, (n_bins,).

    The first two are NaN where a bin is empty. Raises EmptyInput when n == 0.
    """
    if len(labels) == 0:
        raise EmptyInput("no rows to score")
    given = np.ones(len(labels)) if weights is None else weights
    place = np.minimum((probabilities * n_bins).astype(np.int64), n_bins - 1)

    def summed(values: Floats) -> Floats:
        return np.bincount(place, weights=values, minlength=n_bins).astype(np.float64)

    size = summed(given)
    with np.errstate(invalid="ignore"):
        return summed(given * probabilities) / size, summed(given * labels) / size, size


def brier(probabilities: Floats, labels: Ints) -> float:
    """Mean squared gap between probability and label, [0, 1]. Raises EmptyInput when n == 0."""
    if len(labels) == 0:
        raise EmptyInput("no rows to score")
    return float(brier_score_loss(labels, probabilities, pos_label=1))


def nll(probabilities: Floats, labels: Ints, *, weights: Floats | None = None) -> float:
    """Mean negative log-likelihood of the labels, in nats. Raises EmptyInput when n == 0."""
    if len(labels) == 0:
        raise EmptyInput("no rows to score")
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return float(log_loss(labels, clipped, labels=[0, 1], sample_weight=weights))


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

    Within classes, so that no resample lacks one and the harm rate, which moves AUPRC, is that of
    the set.
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


def _falling(
    scores: Floats, labels: Ints, *, label: int, weights: Floats | None
) -> tuple[Floats, Floats]:
    """Scores of one class from the highest down, and the share of its weight at or above each."""
    _need(labels, label)
    here = labels == label
    order = np.argsort(-scores[here], kind="stable")
    falling = scores[here][order]
    mass = np.cumsum(np.ones(len(falling)) if weights is None else weights[here][order])
    # Equal scores fall on the same side of any threshold: each carries the mass of all of them.
    last = np.searchsorted(-falling, -falling, side="right") - 1
    return falling, mass[last] / mass[-1]


def _need(labels: npt.NDArray[Any], label: int) -> None:
    if not np.any(labels == label):
        raise EmptyInput(f"no row with label {label} to score")
