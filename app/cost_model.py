"""How long a batch takes: t = a + b * tokens + c * (sum of squared lengths), fitted as it runs.

Weighted recursive least squares with forgetting on a 3 x 3 system. Errors count relative to the
prediction, outliers are clipped (Huber), and no coefficient goes below zero: a batch that is
larger never looks quicker.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Of a batch that lies this many batches back, the weight is 1/e.
_MEMORY: Final = 100.0
# Relative errors beyond so many times the usual one count as much as that.
_CLIP: Final = 4.0
# So many batches are believed as they come: before that, "usual" means nothing.
_BURN_IN: Final = 8
_SMALLEST_ERROR: Final = 0.02
# So many outliers in a row, all too slow or all too quick, are no outliers: the machine changed.
_STREAK: Final = 3
_UNITS: Final = np.array([1.0, 1e3, 1e5])  # so that the three columns are of like size
_RIDGE: Final = 1e-6
_SUBSETS: Final = tuple(
    list(kept) for size in (3, 2, 1) for kept in itertools.combinations(range(3), size)
)


class CostModel:
    """Knows nothing at first; then whatever was observed. Times in seconds."""

    def __init__(self) -> None:
        self._left: Floats = np.zeros((3, 3))
        self._right: Floats = np.zeros(3)
        self._weights: Floats = np.zeros(3)
        self._observed = 0
        self._streak = 0  # outliers in a row, negative when quicker than predicted
        self.error = 0.0
        """Running mean of |relative error|."""

    @property
    def is_known(self) -> bool:
        return self._observed > 0

    def observe(self, lengths_padded: int, count: int, seconds: float) -> None:
        """A batch of `count` windows, each padded to `lengths_padded`, took so many seconds."""
        row = _row(1.0, count * lengths_padded, count * lengths_padded**2)
        predicted = float(row @ self._weights)
        seconds = max(seconds, 1e-6)
        if self._observed:
            seconds = self._clipped(seconds, predicted)
        scale = 1.0 / max(predicted, seconds, 1e-6)
        keep = 0.5 if abs(self._streak) >= _STREAK else 1.0 - 1.0 / _MEMORY
        self._left = keep * self._left + np.outer(row, row) * scale**2
        self._right = keep * self._right + row * seconds * scale**2
        self._observed += 1
        self._weights = _solved(self._left, self._right)

    def predict(self, *, batches: float, tokens: float, squares: float) -> float:
        """Seconds that so much work takes on one worker; 0 while nothing is known."""
        return float(_row(batches, tokens, squares) @ self._weights)

    def coefficients(self) -> tuple[float, float, float]:
        """(a, b, c) in seconds, seconds per token, seconds per squared token."""
        a, b, c = (self._weights / _UNITS).tolist()
        return a, b, c

    def _clipped(self, seconds: float, predicted: float) -> float:
        relative = (seconds - predicted) / max(predicted, 1e-6)
        bound = _CLIP * max(self.error, _SMALLEST_ERROR)
        if self._observed < _BURN_IN or abs(relative) <= bound:
            self._streak = 0
        else:
            slower = relative > 0.0
            self._streak = max(self._streak, 0) + 1 if slower else min(self._streak, 0) - 1
            if abs(self._streak) < _STREAK:
                relative = bound if slower else -bound
        weight = max(0.1, 1.0 / self._observed)
        self.error += weight * (min(abs(relative), 1.0) - self.error)
        return max(predicted, 1e-6) * (1.0 + relative)


def _row(batches: float, tokens: float, squares: float) -> Floats:
    return np.array([batches, tokens, squares]) / _UNITS


def _solved(left: Floats, right: Floats) -> Floats:
    """Non-negative least squares of three unknowns: the best of the seven subsets that are >= 0."""
    best, best_loss = np.zeros(3), 0.0
    ridge = _RIDGE * float(np.trace(left))
    for kept in _SUBSETS:
        weights = np.zeros(3)
        weights[kept] = _inner(left, right, kept, ridge)
        if (weights < 0.0).any():
            continue
        loss = float(weights @ left @ weights - 2.0 * right @ weights)
        if loss < best_loss:
            best, best_loss = weights, loss
        if len(kept) == 3:
            break  # the whole system's own minimum cannot be beaten
    return best


def _inner(left: Floats, right: Floats, kept: Sequence[int], ridge: float) -> Floats:
    block = left[np.ix_(kept, kept)] + ridge * np.eye(len(kept))
    return np.asarray(np.linalg.solve(block, right[kept]), dtype=np.float64)
