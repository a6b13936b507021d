"""A circuit breaker: a teacher that keeps failing is left alone, then probed with one question.

We wrote our own because the asyncio libraries are no longer maintained (last releases in 2021 and
2024).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "half_open", "open"]


class Breaker:
    """Opens for `open_s` seconds when `failures` of the last `calls` failed; then allows one probe.

    Every admitted question ends in exactly one of `succeeded`, `failed` or `released`. Answers to
    questions from before it opened change nothing.
    """

    def __init__(
        self, *, failures: int, calls: int, open_s: float, clock: Callable[[], float]
    ) -> None:
        self._failures = failures
        self._open_s = open_s
        self._clock = clock
        self._recent: deque[bool] = deque(maxlen=calls)
        self._opened_at: float | None = None
        self._epoch = 0
        self._probe_is_out = False

    @property
    def state(self) -> State:
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._clock() - self._opened_at >= self._open_s else "open"

    @property
    def refuses(self) -> bool:
        """Whether `admit` would return None now."""
        return self.state == "open" or (self.state == "half_open" and self._probe_is_out)

    def admit(self) -> int | None:
        """A ticket for one question, or None if the teacher must not be asked."""
        if self.refuses:
            return None
        self._probe_is_out = self.state == "half_open"
        return self._epoch

    def succeeded(self, ticket: int) -> None:
        if ticket != self._epoch:
            return
        if self._opened_at is not None:
            self._turn(opened_at=None)
        else:
            self._recent.append(False)

    def failed(self, ticket: int) -> None:
        if ticket != self._epoch:
            return
        self._recent.append(True)
        if self._opened_at is not None or sum(self._recent) >= self._failures:
            self._turn(opened_at=self._clock())

    def released(self, ticket: int) -> None:
        """The question was given up before it said anything about the teacher."""
        if ticket == self._epoch:
            self._probe_is_out = False

    def _turn(self, *, opened_at: float | None) -> None:
        self._opened_at = opened_at
        self._recent.clear()
        self._probe_is_out = False
        self._epoch += 1
