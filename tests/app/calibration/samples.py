"""A population whose every rate is known, and samples of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from postern.calibration.parts import PARTS, SHARES, ScoredSlice
from postern.contract.probability import Calibration


@dataclass(frozen=True)
class Population:
    """Margins are normal in each class, `apart` between their means; the teacher's are, too."""

    apart: float = 2.0
    harm_rate: float = 0.4
    teacher_apart: float | None = None
    disguised_rate: float = 0.0

    def sample(self, size: int, rng: np.random.Generator) -> ScoredSlice:
        """Independent rows, dealt to the parts at random as prompts are by their hash."""
        labels = (rng.random(size) < self.harm_rate).astype(np.int64)
        signs = 2.0 * labels - 1.0
        teacher = None
        if self.teacher_apart is not None:
            margins = signs * self.teacher_apart / 2 + rng.normal(size=size)
            teacher = 1 / (1 + np.exp(-margins * self.teacher_apart))
        return ScoredSlice(
            margins=signs * self.apart / 2 + rng.normal(size=size),
            labels=labels,
            folds=rng.integers(0, 5, size),
            parts=rng.choice(len(PARTS), size=size, p=[SHARES[part] for part in PARTS]),
            disguised=rng.random(size) < self.disguised_rate,
            teacher=teacher,
        )

    def rate_below(self, threshold: float, calibration: Calibration) -> float:
        """P(p < threshold | harmful), exactly."""
        return _below(margin_of(threshold, calibration) - self.apart / 2)

    def rate_above(self, threshold: float, calibration: Calibration) -> float:
        """P(p > threshold | unharmful), exactly."""
        return 1.0 - _below(margin_of(threshold, calibration) + self.apart / 2)


def margin_of(threshold: float, calibration: Calibration) -> float:
    """The margin at which a calibration without a second temperature gives that probability."""
    assert calibration.temperature_unharmful is None
    if threshold in (0.0, 1.0):
        return -math.inf if threshold == 0.0 else math.inf
    logit = math.log(threshold / (1 - threshold))
    return (logit - calibration.bias) * calibration.temperature


def _below(value: float) -> float:
    return 0.5 * math.erfc(-value / math.sqrt(2.0))
