"""How long an in-process teacher may run beside the student. No I/O; the clock is an argument.

Priorities alone are not enough. A thread of the lowest priority still takes caches, memory
bandwidth and the other half of a physical core from the student, and it may lose its core while it
holds the interpreter's lock. So the lane runs freely while the student rests, and goes into debt
for the CPU time that it takes while the student works. Before its next batch it waits until that
debt is at most a share of the student's working time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final, TypeVar

# A busy student pauses a few milliseconds between two batches; that is no rest.
_GAP_S: Final = 0.005
_SHORTEST_WAIT_S: Final = 0.001
_LONGEST_WAIT_S: Final = 0.25

Made = TypeVar("Made")


class Courtesy:
    """`student_works` is called on the event loop; `run` in the lane, one call at a time.

    Without a lock on purpose: a thread that lost its core while it held one would stop the event
    loop. share: of the student's working time during which the lane may also run; 1 for no limit.
    processor_s: CPU time that the calling thread has used.
    """

    def __init__(
        self,
        share: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        processor_s: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._share = share
        self._clock = clock
        self._processor_s = processor_s
        self._sleep = sleep
        # Whether the student works, since when, and how long it worked before; replaced as a whole.
        self._student: tuple[bool, float, float] = (False, -math.inf, 0.0)
        self._owed_s = 0.0
        self._settled = (clock(), _GAP_S)  # time, and the student's working time until then

    def student_works(self, works: bool) -> None:
        """Tell whether the student has anything to do from now on."""
        if works != self._student[0]:
            now = self._clock()
            self._student = (works, now, self._worked_s(now))

    def run(self, work: Callable[[], Made]) -> Made:
        """Wait as long as courtesy requires, then work."""
        self._wait()
        _, before = self._settled
        used = self._processor_s()
        try:
            return work()
        finally:
            now = self._clock()
            worked = self._worked_s(now)
            # A lane that waited for a core took nothing from anybody.
            both = min(worked - before, self._processor_s() - used)
            self._owed_s += (1.0 - self._share) * both
            self._settled = (now, worked)

    def _wait(self) -> None:
        while (owed := self._settle()) > 0.0:
            # The debt is never paid off sooner than in the time that it amounts to.
            self._sleep(min(max(owed, _SHORTEST_WAIT_S), _LONGEST_WAIT_S))

    def _settle(self) -> float:
        """The current debt: time at rest pays in full, working time by the share."""
        now = self._clock()
        worked = self._worked_s(now)
        at, worked_then = self._settled
        both = worked - worked_then
        alone = max(0.0, (now - at) - both)
        self._owed_s = max(0.0, self._owed_s - self._share * both - alone)
        self._settled = (now, worked)
        return self._owed_s

    def _worked_s(self, now: float) -> float:
        works, since, before = self._student
        return before + (now - since if works else min(now - since, _GAP_S))
