"""Figures that choose and judge a policy, with numpy alone.

Harmful is the positive class. No I/O.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from postern.contract.errors import EmptyInput
from postern.contract.probability import Floats

Ints = npt.NDArray[np.int64]


def threshold_at_fpr(
    scores: Floats, labels: Ints, *, rate: float, weights: Floats | None = None
) -> float:
    """Lowest threshold with a false-positive rate of at most `rate`, in units of `scores`.

    It lies just above an unharmful score, so every score above that one counts as harmful. It is
    minus infinity if everything may be flagged. weights: (n,) >= 0, of rows. Raises EmptyInput
    without unharmful rows.
    """
    falling, share = _falling(scores, labels, label=0, weights=weights)
    beyond = np.flatnonzero(share > rate + 1e-9)
    return float(np.nextafter(falling[beyond[0]], math.inf)) if len(beyond) else -math.inf


def threshold_at_recall(
    scores: Floats, labels: Ints, *, rate: float, weights: Floats | None = None
) -> float:
    """Highest threshold with a recall of at least `rate`. Raises EmptyInput without harmful rows.

    weights: (n,) >= 0, of rows.
    """
    falling, share = _falling(scores, labels, label=1, weights=weights)
    return float(falling[np.flatnonzero(share >= rate - 1e-9)[0]])


def threshold_at_best_f1(scores: Floats, labels: Ints, *, weights: Floats | None = None) -> float:
    """Threshold with the highest F1, the lowest of equals. Raises EmptyInput without harmful rows.

    weights: (n,) >= 0, of rows.
    """
    need(labels, 1)
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    mass = (np.ones(len(scores)) if weights is None else weights)[order]
    harmful = mass * (labels[order] == 1)
    # Equal scores fall on the same side of any threshold, so only the last of them is one.
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    flagged, found = np.cumsum(mass)[last], np.cumsum(harmful)[last]
    f1 = 2.0 * found / np.maximum(flagged + harmful.sum(), 1e-300)
    return float(falling[last][len(f1) - 1 - int(np.argmax(f1[::-1]))])


def threshold_at_best_expected_f1(probabilities: Floats, *, weights: Floats) -> float:
    """Threshold with the highest F1 if every probability is right: half of that F1.

    Lipton, Elkan and Naryanaswamy 2014 (arXiv 1402.1892), theorem 1. F1 is nearly flat around its
    best, so which of the observed thresholds wins is chance; this one depends on no single label.
    probabilities: (n,) in [0, 1], calibrated, n > 0. weights: (n,) >= 0, of rows. Returns a value
    in [0, 0.5].
    """
    order = np.argsort(-probabilities, kind="stable")
    mass = weights[order]
    harmful = mass * probabilities[order]
    f1 = 2.0 * np.cumsum(harmful) / np.maximum(np.cumsum(mass) + harmful.sum(), 1e-300)
    return float(f1.max() / 2.0)


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


def equal_mass_calibration_error(probabilities: Floats, labels: Ints, *, n_bins: int = 15) -> float:
    """Gap between stated and observed harm rate over bins with equally many rows, [0, 1].

    If a student is confident, equal-width bins leave nearly all rows in two of them. Raises
    EmptyInput when n == 0. After Nixon et al. 2019, section 4.
    """
    if len(labels) == 0:
        raise EmptyInput("no rows to score")
    order = np.argsort(probabilities, kind="stable")
    gaps = probabilities[order] - labels[order]
    return float(sum(abs(part.sum()) for part in np.array_split(gaps, n_bins)) / len(labels))


def reliability(
    probabilities: Floats, labels: Ints, *, n_bins: int = 15, weights: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """(mean probability, harmful share, weight) of each equal-width bin, (n_bins,).

    The first two are NaN for an empty bin. Raises EmptyInput when n == 0.
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
    """Mean squared difference between probability and label, [0, 1].

    Raises EmptyInput when n == 0.
    """
    if len(labels) == 0:
        raise EmptyInput("no rows to score")
    return float(np.mean((probabilities - labels) ** 2))


def nll(probabilities: Floats, labels: Ints, *, weights: Floats | None = None) -> float:
    """Mean negative log-likelihood of the labels, in nats. Raises EmptyInput when n == 0."""
    if len(labels) == 0:
        raise EmptyInput("no rows to score")
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    stated = np.where(labels == 1, clipped, 1.0 - clipped)
    return float(np.average(-np.log(stated), weights=weights))


def need(labels: npt.NDArray[Any], label: int) -> None:
    """Raises EmptyInput if no row has the label."""
    if not np.any(labels == label):
        raise EmptyInput(f"no row with label {label} to score")


def _falling(
    scores: Floats, labels: Ints, *, label: int, weights: Floats | None
) -> tuple[Floats, Floats]:
    """Scores of one class in falling order, and the share of its weight at or above each."""
    need(labels, label)
    here = labels == label
    order = np.argsort(-scores[here], kind="stable")
    falling = scores[here][order]
    mass = np.cumsum(np.ones(len(falling)) if weights is None else weights[here][order])
    # Equal scores fall on the same side of any threshold, so each carries the mass of all of them.
    last = np.searchsorted(-falling, -falling, side="right") - 1
    return falling, mass[last] / mass[-1]
