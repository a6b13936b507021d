"""How late the event loop is: when bytes that are read now can have come at the earliest.

A request waits in its socket, unseen, while the loop is at work. What a turn of the loop reads came
after the turn before it had read, so that is the time from which its deadline counts.
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
        self._last: float | None = None  # the same of the turn before; None where the loop slept
        self.turn_s = 0.0
        """How long the last turn took; 0 where the loop slept before this one."""

    def came(self, loop: AbstractEventLoop) -> float:
        """To be called when bytes are read: seconds on the clock, never later than now."""
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
        """Once in each turn, before it reads, until one has read nothing."""
        self._last, self._this = self._this, None
        if self._last is not None:
            loop.call_soon(self._next, loop)
        else:
            self.turn_s = 0.0
