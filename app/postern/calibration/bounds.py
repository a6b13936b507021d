"""Exact bounds on a rate from a count, without scipy, which serving does not install. No I/O."""

from __future__ import annotations

import math
from typing import Final

_TINY: Final = 1e-300
_PRECISION: Final = 1e-15


def binomial_cdf(events: int, n: int, rate: float) -> float:
    """P(X <= events), where X counts the successes of n trials at `rate`; in [0, 1]."""
    if events < 0:
        return 0.0
    if events >= n:
        return 1.0
    return incomplete_beta(n - events, events + 1.0, 1.0 - rate)


def upper_bound(events: int, n: int, delta: float) -> float:
    """One-sided Clopper-Pearson bound (1934): the true rate exceeds it with chance <= delta.

    It is the largest rate at which so few events still have a chance of delta or more. 1 if n == 0.
    """
    if events >= n:
        return 1.0
    if events == 0:
        return -math.expm1(math.log(delta) / n)
    low, high = events / n, 1.0
    while high - low > 1e-13:
        middle = (low + high) / 2.0
        if binomial_cdf(events, n, middle) > delta:
            low = middle
        else:
            high = middle
    return high


def rows_needed(alpha: float, delta: float, *, events: int = 0) -> int:
    """Fewest rows that certify a rate <= alpha at confidence 1 - delta with that many events.

    Without events, n >= ln(delta) / ln(1 - alpha): 299 for 1 % at 95 %.
    """
    fewest = max(events + 1, math.ceil(math.log(delta) / math.log1p(-alpha) - 1e-9))
    if not events:
        return fewest
    most = 2 * fewest
    while upper_bound(events, most, delta) > alpha:
        most *= 2
    while fewest < most:
        middle = (fewest + most) // 2
        if upper_bound(events, middle, delta) <= alpha:
            most = middle
        else:
            fewest = middle + 1
    return fewest


def supportable(n: int, delta: float) -> float:
    """Smallest rate that n rows can certify at confidence 1 - delta, if no event occurs."""
    return upper_bound(0, n, delta)


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function I_x(a, b), in [0, 1]. a, b > 0; x in [0, 1].

    Uses its continued fraction (Abramowitz and Stegun 26.5.8) on the side where it converges in
    O(sqrt(max(a, b))) steps.
    """
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    front = math.exp(log_front)
    if x < (a + 1.0) / (a + b + 2.0):
        return min(1.0, front * _fraction(a, b, x) / a)
    return max(0.0, 1.0 - front * _fraction(b, a, 1.0 - x) / b)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction by Lentz's method (Thompson and Barnett 1986)."""
    c = 1.0
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    found = d
    for m in range(1, 100 + 20 * math.ceil(math.sqrt(max(a, b)))):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d = 1.0 / _away_from_zero(1.0 + step * d)
            c = _away_from_zero(1.0 + step / c)
            found *= d * c
        if abs(d * c - 1.0) < _PRECISION:
            break
    return found


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
