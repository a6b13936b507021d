"""Rows -> verdicts in the order of the rows. Several groups of rows are judged at a time.

Rows are read ahead within bounds, and those of similar length are judged together, because a batch
is padded to its longest text. A row's verdict does not depend on its group.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from postern.contract.errors import Overloaded, PosternError
from postern.contract.exchange import Exchange

Judge = Callable[[Sequence[Exchange]], Awaitable[list[dict[str, Any]]]]


class ToJudge(Protocol):
    """A row of any source: what to judge, or why it cannot be judged."""

    @property
    def exchange(self) -> Exchange | None: ...

    @property
    def error(self) -> str | None: ...

    @property
    def chars(self) -> int:
        """Characters of the exchange; 0 without one."""
        ...


AnyRow = TypeVar("AnyRow", bound=ToJudge)
NextRow = Callable[[bool], AnyRow | None]
"""The next row; None at the end, or if it did not come yet and the argument `wait` is false."""

GROUP_ROWS: Final = 16
GROUP_CHARS: Final = 16_384
LANES_PER_WORKER: Final = 8
# Characters of the rows that are read but not yet written.
AHEAD_CHARS: Final = 4 << 20
_LONGEST_PAUSE_S: Final = 0.5
_ROWS_PER_TURN: Final = 32


@dataclass(slots=True, eq=False)
class _Job(Generic[AnyRow]):
    row: AnyRow
    verdict: asyncio.Future[dict[str, Any]]


class Lanes(Generic[AnyRow]):
    """Judges rows on `workers` cores."""

    def __init__(self, judge: Judge, *, workers: int) -> None:
        self._judge = judge
        self._lanes = LANES_PER_WORKER * workers
        self._ahead_rows = 2 * GROUP_ROWS * self._lanes
        self._jobs: deque[_Job[AnyRow]] = deque()  # in the order of the rows
        self._chars = 0
        self._groups: asyncio.Queue[list[_Job[AnyRow]]] = asyncio.Queue()

    async def verdicts(
        self, next_row: NextRow[AnyRow], *, pause: Callable[[], None]
    ) -> AsyncGenerator[tuple[AnyRow, dict[str, Any]], None]:
        """Each row with its verdict, or only `error`. pause: called before waiting for input."""
        async with self._running():
            while True:
                if len(self._jobs) <= self._ahead_rows // 2:
                    await self._read_ahead(next_row, pause)
                if not self._jobs:
                    return
                job = self._jobs[0]
                verdict = await job.verdict
                self._jobs.popleft()
                self._chars -= job.row.chars
                yield job.row, verdict

    async def _read_ahead(self, next_row: NextRow[AnyRow], pause: Callable[[], None]) -> None:
        read: list[_Job[AnyRow]] = []
        loop = asyncio.get_running_loop()
        while len(self._jobs) < self._ahead_rows and self._chars < AHEAD_CHARS:
            row = next_row(False)
            if row is None and not self._jobs:
                pause()
                row = next_row(True)
            if row is None:
                break
            job = _Job(row, loop.create_future())
            self._jobs.append(job)
            self._chars += row.chars
            if row.exchange is None:
                job.verdict.set_result({"error": row.error})
            else:
                read.append(job)
            if len(read) % _ROWS_PER_TURN == 0:
                await asyncio.sleep(0)  # the workers want their next batches
        for group in grouped(read):
            self._groups.put_nowait(group)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._lane()) for _ in range(self._lanes)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _lane(self) -> None:
        while True:
            jobs = await self._groups.get()
            try:
                found = await self._judged([job.row.exchange for job in jobs if job.row.exchange])
            except Exception as exc:  # a defect: it must end the run, not hang it
                for job in jobs:
                    job.verdict.set_exception(exc)
                    job.verdict.exception()  # one of them is enough to be told
                continue
            for job, verdict in zip(jobs, found, strict=True):
                job.verdict.set_result(verdict)

    async def _judged(self, exchanges: list[Exchange]) -> list[dict[str, Any]]:
        while True:
            try:
                return await self._judge(exchanges)
            except Overloaded as exc:  # by the rows ahead: there is nobody else
                await asyncio.sleep(min(exc.retry_after_s, _LONGEST_PAUSE_S))
            except PosternError as exc:
                if len(exchanges) == 1:
                    return [{"error": str(exc)}]
                index = exc.index
                if index is None:
                    return [(await self._judged([one]))[0] for one in exchanges]
                rest = await self._judged(exchanges[:index] + exchanges[index + 1 :])
                return [*rest[:index], {"error": str(exc)}, *rest[index:]]


def grouped(jobs: list[_Job[AnyRow]]) -> list[list[_Job[AnyRow]]]:
    """Jobs of similar length together; longer texts in smaller groups."""
    groups: list[list[_Job[AnyRow]]] = []
    chars = 0
    for job in sorted(jobs, key=lambda job: job.row.chars):
        if not groups or len(groups[-1]) == GROUP_ROWS or chars + job.row.chars > GROUP_CHARS:
            groups.append([])
            chars = 0
        groups[-1].append(job)
        chars += job.row.chars
    return groups
