"""Band edges and error rates with a guarantee that survives choosing among thresholds. No I/O."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from postern.calibration.bounds import binomial_cdf, upper_bound
from postern.contract.certificate import Bound, CertifiedThreshold
from postern.contract.probability import Floats

# Fixed before any row is seen, in steps of 0.05 in log-odds.
GRID: Final[Floats] = np.asarray(
    1.0 / (1.0 + np.exp(-0.05 * np.arange(-240, 241))), dtype=np.float64
)


def lower_edge(harmful: Floats, *, alpha: float, delta: float) -> CertifiedThreshold:
    """Highest t of the grid with P(p < t) <= alpha, at confidence 1 - delta.

    harmful: (n,) probabilities of harmful exchanges that were used for no fit. Each t of the grid
    is a hypothesis "the miss rate exceeds alpha". They are tested from the safest upwards until one
    is not rejected. This fixed-sequence testing (Angelopoulos et al. 2021, section 4.2) lets us
    choose among them at no cost in confidence. Returns 0, below which nothing lies, if not even the
    first is rejected.
    """
    below = np.searchsorted(np.sort(harmful), GRID, side="left")
    return _last_certified(GRID, below, len(harmful), nothing=0.0, alpha=alpha, delta=delta)


def upper_edge(unharmful: Floats, *, alpha: float, delta: float) -> CertifiedThreshold:
    """Lowest t of the grid with P(p > t) <= alpha, at confidence 1 - delta; see `lower_edge`.

    unharmful: (n,) probabilities of unharmful exchanges that were used for no fit.
    """
    n = len(unharmful)
    above = n - np.searchsorted(np.sort(unharmful), GRID[::-1], side="right")
    return _last_certified(GRID[::-1], above, n, nothing=1.0, alpha=alpha, delta=delta)


def bound(events: npt.NDArray[np.bool_], *, delta: float) -> Bound:
    """Rate of an event over rows that were used for no fit and no choice. events: (n > 0,)."""
    return _bound(int(events.sum()), len(events), delta)


def _last_certified(
    thresholds: Floats,
    events: npt.NDArray[np.int64],
    n: int,
    *,
    nothing: float,
    alpha: float,
    delta: float,
) -> CertifiedThreshold:
    """Last threshold before the first whose hypothesis is not rejected.

    events: (len(thresholds),) rising counts of exchanges beyond each. nothing: the threshold beyond
    which nothing lies.
    """
    last, rejected = (nothing, 0), -1
    for threshold, count in zip(thresholds.tolist(), events.tolist(), strict=True):
        # The exact p-value of "the rate is alpha or more". Equal counts have equal p-values.
        if count > rejected and binomial_cdf(count, n, alpha) > delta:
            break
        last, rejected = (threshold, count), count
    return CertifiedThreshold(threshold=last[0], alpha=alpha, bound=_bound(last[1], n, delta))


def _bound(events: int, n: int, delta: float) -> Bound:
    return Bound(events=events, n=n, rate=events / n, upper_bound=upper_bound(events, n, delta))
