"""An exact-match cache of the student's scores. Equal texts are computed only once at a time.

It keeps scores, not verdicts: operating points, thresholds and the teacher are applied anew to each
request. Keys are HMACs under a secret that never leaves the process. They differ between callers,
so that no caller learns from response times what another has sent.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from postern.contract.errors import (
    DeadlineExceeded,
    ExchangeTooLong,
    InferenceFailed,
    InvalidExchange,
    PosternError,
)
from postern.contract.exchange import Exchange
from postern.metrics import Metrics

Value = TypeVar("Value")
Compute = Callable[[Sequence[int]], Awaitable[Sequence[Value]]]
"""Values of the requested places, in order. It raises for all of them or for none."""


@dataclass(eq=False)
class _Flight(Generic[Value]):
    """A computation that several requests may wait for.

    It is cancelled when none waits any more.
    """

    keys: Sequence[bytes]
    task: asyncio.Task[Sequence[Value]]
    waiters: int = 0


@dataclass
class _Plan(Generic[Value]):
    """Where the value for each key of a request comes from. own: places that this request
    computes."""

    values: dict[bytes, Value] = field(default_factory=dict)
    joined: dict[bytes, _Flight[Value]] = field(default_factory=dict)
    own: list[int] = field(default_factory=list)


# Errors of an exchange, not of the server.
_OF_ONE: Final = (InvalidExchange, ExchangeTooLong, InferenceFailed)


class ScoreCache(Generic[Value]):
    """Keeps at most `entries` values and evicts the least recently used. For one event loop."""

    def __init__(
        self,
        *,
        entries: int,
        artifact_sha256: str,
        metrics: Metrics,
        kept: Callable[[Value], Value] = lambda value: value,
    ) -> None:
        """kept: extracts the part of a value that is worth its memory."""
        self._limit = entries
        self._kept_part = kept
        self._secret = secrets.token_bytes(32)
        self._artifact = artifact_sha256.encode()
        self._kept: OrderedDict[bytes, Value] = OrderedDict()
        self._flights: dict[bytes, _Flight[Value]] = {}
        self._lookups = metrics.cache_lookups

    def __len__(self) -> int:
        return len(self._kept)

    def key(self, exchange: Exchange, *, caller: int) -> bytes:
        """Key from the text as it came, the artifact and the caller."""
        parts = [exchange.prompt, *([] if exchange.response is None else [exchange.response])]
        texts = [part.encode("utf-8", "surrogatepass") for part in parts]
        # Lengths come first, so that moving text from one part to the next changes the key.
        frame = f"{caller}:{','.join(str(len(text)) for text in texts)}:".encode()
        return hmac.digest(self._secret, b"".join((self._artifact, frame, *texts)), "sha256")

    async def scores(
        self, keys: Sequence[bytes], compute: Compute[Value], *, timeout_s: float
    ) -> list[Value]:
        """A value for each key: cached, shared with another request, or computed now.

        Failures are not cached: a failure reaches the request that computed, and the requests that
        had joined it compute on their own. If a request leaves, its computation is cancelled only
        if nobody else waits for it. Raises what `compute` raises, with the place in `keys`;
        DeadlineExceeded.
        """
        plan = self._plan(keys)
        own = self._start(keys, plan.own, compute) if plan.own else None
        flights = {*plan.joined.values(), *([own] if own else [])}
        if flights:
            await self._wait(flights, timeout_s)
        if own is not None:
            _index_errors(own.task, plan.own, len(keys))
            plan.values.update(zip(own.keys, own.task.result(), strict=True))
        for key, flight in plan.joined.items():
            if not flight.task.cancelled() and flight.task.exception() is None:
                plan.values[key] = flight.task.result()[flight.keys.index(key)]
        again = [i for i, key in enumerate(keys) if key not in plan.values]
        if again:
            alone = self._task(again, compute)
            await self._wait({_Flight((), alone)}, timeout_s)
            _index_errors(alone, again, len(keys))
            plan.values.update(zip([keys[i] for i in again], alone.result(), strict=True))
        for key, value in plan.values.items():
            self._keep(key, value)
        return [plan.values[key] for key in keys]

    def _plan(self, keys: Sequence[bytes]) -> _Plan[Value]:
        plan: _Plan[Value] = _Plan()
        mine: set[bytes] = set()
        for index, key in enumerate(keys):
            if key in self._kept:
                outcome = "hit"
                plan.values[key] = self._kept[key]
            elif key in self._flights or key in mine:
                outcome = "joined"
                if key in self._flights:
                    plan.joined[key] = self._flights[key]
            else:
                outcome = "miss"
                mine.add(key)
                plan.own.append(index)
            self._lookups.labels(outcome).inc()
        return plan

    def _start(
        self, keys: Sequence[bytes], places: Sequence[int], compute: Compute[Value]
    ) -> _Flight[Value]:
        flight = _Flight([keys[index] for index in places], self._task(places, compute))
        for key in flight.keys:
            self._flights[key] = flight
        flight.task.add_done_callback(lambda _: self._land(flight))
        return flight

    def _task(
        self, places: Sequence[int], compute: Compute[Value]
    ) -> asyncio.Task[Sequence[Value]]:
        async def work() -> Sequence[Value]:
            return await compute(places)

        return asyncio.create_task(work(), name="scores")

    async def _wait(self, flights: set[_Flight[Value]], timeout_s: float) -> None:
        for flight in flights:
            flight.waiters += 1
        try:
            tasks = {flight.task for flight in flights}
            _, late = await asyncio.wait(tasks, timeout=max(0.0, timeout_s))
            if late:
                raise DeadlineExceeded
        finally:
            for flight in flights:
                flight.waiters -= 1
                if not flight.waiters and not flight.task.done():
                    flight.task.cancel()
                    self._land(flight)

    def _land(self, flight: _Flight[Value]) -> None:
        for key in flight.keys:
            if self._flights.get(key) is flight:
                del self._flights[key]
        if flight.task.done() and not flight.task.cancelled():
            flight.task.exception()  # read, so that an abandoned failure is not logged as lost

    def _keep(self, key: bytes, value: Value) -> None:
        if key not in self._kept:
            self._kept[key] = self._kept_part(value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)


def _index_errors(task: asyncio.Task[Sequence[Value]], places: Sequence[int], count: int) -> None:
    """Make a failure give its index in the whole request, not among the computed places."""
    error = task.exception()
    if isinstance(error, PosternError) and count > 1:
        if error.index is not None:
            error.index = places[error.index]
        elif len(places) == 1 and isinstance(error, _OF_ONE):
            error.index = places[0]
