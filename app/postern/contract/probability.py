"""Logits -> calibrated probability that an exchange is harmful."""

from __future__ import annotations

import math
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Floats = npt.NDArray[np.float64]


LEAST_PROBABILITY: Final = 1e-9
"""Probabilities are clipped to this distance from 0 and 1, so that log-odds stay finite."""


def sigmoid(log_odds: float) -> float:
    """In [0, 1]. log_odds: in nats. Each sign has its own branch, so that neither overflows."""
    small = math.exp(-abs(log_odds))
    return 1.0 / (1.0 + small) if log_odds >= 0.0 else small / (1.0 + small)


def sigmoids(log_odds: Floats) -> Floats:
    """(n,) float64 in [0, 1]: `sigmoid` of each. log_odds: (n,) in nats."""
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0.0, 1.0 / (1.0 + small), small / (1.0 + small))


def log_odds_of(probability: float) -> float:
    """In nats, clipped at LEAST_PROBABILITY."""
    inside = min(max(probability, LEAST_PROBABILITY), 1.0 - LEAST_PROBABILITY)
    return math.log(inside) - math.log1p(-inside)


def log_odds(probabilities: Floats) -> Floats:
    """(n,) float64 in nats: `log_odds_of` each probability."""
    inside = np.clip(probabilities, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    return np.asarray(np.log(inside) - np.log1p(-inside), dtype=np.float64)


class Calibration(BaseModel):
    """p = sigmoid(margin / temperature + bias), after Platt (1999) and Guo et al. (2017).

    A `bias` of 0 is plain temperature scaling. With `temperature_unharmful` it is beta calibration
    (Kull et al. 2017): p = sigmoid(softplus(margin) / temperature - softplus(-margin) /
    temperature_unharmful + bias). Both formulas agree where the two temperatures are equal. It is
    fitted on the served graph, because quantization moves margins and values fitted on the float
    model mislead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    """Divides the margin; in beta calibration, its positive part."""
    bias: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """Added to the log-odds, in nats."""
    # Omitted when null, so that readers without beta calibration can still read the policy.
    temperature_unharmful: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = Field(
        default=None, exclude_if=lambda value: value is None
    )
    """Divides the negative part of the margin in beta calibration; null otherwise."""


def harmful_margin(logits: npt.NDArray[np.floating]) -> Floats:
    """(n,) float64: harmful minus unharmful logit. logits: (n, 2), order [unharmful, harmful]."""
    wide = np.asarray(logits, dtype=np.float64)
    return np.asarray(wide[:, 1] - wide[:, 0], dtype=np.float64)


def harmful_probability(margins: Floats, calibration: Calibration) -> Floats:
    """(n,) float64 in [0, 1]; rises with the margin. margins: (n,) in nats."""
    return sigmoids(harmful_log_odds(margins, calibration))


def harmful_log_odds(margins: Floats, calibration: Calibration) -> Floats:
    """(n,) calibrated log-odds in nats, before the sigmoid. margins: (n,) in nats."""
    if calibration.temperature_unharmful is None:
        return margins / calibration.temperature + calibration.bias
    return (
        np.logaddexp(0.0, margins) / calibration.temperature
        - np.logaddexp(0.0, -margins) / calibration.temperature_unharmful
        + calibration.bias
    )
