"""What became of predictions: by how much the next ones should be longer.

A predicted finish misses what no model of one batch knows: that batches are rounded up, that others
join them, that another process takes the core. All of it is in how late the finish was.
"""

from __future__ import annotations

from typing import Final

# Of a request that lies this many requests back, the weight is 1/e; those of one batch are alike.
_MEMORY: Final = 64.0
# So many mean deviations above the mean, as a retransmission timer does (Jacobson 1988). Only what
# is later than the mean deviates, so that being quicker never makes the next prediction longer.
_DEVIATIONS: Final = 4.0
# One that took longer than so many times the predicted counts as that.
_MOST: Final = 8.0
_LEAST_FACTOR: Final = 1.0
_MOST_FACTOR: Final = 4.0


class Hindsight:
    """Mean, and mean deviation above it, of actual over predicted times; forgetting."""

    def __init__(self) -> None:
        self._mean = 1.0
        self._deviation = 0.05

    @property
    def factor(self) -> float:
        """By which a predicted time is multiplied to be kept nearly always, in [1, 4]."""
        wanted = self._mean + _DEVIATIONS * self._deviation
        return min(max(wanted, _LEAST_FACTOR), _MOST_FACTOR)

    def observe(self, *, predicted_s: float, actual_s: float, available_s: float) -> None:
        """What was predicted to take so long took so long, or was given up after that time.

        available_s: until its deadline. The nearer a prediction was to it, the more it counts: by
        those requests it is decided who is refused, and of an idle server's they tell nothing.
        """
        if predicted_s <= 0.0 or available_s <= 0.0:
            return
        ratio = min(actual_s / predicted_s, _MOST)
        gain = min(1.0, predicted_s / available_s) / _MEMORY
        self._deviation += gain * (max(0.0, ratio - self._mean) - self._deviation)
        self._mean += gain * (ratio - self._mean)
