"""Learns from past predictions by how much to lengthen the next ones.

A predicted finish misses what no model of one batch knows: batches are rounded up, others join
them, another process takes the core. The lateness of the finish contains all of these.
"""

from __future__ import annotations

from typing import Final

# The weight of a request falls to 1/e after this many further requests; requests of one batch are
# alike.
_MEMORY: Final = 64.0
# Number of mean deviations above the mean, as in a retransmission timer (Jacobson 1988). Only
# lateness counts as deviation, so an early finish never makes the next prediction longer.
_DEVIATIONS: Final = 4.0
# Ratios are clipped at this multiple of the predicted time.
_MOST: Final = 8.0
_LEAST_FACTOR: Final = 1.0
_MOST_FACTOR: Final = 4.0


class Hindsight:
    """Mean ratio of actual to predicted times and the mean deviation above it, with forgetting."""

    def __init__(self) -> None:
        self._mean = 1.0
        self._deviation = 0.05

    @property
    def factor(self) -> float:
        """Factor that makes a prediction hold nearly always, in [1, 4]."""
        wanted = self._mean + _DEVIATIONS * self._deviation
        return min(max(wanted, _LEAST_FACTOR), _MOST_FACTOR)

    def observe(self, *, predicted_s: float, actual_s: float, available_s: float) -> None:
        """Learn how long work took, or how long it ran before it was given up, beside its
        prediction.

        available_s: until its deadline. The nearer a prediction was to the deadline, the more it
        counts: those requests decide who is refused, and requests of an idle server say nothing
        about it.
        """
        if predicted_s <= 0.0 or available_s <= 0.0:
            return
        ratio = min(actual_s / predicted_s, _MOST)
        gain = min(1.0, predicted_s / available_s) / _MEMORY
        self._deviation += gain * (max(0.0, ratio - self._mean) - self._deviation)
        self._mean += gain * (ratio - self._mean)
