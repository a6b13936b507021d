"""An event loop whose clock jumps to the next event: hours of a fleet in minutes, in one thread.

Everything of asyncio works on it, deadlines included. What the batcher would run in a thread takes
the time that a model of service times says.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import numpy as np
from postern.contract.windows import Window

Made = TypeVar("Made")
_LOGITS = np.array([[2.0, -2.0]], dtype=np.float32)


class Stuck(Exception):
    """Everything waits, and nothing is due."""


class _Jumps(selectors.SelectSelector):
    """Waits by moving the clock."""

    jump: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck
        self.jump(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """service: seconds of a batch of windows."""

    def __init__(self, service: Callable[[Sequence[Window]], float]) -> None:
        selector = _Jumps()
        super().__init__(selector)
        self._now = 0.0
        self._service = service
        selector.jump = self._jump

    def time(self) -> float:
        return self._now

    def _jump(self, seconds: float) -> None:
        self._now += max(0.0, seconds)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *arguments: Any
    ) -> asyncio.Future[Any]:
        """As the batcher calls it: `run_guarded(run, windows)`."""
        _, windows = arguments
        answer = self.create_future()
        logits = np.repeat(_LOGITS, len(windows), axis=0)
        self.call_later(self._service(windows), _set, answer, logits)
        return answer


def _set(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def simulate(
    work: Callable[[], Coroutine[Any, Any, Made]], service: Callable[[Sequence[Window]], float]
) -> Made:
    """Run a coroutine in virtual time. Raises Stuck."""
    loop = VirtualLoop(service)
    try:
        return loop.run_until_complete(work())
    finally:
        loop.close()
