"""Calibrated probabilities -> thresholds, each with its deferral band. No I/O."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from postern.calibration.figures import (
    Ints,
    need,
    threshold_at_best_expected_f1,
    threshold_at_fpr,
    threshold_at_recall,
)
from postern.contract.decision import OperatingPoint
from postern.contract.probability import Floats

STRICT_RECALL: Final = 0.95
PERMISSIVE_FPR: Final = 0.01
DEFERRED_SHARE: Final = 0.10


def operating_points(
    probabilities: Floats, labels: Ints, weights: Floats
) -> dict[str, OperatingPoint]:
    """`balanced`: best expected F1; `strict`: recall 95 %; `permissive`: false-positive rate 1 %.

    strict <= balanced <= permissive always holds. If a student is so good (or so poor) that the
    definitions cross, the outer points move onto `balanced`.
    """
    return {
        name: OperatingPoint(
            threshold=threshold,
            deferral_band=deferral_band(probabilities, weights, threshold=threshold),
        )
        for name, threshold in thresholds(probabilities, labels, weights).items()
    }


def thresholds(probabilities: Floats, labels: Ints, weights: Floats) -> dict[str, float]:
    """The thresholds of `operating_points`, from strict to permissive."""
    need(labels, 1)
    balanced = threshold_at_best_expected_f1(probabilities, weights=weights)
    at_recall = threshold_at_recall(probabilities, labels, rate=STRICT_RECALL, weights=weights)
    at_fpr = threshold_at_fpr(probabilities, labels, rate=PERMISSIVE_FPR, weights=weights)
    return {
        "strict": min(at_recall, balanced),
        "balanced": balanced,
        "permissive": min(max(at_fpr, balanced), 1.0),
    }


def deferral_band(
    probabilities: Floats, weights: Floats, *, threshold: float, share: float = DEFERRED_SHARE
) -> tuple[float, float]:
    """The exchanges on which the student is most likely wrong, up to a share of the traffic.

    A calibrated student errs with probability p below the threshold and 1 - p above it. The band
    contains everything whose chance of error is at least e, which is [min(t, e), max(t, 1 - e)],
    for the smallest e in steps of 0.005 that puts at most `share` of the weight into it. No other
    set of that size is expected to contain more errors.
    """
    for chance in np.arange(0.02, 1.0, 0.005):
        low, high = min(threshold, float(chance)), max(threshold, 1.0 - float(chance))
        inside = (probabilities >= low) & (probabilities <= high)
        if weights[inside].sum() <= share * weights.sum():
            return low, high
    return threshold, threshold


def point_figures(
    point: OperatingPoint, probabilities: Floats, labels: Ints, weights: Floats
) -> dict[str, float | tuple[float, float]]:
    """Effects of an operating point as weighted shares: of each class, of errors, of deferrals."""
    flagged = probabilities >= point.threshold
    low, high = point.deferral_band
    inside = (probabilities >= low) & (probabilities <= high)
    wrong = flagged != (labels == 1)

    def share(what: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_]) -> float:
        total = float(weights[of].sum())
        return float(weights[what & of].sum()) / total if total else 0.0

    everything = np.ones(len(flagged), dtype=np.bool_)
    return {
        "threshold": point.threshold,
        "deferral_band": point.deferral_band,
        "recall": share(flagged, labels == 1),
        "false_positive_rate": share(flagged, labels == 0),
        "precision": share(labels == 1, flagged),
        "deferred_share": share(inside, everything),
        "errors_deferred_share": share(inside, wrong),
    }
