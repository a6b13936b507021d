"""Lateness of the event loop: the earliest time at which bytes that are read now can have come.

A request waits unseen in its socket while the loop works. Bytes that a turn of the loop reads came
after the previous turn had read, so that is the time from which their deadline counts.
"""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable


class LoopTurns:
    """Costs nothing while nothing is read, and one callback in each turn that reads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._this: float | None = None  # when this turn began to read
        self._last: float | None = None  # the same for the previous turn; None if the loop slept
        self.turn_s = 0.0
        """Duration of the last turn; 0 if the loop slept before this one."""

    def came(self, loop: AbstractEventLoop) -> float:
        """Call when bytes are read. Returns seconds on the clock, never later than now."""
        now = self._clock()
        if self._this is None:
            self._this = now
            if self._last is None:
                self.turn_s = 0.0
                loop.call_soon(self._next, loop)
            else:
                self.turn_s = now - self._last
        return now if self._last is None else self._last

    def _next(self, loop: AbstractEventLoop) -> None:
        """Runs once in each turn, before it reads, until a turn has read nothing."""
        self._last, self._this = self._this, None
        if self._last is not None:
            loop.call_soon(self._next, loop)
        else:
            self.turn_s = 0.0
