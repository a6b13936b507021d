"""Margins -> probabilities and verdicts of a policy. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from postern.contract.decision import Policy
from postern.contract.exchange import SLICES
from postern.contract.probability import Floats, harmful_probability

from model_training.measures.served import ScoredRows


def probabilities_of(scored: ScoredRows, policy: Policy) -> Floats:
    """(n,) float64: each row's probability, with the calibration of its slice."""
    found = np.empty(len(scored.rows), dtype=np.float64)
    for name in SLICES:
        here = scored.slices == name
        found[here] = harmful_probability(scored.margins[here], policy.calibration[name])
    return found


def flagged_by(scored: ScoredRows, policy: Policy, operating_point: str) -> npt.NDArray[np.bool_]:
    """(n,) bool: whether the student calls each row harmful at an operating point."""
    points = policy.operating_points[operating_point]
    thresholds = np.array([points[row.slice].threshold for row in scored.rows])
    return probabilities_of(scored, policy) >= thresholds
