"""Virtual time: events in the order of their times. Pure; hours of a fleet pass in minutes."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Event = Callable[[], None]


class Events:
    """Events that are due. `now` is the time of the one that runs."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Event]] = []
        self._numbers = itertools.count()

    def clock(self) -> float:
        return self.now

    def at(self, time: float, event: Event) -> None:
        """Events at the same time come in the order in which they were added."""
        heapq.heappush(self._due, (max(time, self.now), next(self._numbers), event))

    def soon(self, event: Event) -> None:
        self.at(self.now, event)

    def run(self) -> None:
        """Until nothing is due any more."""
        while self._due:
            self.now, _, event = heapq.heappop(self._due)
            event()
