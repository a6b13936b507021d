"""Finds the highest rate that a server sustains within its limit: a ladder, then bisection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Measured = TypeVar("Measured")


def highest_rate(
    measure: Callable[[float], Measured],
    passes: Callable[[Measured], bool],
    *,
    start: float,
    factor: float = 1.5,
    precision: float = 0.05,
    lowest: float = 0.1,
) -> tuple[float | None, list[tuple[float, Measured]]]:
    """Returns (rate, all measurements by rate). The rate was measured and passed, and a rate at
    most `precision` above it did not. The rate is None if not even `lowest` passes.

    A failed rung is measured once more, because one hiccup of the machine must not end the climb.
    """
    seen: list[tuple[float, Measured]] = []

    def carries(rate: float) -> bool:
        for _ in range(2):
            measured = measure(rate)
            seen.append((rate, measured))
            if passes(measured):
                return True
        return False

    low, high = None, None
    rate = start
    while low is None or high is None:
        if carries(rate):
            low = rate
            rate *= factor
        else:
            high = rate
            rate /= factor
        if low is None and rate < lowest:
            break
    while low is not None and high is not None and high / low > 1.0 + precision:
        middle = (low * high) ** 0.5
        if carries(middle):
            low = middle
        else:
            high = middle
    return low, sorted(seen, key=lambda one: one[0])
