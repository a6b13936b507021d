"""Entries -> batches -> futures. Work-conserving: a free worker takes what waits, at once.

Laws, held by property tests: no entry is lost, duplicated or answered with another's logits; a
failure answers its own entry alone; the oldest entry is always in the next batch; an entry whose
caller has left, or whose deadline has passed, does not reach the model.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.contract.errors import (
    DeadlineExceeded,
    DeadlineUnreachable,
    ExchangeTooLong,
    InferenceFailed,
    NotReady,
    QueueFull,
)
from app.contract.windows import Encoding, Window
from app.metrics import Metrics

Logits = npt.NDArray[np.float32]
RunWindows = Callable[[Sequence[Window]], Logits]

# How many waiting entries are considered for one batch: sorting more costs more than it saves.
_LOOK_AHEAD = 512
# Weight of the newest batch in the running cost of a token.
_COST_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """tokens: padded, of one batch; queue_tokens: that may wait."""

    max_batch_tokens: int
    max_queue_tokens: int


@dataclass(frozen=True, slots=True)
class Scored:
    """logits: (n_windows, 2) float32. queue_s, inference_s: of the slowest window."""

    logits: Logits
    queue_s: float
    inference_s: float


@dataclass(slots=True, eq=False)
class _Entry:
    window: Window
    future: asyncio.Future[Logits]
    deadline: float
    arrived: float
    started: float = math.nan
    finished: float = math.nan


class Batcher:
    """Owns the queue, `workers` tasks and as many threads. Lives on one event loop.

    run: called in a thread with the windows of a batch; returns (n, 2) logits in their order. It
    may raise, return garbage or never return: waiters are answered all the same.
    """

    def __init__(
        self,
        run: RunWindows,
        *,
        limits: BatchLimits,
        workers: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._limits = limits
        self._n_workers = workers
        self._metrics = metrics
        self._clock = clock
        self._waiting: dict[_Entry, None] = {}  # in order of arrival; removal anywhere is O(1)
        self._waiting_tokens = 0
        self._running: dict[int, tuple[float, int]] = {}  # worker -> (started, tokens)
        self._work_came = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._executor: ThreadPoolExecutor | None = None
        self._closed = False
        self._s_per_token = 0.0
        self.last_success = -math.inf
        self.left_behind = False
        """Closed while a thread was inside the model, which may never return."""
        metrics.watch_queue(lambda: self._waiting_tokens, self._oldest_s)

    def start(self) -> None:
        """Starts the workers; to be called on the event loop."""
        self._executor = ThreadPoolExecutor(self._n_workers, thread_name_prefix="inference")
        self._tasks = [
            asyncio.create_task(self._work(worker), name=f"batcher-{worker}")
            for worker in range(self._n_workers)
        ]

    async def close(self) -> None:
        """Answers what waits with NotReady and stops. A thread that hangs is left behind."""
        self._closed = True
        for entry in list(self._waiting):
            self._remove(entry)
            _fail(entry, NotReady("the server is shutting down"))
        self.left_behind = bool(self._running)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._executor is not None:
            self._executor.shutdown(wait=not self.left_behind, cancel_futures=True)

    def stalled_s(self) -> float:
        """Seconds that the longest running batch has taken so far; 0 when none runs."""
        now = self._clock()
        return max((now - started for started, _ in self._running.values()), default=0.0)

    async def submit(self, encodings: Sequence[Encoding], *, deadline: float) -> list[Scored]:
        """Scores all windows of all encodings; accepted or refused as a whole.

        deadline: absolute, on the clock. Raises ExchangeTooLong, QueueFull, DeadlineUnreachable,
        DeadlineExceeded, InferenceFailed, NotReady. Whatever is raised, cancellation included,
        nothing stays queued.
        """
        windows = [window for encoding in encodings for window in encoding.windows]
        self._admit(sum(window.length for window in windows), deadline)
        loop = asyncio.get_running_loop()
        now = self._clock()
        entries = [_Entry(w, loop.create_future(), deadline, now) for w in windows]
        for entry in entries:
            self._waiting[entry] = None
            self._waiting_tokens += entry.window.length
        self._work_came.set()
        try:
            async with asyncio.timeout(max(0.0, deadline - now)):
                rows = [await entry.future for entry in entries]
        except TimeoutError:
            raise DeadlineExceeded from None
        except InferenceFailed as exc:
            if len(encodings) > 1:
                exc.index = _blamed(encodings, entries, exc)
            raise
        finally:
            for entry in entries:
                self._abandon(entry)
        return _gather(encodings, entries, rows)

    def _admit(self, tokens: int, deadline: float) -> None:
        if self._closed:
            raise NotReady("the server is shutting down")
        if tokens > self._limits.max_queue_tokens:  # could never be accepted
            raise ExchangeTooLong(what="tokens in all", limit=self._limits.max_queue_tokens)
        backlog = self._waiting_tokens + sum(size for _, size in self._running.values())
        backlog_s = backlog * self._s_per_token / self._n_workers
        if self._waiting_tokens + tokens > self._limits.max_queue_tokens:
            raise QueueFull(
                waiting_tokens=self._waiting_tokens, retry_after_s=max(0.05, backlog_s / 2)
            )
        predicted_s = backlog_s + tokens * self._s_per_token / self._n_workers
        remaining_s = deadline - self._clock()
        # An idle server tries whatever it is asked: the running cost may be an outlier's, and only
        # new work can correct it.
        if backlog and predicted_s > remaining_s:
            raise DeadlineUnreachable(
                predicted_s=predicted_s, retry_after_s=max(0.05, predicted_s - remaining_s)
            )

    async def _work(self, worker: int) -> None:
        while True:
            batch = self._take()
            if not batch:
                self._work_came.clear()
                await self._work_came.wait()
                continue
            padded = len(batch) * max(entry.window.length for entry in batch)
            started = self._clock()
            self._running[worker] = (started, padded)
            try:
                await self._answer(batch, started)
            finally:
                del self._running[worker]
            self._observe(batch, padded, self._clock() - started)

    async def _answer(self, batch: list[_Entry], started: float) -> None:
        for entry in batch:
            entry.started = started
        try:
            logits = await self._infer(batch)
        except Exception as exc:  # the model may raise anything; the worker lives
            if len(batch) == 1:
                self._metrics.inference_failures.inc()
                _fail(batch[0], InferenceFailed(type(exc.__cause__ or exc).__name__))
                return
            # Poison answers for itself alone: its batch-mates run again without it.
            for entry in batch:
                if entry.deadline <= self._clock():
                    _fail(entry, DeadlineExceeded())
                if not entry.future.done():
                    await self._answer([entry], started)
            return
        finished = self._clock()
        self.last_success = finished
        for entry, row in zip(batch, logits, strict=True):
            entry.finished = finished
            if not np.isfinite(row).all():
                self._metrics.inference_failures.inc()
                _fail(entry, InferenceFailed("the model gave numbers that are not finite"))
            elif not entry.future.done():
                entry.future.set_result(row)

    async def _infer(self, batch: list[_Entry]) -> Logits:
        windows = [entry.window for entry in batch]
        loop = asyncio.get_running_loop()
        logits = await loop.run_in_executor(self._executor, _run_guarded, self._run, windows)
        if logits.shape != (len(batch), 2):
            raise ValueError("the model gave another number of rows than it was given")
        return logits

    def _take(self) -> list[_Entry]:
        """The oldest entry, joined by those nearest to it in length, within the token budget."""
        now = self._clock()
        candidates: list[_Entry] = []
        for entry in list(self._waiting):
            if entry.deadline <= now:
                self._remove(entry)
                _fail(entry, DeadlineExceeded())
                continue
            candidates.append(entry)
            if len(candidates) == _LOOK_AHEAD:
                break
        if not candidates:
            return []
        lead = candidates[0].window.length
        candidates[1:] = sorted(candidates[1:], key=lambda e: abs(e.window.length - lead))
        batch: list[_Entry] = []
        longest = 0
        for entry in candidates:
            longest = max(longest, entry.window.length)
            if batch and longest * (len(batch) + 1) > self._limits.max_batch_tokens:
                break
            batch.append(entry)
        for entry in batch:
            self._remove(entry)
        return batch

    def _remove(self, entry: _Entry) -> None:
        del self._waiting[entry]
        self._waiting_tokens -= entry.window.length

    def _abandon(self, entry: _Entry) -> None:
        if entry in self._waiting:
            self._remove(entry)
        if not entry.future.done():
            entry.future.cancel()
        elif not entry.future.cancelled():
            entry.future.exception()  # read, so that a sibling's failure is not reported as lost

    def _observe(self, batch: list[_Entry], padded: int, elapsed_s: float) -> None:
        tokens = sum(entry.window.length for entry in batch)
        self._metrics.batch_windows.observe(len(batch))
        self._metrics.batch_tokens.observe(padded)
        self._metrics.padding_ratio.observe(1.0 - tokens / padded)
        cost = elapsed_s / padded
        weight = _COST_SMOOTHING if self._s_per_token else 1.0
        self._s_per_token += weight * (cost - self._s_per_token)

    def _oldest_s(self) -> float:
        oldest = next(iter(self._waiting), None)
        return 0.0 if oldest is None else self._clock() - oldest.arrived


def _run_guarded(run: RunWindows, windows: Sequence[Window]) -> Logits:
    """`run`, whose result is an array of numbers and whose errors are Exceptions that a future can
    carry: StopIteration would leave it unanswered, SystemExit would end the event loop."""
    try:
        return np.asarray(run(windows), dtype=np.float32)
    except BaseException as exc:
        raise RuntimeError(type(exc).__name__) from exc


def _fail(entry: _Entry, error: Exception) -> None:
    if not entry.future.done():
        entry.future.set_exception(error)


def _blamed(encodings: Sequence[Encoding], entries: Sequence[_Entry], error: Exception) -> int:
    """Which encoding holds the window that failed with `error`."""
    owners = [index for index, encoding in enumerate(encodings) for _ in encoding.windows]
    done = [entry.future.done() and not entry.future.cancelled() for entry in entries]
    return next(
        owner
        for owner, entry, ready in zip(owners, entries, done, strict=True)
        if ready and entry.future.exception() is error
    )


def _gather(
    encodings: Sequence[Encoding], entries: Sequence[_Entry], rows: Sequence[Logits]
) -> list[Scored]:
    scored: list[Scored] = []
    start = 0
    for encoding in encodings:
        stop = start + len(encoding.windows)
        own = entries[start:stop]
        scored.append(
            Scored(
                np.stack(rows[start:stop]),
                queue_s=max(entry.started - entry.arrived for entry in own),
                inference_s=max(entry.finished - entry.started for entry in own),
            )
        )
        start = stop
    return scored
