"""Runs work on long texts off the event loop, bounded, and fairly shared between callers.

Tokenizing, normalizing and looking for disguises take milliseconds per ten thousand characters.
With an unbounded pool, four clients with long texts made all others wait.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from postern.contract.errors import DeadlineExceeded, TextWorkFull

# With fewer characters, the work is quicker than handing over to a thread and back.
INLINE_CHARS: Final = 2000
_THREADS: Final = 2
_WAITING_CHARS: Final = 8 << 20
# Time of the work per character, used only for `Retry-After`.
_CHARS_PER_S: Final = 1_000_000.0

Made = TypeVar("Made")


@dataclass(slots=True)
class _Job:
    make: Callable[[], Any]
    chars: int
    deadline: float
    done: asyncio.Future[Any]


class TextWork:
    """Serves the caller that was served least, each in order of arrival. For one event loop."""

    def __init__(
        self,
        *,
        threads: int = _THREADS,
        waiting_chars: int = _WAITING_CHARS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads
        self._waiting_chars = waiting_chars
        self._clock = clock
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: dict[int, deque[_Job]] = {}
        self._had: dict[int, float] = {}  # characters, by waiting caller
        self._level = 0.0  # of the caller served last; a new caller starts there
        self._waiting = 0
        self._running = 0

    async def run(
        self, make: Callable[[], Made], *, chars: int, caller: int, deadline: float
    ) -> Made:
        """The result of `make`.

        Raises TextWorkFull, DeadlineExceeded, and whatever `make` raises.
        """
        if chars <= INLINE_CHARS:
            return make()
        if self._waiting and self._waiting + chars > self._waiting_chars:
            raise TextWorkFull(retry_after_s=self._waiting / _CHARS_PER_S)
        job = _Job(make, chars, deadline, asyncio.get_running_loop().create_future())
        if caller not in self._jobs:
            self._jobs[caller] = deque()
            self._had[caller] = max(self._level, self._had.get(caller, 0.0))
        self._jobs[caller].append(job)
        self._waiting += chars
        self._start()
        return cast(Made, await job.done)

    def _start(self) -> None:
        while self._running < self._threads and self._jobs:
            job = self._next()
            if job.done.done():  # nobody waits any more
                continue
            if self._clock() > job.deadline:
                job.done.set_exception(DeadlineExceeded())
                continue
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, "text")
            self._running += 1
            work = asyncio.get_running_loop().run_in_executor(self._pool, job.make)
            work.add_done_callback(functools.partial(self._finish, job))

    def _next(self) -> _Job:
        caller = min(self._jobs, key=self._had.__getitem__)
        job = self._jobs[caller].popleft()
        self._waiting -= job.chars
        self._level = self._had[caller]
        self._had[caller] += job.chars
        if not self._jobs[caller]:
            del self._jobs[caller]
        if len(self._had) > len(self._jobs) + 1024:  # callers are few: keys, numbered
            self._had = {one: self._had[one] for one in self._jobs}
        return job

    def _finish(self, job: _Job, made: asyncio.Future[Any]) -> None:
        self._running -= 1
        if not job.done.done():
            error = made.exception()
            if error is not None:
                job.done.set_exception(error)
            else:
                job.done.set_result(made.result())
        self._start()
