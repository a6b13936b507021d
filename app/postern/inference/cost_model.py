"""Time of a batch: t = a + b * tokens + c * (sum of squared lengths), fitted while serving.

Weighted recursive least squares with forgetting on a 3 x 3 system. Errors are relative to the
prediction, outliers are clipped (Huber), and no coefficient goes below zero: a larger batch never
seems quicker.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

# The weight of a batch falls to 1/e after this many further batches.
_MEMORY: Final = 100.0
# Relative errors are clipped at this multiple of the usual one.
_CLIP: Final = 4.0
# The first batches are never treated as outliers, because "usual" means nothing yet.
_BURN_IN: Final = 8
_SMALLEST_ERROR: Final = 0.02
# This many outliers in a row, all too slow or all too quick, mean that the machine has changed.
_STREAK: Final = 3
_UNITS: Final = (1.0, 1e3, 1e5)  # brings the three columns to a similar size
_RIDGE: Final = 1e-6
# After the burn-in the system is solved once in this many batches: solving takes as long as a small
# batch of a small model, and the solution changes little.
_SOLVE_EVERY: Final = 8
_SUBSETS: Final = tuple(
    kept for size in (3, 2, 1) for kept in itertools.combinations(range(3), size)
)
# numpy takes ten times as long for matrices with three rows.
Vector = list[float]


class CostModel:
    """Starts without knowledge and learns from observed batches. Times in seconds."""

    def __init__(self) -> None:
        self._left: list[Vector] = [[0.0] * 3 for _ in range(3)]
        self._right: Vector = [0.0] * 3
        self._weights: Vector = [0.0] * 3
        self._observed = 0
        self._streak = 0  # outliers in a row, negative when quicker than predicted
        self.error = 0.0
        """Running mean of |relative error|."""

    @property
    def is_known(self) -> bool:
        return self._observed > 0

    def observe(self, length: int, count: int, seconds: float) -> None:
        """Learn that a batch of `count` windows, each padded to `length`, took that many
        seconds."""
        row = _row(1.0, count * length, count * length**2)
        predicted = _dot(row, self._weights)
        seconds = max(seconds, 1e-6)
        if self._observed:
            seconds = self._clipped(seconds, predicted)
        # The first batch has no prediction to be relative to. A hundredth of its time would give it
        # the weight of ten thousand others.
        usual = predicted if self._observed else seconds
        weight = 1.0 / max(usual, seconds / 100.0, 1e-6) ** 2
        changed = abs(self._streak) >= _STREAK
        keep = 0.5 if changed else 1.0 - 1.0 / _MEMORY
        if 0 < self._observed <= _BURN_IN and seconds > 2.0 * predicted:
            keep = 0.1  # the first batches of real work weigh more than those of the warm-up
        for i in range(3):
            self._right[i] = keep * self._right[i] + weight * row[i] * seconds
            for j in range(3):
                self._left[i][j] = keep * self._left[i][j] + weight * row[i] * row[j]
        self._observed += 1
        if changed or self._observed <= 4 * _BURN_IN or self._observed % _SOLVE_EVERY == 0:
            self._weights = _solved(self._left, self._right)

    def predict(self, *, batches: float, tokens: float, squares: float) -> float:
        """Predicted seconds for this work on one worker; 0 while nothing is known."""
        return _dot(_row(batches, tokens, squares), self._weights)

    def coefficients(self) -> tuple[float, float, float]:
        """(a, b, c) in seconds, seconds per token, seconds per squared token."""
        a, b, c = (weight / unit for weight, unit in zip(self._weights, _UNITS, strict=True))
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


def _row(batches: float, tokens: float, squares: float) -> Vector:
    return [batches / _UNITS[0], tokens / _UNITS[1], squares / _UNITS[2]]


def _dot(one: Vector, other: Vector) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _solved(left: list[Vector], right: Vector) -> Vector:
    """Non-negative least squares in three unknowns: the best of the seven subsets that are >= 0."""
    best, best_loss = [0.0] * 3, 0.0
    for kept in _SUBSETS:
        weights = _of_subset(left, right, kept)
        if min(weights) < 0.0:
            continue
        loss = _dot(weights, [_dot(row, weights) for row in left]) - 2.0 * _dot(right, weights)
        if loss < best_loss:
            best, best_loss = weights, loss
        if len(kept) == 3:
            break  # the unconstrained minimum cannot be beaten
    return best


def _of_subset(left: list[Vector], right: Vector, kept: Sequence[int]) -> Vector:
    """The minimum if only `kept` differ from zero, by Gaussian elimination."""
    rows = [[left[i][j] * (1.0 + _RIDGE * (i == j)) for j in kept] + [right[i]] for i in kept]
    size = len(kept)
    for pivot in range(size):
        for below in range(pivot + 1, size):
            factor = rows[below][pivot] / rows[pivot][pivot]
            for column in range(pivot, size + 1):
                rows[below][column] -= factor * rows[pivot][column]
    weights = [0.0] * 3
    for i in reversed(range(size)):
        known = sum(rows[i][j] * weights[kept[j]] for j in range(i + 1, size))
        weights[kept[i]] = (rows[i][size] - known) / rows[i][i]
    return weights
