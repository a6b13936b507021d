"""The desk that every question to the teacher passes, which limits what a failure can cost.

It bounds the calls under way and the questions that wait, makes one call for equal texts, retries
at most once and rarely, and has a circuit breaker and a cap on questions. A question always ends in
an opinion: nothing here raises, hangs, or outlives the time that it was given.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, get_args

from postern.contract.exchange import Exchange
from postern.logs import LOGGER
from postern.metrics import Metrics
from postern.teacher.breaker import Breaker
from postern.teacher.opinion import ITS_OWN_FAULT, WORTH_A_RETRY, Asked, Opinion, Outcome, Teacher
from postern.teacher.shares import RetryBudget, SlidingShare

_BREAKER_STATES: Final = {"closed": 0.0, "half_open": 1.0, "open": 2.0}
_LONGEST_WAIT_S: Final = 3600.0  # for callers without a deadline
# A retry with less time than this would only fail again.
_LEAST_RETRY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class DeskRules:
    """timeout_s: of a question, its retry included. at_once: calls under way."""

    timeout_s: float
    at_once: int
    may_wait: int
    max_chars: int


@dataclass(slots=True, eq=False)
class _Flight:
    """One question and everyone who waits for its answer."""

    exchange: Exchange
    task: asyncio.Task[Opinion] | None = None
    waiters: int = 0
    asked: bool = False


class TeacherDesk:
    """Asks one teacher. Lives on one event loop."""

    def __init__(
        self,
        teacher: Teacher,
        *,
        rules: DeskRules,
        breaker: Breaker,
        cap: SlidingShare,
        retries: RetryBudget,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._teacher = teacher
        self._rules = rules
        self._breaker = breaker
        self._cap = cap
        self._retries = retries
        self._metrics = metrics
        self._clock = clock
        self._flights: dict[Exchange, _Flight] = {}
        self._slots = asyncio.Semaphore(rules.at_once)
        self._closed = False
        metrics.breaker_state.set_function(lambda: _BREAKER_STATES[breaker.state])
        metrics.teacher_questions.set_function(lambda: len(self._flights))
        for outcome in get_args(Asked):  # from 0 on, so that the first failure is a rise
            metrics.teacher_requests.labels(outcome)

    @property
    def described(self) -> dict[str, Any]:
        return self._teacher.described

    @property
    def languages(self) -> frozenset[str]:
        """Those that the teacher was measured for."""
        return self._teacher.languages

    @property
    def left_behind(self) -> bool:
        return self._teacher.left_behind

    @property
    def max_chars(self) -> int:
        """Largest exchange that the teacher reads, prompt and response together."""
        return self._rules.max_chars

    def start(self) -> None:
        self._teacher.start()

    async def close(self) -> None:
        """End the questions under way. Callers that wait for them still get an opinion."""
        self._closed = True
        tasks = [flight.task for flight in self._flights.values() if flight.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._teacher.close()

    def came(self, count: int) -> None:
        """Count exchanges that the student judged: the whole of which the cap is a share."""
        self._cap.come(count)

    async def ask(self, exchange: Exchange, *, deadline: float) -> Opinion:
        """The teacher's opinion, or why there is none, before `deadline` (absolute, clock).

        The call itself goes on when its askers leave, so that its end tells the breaker about the
        teacher, however little time callers give.
        """
        left_s = deadline - self._clock()
        if left_s <= 0.0:
            return Opinion("deadline")
        flight = self._flights.get(exchange)
        if flight is None:
            refused = self._refused(exchange, capped=True)
            if refused is not None:
                return Opinion(refused)
            flight = self._take_off(exchange)
        return await self._wait(flight, left_s)

    async def audit(self, exchange: Exchange) -> Opinion:
        """`ask` in the background, only if nobody waits for the teacher, and outside the cap."""
        refused = self._refused(exchange, capped=False)
        if refused is not None or self._flights or self._slots.locked():
            return Opinion(refused or "busy")
        flight = self._take_off(exchange)
        return await self._wait(flight, self._rules.timeout_s + 1.0)

    def _refused(self, exchange: Exchange, *, capped: bool) -> Outcome | None:
        if self._closed:
            return "shutting_down"
        if len(exchange.prompt) + len(exchange.response or "") > self._rules.max_chars:
            return "too_long"
        if self._breaker.refuses:
            return "breaker_open"
        if len(self._flights) >= self._rules.at_once + self._rules.may_wait:
            return "busy"
        # Last, because it counts: a question that is not asked takes nothing from the share.
        return "over_cap" if capped and not self._cap.take() else None

    def _take_off(self, exchange: Exchange) -> _Flight:
        flight = _Flight(exchange)
        self._flights[exchange] = flight
        flight.task = asyncio.create_task(self._fly(flight), name="teacher")
        flight.task.add_done_callback(lambda _: self._land(flight))
        return flight

    def _land(self, flight: _Flight) -> None:
        if self._flights.get(flight.exchange) is flight:
            del self._flights[flight.exchange]

    async def _wait(self, flight: _Flight, left_s: float) -> Opinion:
        task = flight.task
        assert task is not None  # noqa: S101 - for the type checker
        flight.waiters += 1
        try:
            await asyncio.wait({task}, timeout=min(left_s, _LONGEST_WAIT_S))
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.asked:
                # Nobody waits, and nothing was sent yet. A later asker starts anew.
                self._land(flight)
                task.cancel()
        if not task.done():
            return Opinion("deadline")
        return Opinion("shutting_down") if task.cancelled() else task.result()

    async def _fly(self, flight: _Flight) -> Opinion:
        async with self._slots:
            flight.asked = True
            self._retries.asked()
            until = self._clock() + self._rules.timeout_s
            opinion = await self._attempt(flight.exchange, until)
            if (
                opinion.outcome in WORTH_A_RETRY
                and until - self._clock() > _LEAST_RETRY_S
                and not self._breaker.refuses
                and self._retries.take()
            ):
                self._metrics.teacher_retries.inc()
                opinion = await self._attempt(flight.exchange, until)
            return opinion

    async def _attempt(self, exchange: Exchange, until: float) -> Opinion:
        """Make one call, unless the breaker has opened meanwhile; count it and tell the breaker."""
        ticket = self._breaker.admit()
        if ticket is None:
            return Opinion("breaker_open")
        try:
            opinion = await self._call(exchange, max(0.0, until - self._clock()))
        except BaseException:
            self._breaker.released(ticket)
            raise
        if opinion.outcome in ITS_OWN_FAULT:
            self._breaker.failed(ticket)
        else:
            self._breaker.succeeded(ticket)
        self._metrics.teacher_requests.labels(opinion.outcome).inc()
        return opinion

    async def _call(self, exchange: Exchange, timeout_s: float) -> Opinion:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._teacher.judge(exchange, timeout_s=timeout_s)
        except TimeoutError:
            return Opinion("timeout")
        except Exception:  # a bug of ours; a verdict is given all the same
            LOGGER.error("teacher defect", exc_info=True)
            return Opinion("failed")
