"""A replica in virtual time: the server's own `Batcher` without its event loop.

Admission, queue, order, batches, predictions, and what they learn are inherited. Replaced is only
who waits for whom: events of virtual time for tasks, futures and the executor, which take most of
the processor time of a simulation. `tests/loadtests/test_fleet.py` compares both.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, cast

from postern.contract.windows import Encoding, Window, padded_length
from postern.inference.batch_queue import Sums
from postern.inference.batcher import Batcher, BatchLimits
from postern.inference.entries import Entry, Logits
from postern.inference.running import Running
from postern.metrics import Metrics

from loadtests.fleet.events import Events
from loadtests.fleet.service import BATCH_TOKENS, WINDOW_TOKENS, ServiceTimes

QUEUE_TOKENS: Final = 131_072  # the default of POSTERN_MAX_QUEUE_TOKENS

Became = Literal["answered", "late"]
Told = Callable[[Became], None]


def limits(workers: int) -> BatchLimits:
    """Those of a server with the default settings."""
    return BatchLimits(BATCH_TOKENS, QUEUE_TOKENS, 4 * workers)


def never(windows: Sequence[Window]) -> Logits:
    """The model: events answer in its place."""
    raise AssertionError("the model was asked")


class _Slot:
    """What the batcher sees of a future. Its owner is told when it is done."""

    __slots__ = ("owner", "state")

    def __init__(self, owner: _Request) -> None:
        self.owner = owner
        self.state: Literal["open", "answered", "failed", "cancelled"] = "open"

    def done(self) -> bool:
        return self.state != "open"

    def cancelled(self) -> bool:
        return self.state == "cancelled"

    def cancel(self) -> None:
        self.state = "cancelled"

    def exception(self) -> None:
        return None

    def set_exception(self, error: Exception) -> None:
        """Only a deadline makes entries fail here."""
        self.state = "failed"
        self.owner.replica.failed.append(self.owner)


class _Request:
    """A request in the queue or in the model: `Batcher.submit` while it waits."""

    __slots__ = ("deadline", "entries", "over", "predicted_s", "replica", "seen", "started", "told")

    def __init__(
        self, replica: Replica, text: Encoding, deadline: float, predicted_s: float, told: Told
    ) -> None:
        self.replica, self.deadline, self.told = replica, deadline, told
        self.predicted_s, self.started = predicted_s, replica.events.now
        self.seen, self.over = 0, False
        self.entries = [
            Entry(
                window=window,
                future=cast(Any, _Slot(self)),
                deadline=deadline,
                arrived=self.started,
            )
            for window in text.windows
        ]

    def look(self) -> None:
        """At its windows in order, as `submit` awaits them."""
        while self.seen < len(self.entries):
            slot = cast(_Slot, self.entries[self.seen].future)
            if slot.state == "open":
                return
            if slot.state == "failed":
                self.end("late")
                return
            self.seen += 1
        self.end("answered")

    def end(self, became: Became) -> None:
        if self.over:
            return
        self.over = True
        self.replica.leave(self)
        self.told(became)


class Replica(Batcher):
    """A server. reserve_share: of a deadline, that its first look keeps; 0: it has none.

    handover_s: between the batches of a worker, beside the model's own time.
    """

    def __init__(
        self,
        times: ServiceTimes,
        events: Events,
        rng: random.Random,
        *,
        workers: int,
        metrics: Metrics,
        reserve_share: float = 0.0,
        handover_s: float = 0.0,
    ) -> None:
        super().__init__(
            never,
            limits=limits(workers),
            workers=workers,
            metrics=metrics,
            clock=events.clock,
            cost=copy.deepcopy(times.known),
        )
        self.events, self._times, self._rng = events, times, rng
        self._reserve_share, self._handover_s = reserve_share, handover_s
        self._idle = list(range(workers))
        self.failed: list[_Request] = []

    def offer(self, text: Encoding, deadline: float, told: Told) -> None:
        """`submit`, and the first look before it. Raises Overloaded."""
        if self._reserve_share and self.is_busy:
            reserve_s = self._reserve_share * (deadline - self.events.now)
            work = Sums(text.tokens, text.tokens * min(text.tokens, WINDOW_TOKENS))
            self.check_room(work, deadline=deadline - reserve_s, caller=0)
        predicted_s = self._admit(text.windows, deadline, 0)
        request = _Request(self, text, deadline, predicted_s, told)
        self._queue.add(request.entries, caller=0)
        self.events.at(deadline, lambda: request.end("late"))
        if self._idle:
            self.events.soon(self._wake)

    def leave(self, request: _Request) -> None:
        """Nothing of it stays queued, and its time is learnt from."""
        for entry in request.entries:
            self._abandon(entry)
        self._look_back(request.predicted_s, request.started, request.deadline)

    def _wake(self) -> None:
        idle, self._idle = self._idle, []
        for worker in idle:
            self._next(worker)

    def _next(self, worker: int) -> None:
        """A free worker takes a batch, or waits."""
        batch = self._take()
        if batch:
            longest = padded_length(max(entry.length for entry in batch))
            padded, started = len(batch) * longest, self.events.now
            predicted_s = self._models[0].cost.predict(
                batches=1, tokens=padded, squares=padded * longest
            )
            self._running[worker] = Running(started, predicted_s)
            for entry in batch:
                entry.started = started
            taken_s = self._times.draw([entry.window for entry in batch], self._rng)
            self.events.at(
                started + taken_s + self._handover_s,
                lambda: self._finish(worker, batch, longest, started),
            )
        else:
            self._idle.append(worker)
        failed, self.failed = self.failed, []
        for request in failed:
            request.look()

    def _finish(self, worker: int, batch: list[Entry], longest: int, started: float) -> None:
        now = self.events.now
        slots = [cast(_Slot, entry.future) for entry in batch]
        for entry, slot in zip(batch, slots, strict=True):
            entry.finished = now
            if slot.state == "open":
                slot.state = "answered"
        del self._running[worker]
        self._models[0].cost.observe(longest, len(batch), now - started)
        self._next(worker)
        for slot in slots:
            slot.owner.look()
