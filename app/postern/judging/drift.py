"""Compares live probabilities with those of the calibration by the population stability index.

No I/O.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from postern.contract.reference import ProbabilityReference

WINDOWS: Final = {"1h": (3600.0, 60), "1d": (86400.0, 96)}
"""Name -> seconds, and the number of buckets in which they are counted."""
FEWEST: Final = 100
"""With fewer exchanges in a window, chance alone moves the index too much."""


class SlidingHistogram:
    """Counts over the last `window_s` seconds, to within one bucket, in constant memory."""

    def __init__(
        self, n_bins: int, *, window_s: float, n_buckets: int, clock: Callable[[], float]
    ) -> None:
        self._bucket_s = window_s / n_buckets
        self._buckets = [[0] * n_bins for _ in range(n_buckets)]
        self._total = [0] * n_bins
        self._clock = clock
        self._turn = self._now()

    def count(self, index: int) -> None:
        """Count one exchange in a bin, now."""
        self._roll()
        self._buckets[self._turn % len(self._buckets)][index] += 1
        self._total[index] += 1

    def counts(self) -> tuple[int, ...]:
        """Counts of each bin, in the window that ends now."""
        self._roll()
        return tuple(self._total)

    def _now(self) -> int:
        return int(self._clock() // self._bucket_s)

    def _roll(self) -> None:
        """Empty the buckets that have left the window."""
        now = self._now()
        for turn in range(self._turn + 1, min(now, self._turn + len(self._buckets)) + 1):
            bucket = self._buckets[turn % len(self._buckets)]
            for index, gone in enumerate(bucket):
                self._total[index] -= gone
                bucket[index] = 0
        self._turn = max(self._turn, now)


def psi(expected: Sequence[float], counted: Sequence[float]) -> float:
    """The population stability index of two histograms, in nats. 0 means that they agree.

    Sum over bins of (q - p) ln(q / p), where p and q are shares. Half an exchange is added to each
    bin of both, so that an empty bin does not make the index infinite. Rules of thumb: 0.1 is worth
    a look, 0.25 is another population.
    """
    total, seen = sum(expected) + len(expected) / 2, sum(counted) + len(counted) / 2
    return sum(
        (((c + 0.5) / seen) - ((e + 0.5) / total))
        * math.log(((c + 0.5) / seen) / ((e + 0.5) / total))
        for e, c in zip(expected, counted, strict=True)
    )


class Drift:
    """Watches each slice for which the artifact has a reference distribution."""

    def __init__(
        self, references: Mapping[Any, ProbabilityReference], *, clock: Callable[[], float]
    ) -> None:
        self._references: dict[str, ProbabilityReference] = dict(references)
        self._windows = {
            (slice_, window): SlidingHistogram(
                len(reference.masses), window_s=window_s, n_buckets=n_buckets, clock=clock
            )
            for slice_, reference in self._references.items()
            for window, (window_s, n_buckets) in WINDOWS.items()
        }

    @property
    def watched(self) -> tuple[tuple[str, str], ...]:
        """(slice, window) of every index."""
        return tuple(self._windows)

    def observe(self, slice_: str, probability: float) -> None:
        """Count one more exchange with the student's calibrated probability, in [0, 1]."""
        reference = self._references.get(slice_)
        if reference is None:
            return
        index = bisect.bisect_right(reference.edges, probability)
        for window in WINDOWS:
            self._windows[slice_, window].count(index)

    def index(self, slice_: str, window: str) -> float:
        """The index of a watched pair; NaN below `FEWEST` exchanges."""
        counts = self._windows[slice_, window].counts()
        if sum(counts) < FEWEST:
            return math.nan
        return psi(self._references[slice_].masses, counts)
