"""Rules that bound how often a teacher is asked. No I/O; the clock is an argument."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable
from typing import Final

_SLICES: Final = 60


class SlidingShare:
    """How many of the exchanges of the last `window_s` seconds may go to the teacher.

    A `share` of those that came, and `at_least` that many in any case. Counted in 60 slices of the
    window.
    """

    def __init__(
        self, *, share: float, window_s: float, at_least: int, clock: Callable[[], float]
    ) -> None:
        self._share = share
        self._slice_s = window_s / _SLICES
        self._at_least = at_least
        self._clock = clock
        self._slices: deque[list[int]] = deque()  # number of the slice, came, taken
        self.came = 0
        self.taken = 0

    def come(self, count: int = 1) -> None:
        """Count exchanges that were judged."""
        self._now()[1] += count
        self.came += count

    def take(self) -> bool:
        """Take one of the places. Returns False if none is left."""
        now = self._now()
        if self.taken + 1 > max(self._at_least, self._share * self.came):
            return False
        now[2] += 1
        self.taken += 1
        return True

    def _now(self) -> list[int]:
        number = int(self._clock() / self._slice_s)
        while self._slices and self._slices[0][0] <= number - _SLICES:
            _, came, taken = self._slices.popleft()
            self.came -= came
            self.taken -= taken
        if not self._slices or self._slices[-1][0] < number:
            self._slices.append([number, 0, 0])
        return self._slices[-1]


class RetryBudget:
    """Each question earns `share` of a retry, up to `most`: a failing teacher gets few."""

    def __init__(self, share: float, *, most: float = 10.0) -> None:
        self._share = share
        self._most = most
        self._balance = min(1.0, share * most)

    def asked(self) -> None:
        self._balance = min(self._most, self._balance + self._share)

    def take(self) -> bool:
        if self._balance < 1.0:
            return False
        self._balance -= 1.0
        return True


class NearestShare:
    """Tells whether a distance is among the nearest `share` of the last `memory` distances.

    None until `warm_up` distances were seen.
    """

    def __init__(self, share: float, *, memory: int = 2000, warm_up: int = 200) -> None:
        self._share = share
        self._memory = memory
        self._warm_up = warm_up
        self._order: deque[float] = deque()
        self._sorted: list[float] = []

    def holds(self, distance: float) -> bool | None:
        """Remember the distance, and tell whether it is near."""
        ready = len(self._order) >= self._warm_up
        # If equal distances together would exceed the share, all of them are left out: a flood of
        # one text must not count as near just because it is frequent.
        rank = bisect.bisect_right(self._sorted, distance)
        near = rank < self._share * len(self._order)
        self._order.append(distance)
        bisect.insort(self._sorted, distance)
        if len(self._order) > self._memory:
            oldest = self._order.popleft()
            del self._sorted[bisect.bisect_left(self._sorted, oldest)]
        return near if ready else None
