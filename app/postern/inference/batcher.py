"""Entries -> batches -> futures. Work-conserving: a free worker takes waiting entries at once.

While the workers' threads compute, a few batches more wait for them, so that a thread goes on
without waiting for the event loop. Under a backlog that is a twentieth of all time and more.

Property tests hold these laws: no entry is lost, duplicated or answered with another's logits; a
failure answers only its own entry; an entry whose caller has left, or whose deadline has passed,
does not reach the model. `inference/batch_queue.py` decides the order.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from postern.contract.errors import (
    DeadlineExceeded,
    DeadlineUnreachable,
    ExchangeTooLong,
    InferenceFailed,
    NotReady,
    QueueFull,
)
from postern.contract.windows import Encoding, Window, padded_length
from postern.inference.batch_queue import BatchQueue, Sums
from postern.inference.cost_model import CostModel
from postern.inference.entries import (
    Entry,
    Logits,
    Model,
    RunWindows,
    Scored,
    blamed,
    fail,
    gather,
    run_guarded,
    trace,
)
from postern.inference.hindsight import Hindsight
from postern.inference.running import Running
from postern.metrics import Metrics

# Share of the first entry's remaining time that its batch may take.
_SHARE_OF_TIME_LEFT = 0.5
# More threads save time only for batches of at least this many padded tokens.
WORTH_ALL_THREADS: Final = 128
# A batch is handed out ahead of time only from a backlog of this many tokens. A smaller one would
# become a small batch, and later arrivals could not join it.
_WORTH_AHEAD: Final = 128
# Without a minimum, clients would retry too early.
_SHORTEST_RETRY_S = 0.05


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """tokens: padded tokens of one batch; queue_tokens: tokens that may wait; shares: see
    BatchQueue; ahead: batches for each worker that may wait for its thread."""

    max_batch_tokens: int
    max_queue_tokens: int
    shares: int = 1
    ahead: int = 0


class Batcher:
    """Owns the queue, `workers` threads, and for each of them a task and `ahead` more. Lives on one
    event loop.

    run: called in a thread with the windows of a batch; returns (n, columns) numbers in their
    order, the two logits first. If it raises, returns garbage or never returns, the waiting
    requests still get an answer.
    """

    def __init__(
        self,
        run: RunWindows,
        *,
        run_alone: RunWindows | None = None,
        limits: BatchLimits,
        workers: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        cost: CostModel | None = None,
        on_work: Callable[[bool], None] | None = None,
        columns: int = 2,
        further: Sequence[Model] = (),
    ) -> None:
        """further: the other students, in the order of `Encoding.student`, from 1 on; `run`, `cost`
        and `columns` are those of student 0. run_alone: like `run`, with the threads of all
        workers, for a batch that has no other beside or behind it. on_work: called on the event
        loop when work arrives and when none is left."""
        self._on_work = on_work or _nobody_cares
        self._limits = limits
        self._n_workers = workers
        self._metrics = metrics
        self._clock = clock
        self._queue: BatchQueue[Entry] = BatchQueue(
            max_batch_tokens=limits.max_batch_tokens, shares=limits.shares
        )
        self._running: dict[int, Running] = {}  # by task
        self._idle_tasks: list[asyncio.Future[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._executor: ThreadPoolExecutor | None = None
        self._closed = False
        self._models = (Model(run, run_alone or run, cost or CostModel(), columns), *further)
        self._hindsight = Hindsight()
        self.last_success = -math.inf
        self.left_behind = False
        """Closed while a thread was inside the model, which may never return."""
        metrics.watch_queue(self._waiting_tokens, self._oldest_s)

    def start(self) -> None:
        """Start the workers. Must be called on the event loop."""
        self._executor = ThreadPoolExecutor(self._n_workers, thread_name_prefix="inference")
        self._tasks = [
            asyncio.create_task(self._work(number), name=f"batcher-{number}")
            for number in range(self._n_workers * (1 + self._limits.ahead))
        ]

    async def close(self) -> None:
        """Answer waiting entries with NotReady, and stop. A thread that hangs is left behind."""
        self._closed = True
        for entry in list(self._queue):
            self._queue.remove(entry)
            fail(entry, NotReady("the server is shutting down"))
        self.left_behind = bool(self._running)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._executor is not None:
            self._executor.shutdown(wait=not self.left_behind, cancel_futures=True)

    @property
    def is_busy(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self._queue.tokens or self._running)

    def stalled_s(self) -> float:
        """Seconds that the longest running batch has taken so far; 0 if none runs."""
        now = self._clock()
        started = [one.started for one in self._running.values() if one.started is not None]
        return max((now - one for one in started), default=0.0)

    async def submit(
        self, encodings: Sequence[Encoding], *, deadline: float, caller: int = 0
    ) -> list[Scored]:
        """Score all windows of all encodings. They are accepted or refused as a whole.

        deadline: absolute, on the clock. caller: the owner of the work; callers share fairly.
        Raises ExchangeTooLong, QueueFull, DeadlineUnreachable, DeadlineExceeded, InferenceFailed,
        NotReady. After any exception, cancellation included, nothing stays queued.
        """
        windows = [window for encoding in encodings for window in encoding.windows]
        predicted_s = self._admit(windows, deadline, caller)
        loop = asyncio.get_running_loop()
        now = self._clock()
        entries = [
            Entry(
                window=window,
                future=loop.create_future(),
                deadline=deadline,
                arrived=now,
                student=encoding.student,
            )
            for encoding in encodings
            for window in encoding.windows
        ]
        self._queue.add(entries, caller=caller)
        self._on_work(True)
        self._wake_one()
        try:
            async with asyncio.timeout(max(0.0, deadline - now)):
                rows = [await entry.future for entry in entries]
        except TimeoutError:
            raise DeadlineExceeded from None
        except InferenceFailed as exc:
            if len(encodings) > 1:
                exc.index = blamed(encodings, entries, exc)
            raise
        finally:
            for entry in entries:
                self._abandon(entry)
            self._look_back(predicted_s, now, deadline)
            trace(entries, now=self._clock())
        return gather(encodings, entries, rows)

    def _admit(self, windows: Sequence[Window], deadline: float, caller: int) -> float:
        """Predicted seconds. Refuses at once work that cannot be accepted or finished in time."""
        if self._closed:
            raise NotReady("the server is shutting down")
        tokens = sum(window.length for window in windows)
        if tokens > self._limits.max_queue_tokens:  # could never be accepted
            raise ExchangeTooLong(what="tokens in all", limit=self._limits.max_queue_tokens)
        work = Sums(tokens, sum(window.length**2 for window in windows))
        return self.check_room(work, deadline=deadline, caller=caller)

    def check_room(self, work: Sums, *, deadline: float, caller: int) -> float:
        """Predicted seconds for this much additional work, from the cost model alone.

        Raises QueueFull, or DeadlineUnreachable if it would take too long, considering how late
        earlier requests were.
        """
        waiting = self._waiting_tokens()
        over = waiting + work.tokens - self._limits.max_queue_tokens
        if over > 0:
            free_s = self._seconds(Sums(over, over * work.squares // work.tokens))
            raise QueueFull(waiting_tokens=waiting, retry_after_s=max(_SHORTEST_RETRY_S, free_s))
        ahead = self._queue.ahead_of(work.tokens, caller=caller)
        ahead.tokens += work.tokens
        ahead.squares += work.squares
        predicted_s = self._seconds(ahead) + self._running_s() / self._n_workers
        likely_s = predicted_s * self._hindsight.factor
        late_s = likely_s - (deadline - self._clock())
        # An idle server tries any request: the prediction may come from an outlier, and only new
        # work can correct it.
        if late_s > 0.0 and self.is_busy:
            raise DeadlineUnreachable(
                predicted_s=likely_s, retry_after_s=max(_SHORTEST_RETRY_S, late_s)
            )
        return predicted_s

    def _look_back(self, predicted_s: float, started: float, deadline: float) -> None:
        now = self._clock()
        self._hindsight.observe(
            predicted_s=predicted_s, actual_s=now - started, available_s=deadline - started
        )

    def _seconds(self, work: Sums) -> float:
        """Time until all workers together have done this much work."""
        batches = math.ceil(work.tokens / self._limits.max_batch_tokens)
        # The first student's cost stands for all; hindsight corrects what others add.
        alone = self._models[0].cost.predict(
            batches=batches, tokens=work.tokens, squares=work.squares
        )
        return alone / min(self._n_workers, batches)

    def _running_s(self) -> float:
        """Time that the batches handed out still need, one after the other."""
        now = self._clock()
        return sum(one.left_s(now) for one in self._running.values())

    def _wake_one(self) -> None:
        """Wake a task to look at the queue. It wakes the next one if it leaves something there."""
        if self._idle_tasks:
            waiting = self._idle_tasks.pop()
            if not waiting.done():
                waiting.set_result(None)

    async def _work(self, number: int) -> None:
        while True:
            batch = self._take() if self._may_take() else []
            if not batch:
                if not self._running:
                    self._on_work(False)
                self._idle_tasks.append(asyncio.get_running_loop().create_future())
                await self._idle_tasks[-1]
                continue
            if self._queue.tokens:
                self._wake_one()
            model = self._models[batch[0].student]
            longest = padded_length(max(entry.length for entry in batch))
            padded = len(batch) * longest
            alone = (
                model.run_alone is not model.run
                and padded >= WORTH_ALL_THREADS
                and not self._running
                and not self._queue.tokens
            )
            waits = len(self._running) >= self._n_workers
            running = self._running[number] = Running(
                None if waits else self._clock(),
                model.cost.predict(batches=1, tokens=padded, squares=padded * longest),
                batch,
            )
            try:
                succeeded = await self._answer(batch, running, model.run_alone if alone else None)
            finally:
                del self._running[number]
            # The time of a batch with all workers' threads says nothing about one with its own.
            if succeeded and not alone and running.started is not None:
                model.cost.observe(longest, len(batch), self._ended(running) - running.started)
            if succeeded:
                self._metrics.count_batch([entry.length for entry in batch], padded)

    def _may_take(self) -> bool:
        """Whether a thread is free, or so much waits that a batch may wait for one."""
        return len(self._running) < self._n_workers or self._queue.tokens >= _WORTH_AHEAD

    async def _answer(
        self, batch: list[Entry], running: Running, run: RunWindows | None = None
    ) -> bool:
        """Answer the entries of a batch. Returns whether one run of the model answered them all."""
        try:
            logits = await self._infer(batch, running, run or self._models[batch[0].student].run)
        except Exception as exc:  # the model may raise anything; the worker lives
            if len(batch) == 1:
                self._metrics.inference_failures.inc()
                fail(batch[0], InferenceFailed(type(exc.__cause__ or exc).__name__))
                return False
            # A failing entry answers only for itself: its batch-mates run again without it.
            for entry in batch:
                if entry.deadline <= self._clock():
                    fail(entry, DeadlineExceeded())
                if not entry.future.done():
                    await self._answer([entry], Running(running.started, running.predicted_s))
            return False
        finished = self._ended(running)
        for entry in running.left_out:
            fail(entry, DeadlineExceeded())
        if len(running.left_out) < len(batch):
            self.last_success = finished
        for entry, row in zip(batch, logits, strict=True):
            entry.finished = finished
            if not np.isfinite(row).all():
                self._metrics.inference_failures.inc()
                fail(entry, InferenceFailed("the model gave numbers that are not finite"))
            elif not entry.future.done():
                entry.future.set_result(row)
        return not running.left_out

    async def _infer(self, batch: list[Entry], running: Running, run: RunWindows) -> Logits:
        if running.started is not None:
            for entry in batch:
                entry.started = running.started
        in_thread = functools.partial(
            running.run,
            run=run,
            columns=self._models[batch[0].student].columns,
            clock=self._clock,
            is_hopeless=self._is_hopeless,
        )
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, run_guarded, in_thread, batch)

    def _ended(self, running: Running) -> float:
        return self._clock() if running.ended is None else running.ended

    def _take(self) -> list[Entry]:
        """The next batch. Entries that expired while waiting are answered on the way."""
        now = self._clock()
        batch, expired = self._queue.take(
            drop=lambda entry: self._is_hopeless(entry, now),
            idle_workers=max(1, self._n_workers - len(self._running)),
            room=lambda entry: self._tokens_in(_SHARE_OF_TIME_LEFT * (entry.deadline - now), entry),
        )
        for entry in expired:
            fail(entry, DeadlineExceeded())
        return batch

    def _is_hopeless(self, entry: Entry, now: float) -> bool:
        """Whether its deadline has passed, or would pass in the model although it came in time."""
        left_s = entry.deadline - now
        if left_s <= 0.0:
            return True
        tokens = padded_length(entry.length)
        cost = self._models[entry.student].cost
        alone_s = cost.predict(batches=1, tokens=tokens, squares=tokens**2)
        # Only an idle server accepts a request that is short of time from the start. It is tried.
        return left_s < alone_s <= entry.deadline - entry.arrived

    def _tokens_in(self, seconds: float, entry: Entry) -> int:
        """Approximate tokens that one batch of windows like this one processes in that time."""
        base_s, per_token_s, per_square_s = self._models[entry.student].cost.coefficients()
        each_s = per_token_s + per_square_s * entry.length
        if each_s <= 0.0:
            return self._limits.max_batch_tokens
        # Without a deadline the time is infinite, which no int can represent.
        return int(min(self._limits.max_batch_tokens, max(0.0, seconds - base_s) / each_s))

    def _abandon(self, entry: Entry) -> None:
        self._queue.remove(entry)
        if not entry.future.done():
            entry.future.cancel()
        elif not entry.future.cancelled():
            entry.future.exception()  # read, so that a sibling's failure is not logged as lost

    def _handed_out(self) -> Iterator[Entry]:
        """Entries of batches that wait for a thread."""
        return (entry for one in self._running.values() for entry in one.waiting())

    def _waiting_tokens(self) -> int:
        return self._queue.tokens + sum(entry.length for entry in self._handed_out())

    def _oldest_s(self) -> float:
        waiting = itertools.chain(self._queue, self._handed_out())
        return max(0.0, self._clock() - min((one.arrived for one in waiting), default=math.inf))


def _nobody_cares(works: bool) -> None:
    pass
