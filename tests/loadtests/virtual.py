"""The server's `Batcher` itself in virtual time, to compare the simulation of fleets with.

The clock of its event loop jumps to the next event. Everything of asyncio works on it, deadlines
included. What the batcher would run in a thread takes the time that a model of service times says.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import numpy as np
from postern.contract.errors import DeadlineExceeded, Overloaded
from postern.contract.windows import Encoding, Window
from postern.inference.batcher import Batcher
from postern.metrics import Metrics

from loadtests.fleet.balancers import BALANCERS
from loadtests.fleet.replica import limits, never
from loadtests.fleet.service import ServiceTimes
from loadtests.fleet.simulation import Fleet, Outcome, Plan

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
        """As the batcher calls it: `run_guarded(run, batch)`."""
        windows = [entry.window for entry in arguments[1]]
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


async def open_loop(fleet: Fleet, times: ServiceTimes, rng: random.Random, plan: Plan) -> Outcome:
    """What `simulation.run` says, by the server's `Batcher` as it is."""
    loop = asyncio.get_running_loop()
    metrics = Metrics()
    replicas = [_batcher(times, fleet.workers, metrics) for _ in range(fleet.replicas)]
    for one in replicas:
        one.start()
    balancer = BALANCERS[fleet.balancer](fleet.replicas, rng)
    outcome = Outcome()
    tasks: set[asyncio.Task[None]] = set()

    async def ask(text: Encoding) -> None:
        due = loop.time()
        replica = balancer.pick()
        try:
            await replicas[replica].submit([text], deadline=due + fleet.deadline_s)
            became = "answered"
        except Overloaded:
            became = "refused"
        except DeadlineExceeded:
            became = "late"
        finally:
            balancer.give_back(replica)
        if due >= fleet.warm_up_s:
            outcome.count(became, text, loop.time() - due)

    for at, text in plan:
        await asyncio.sleep(at - loop.time())
        task = loop.create_task(ask(text))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    for one in replicas:
        await one.close()
    return outcome


def _batcher(times: ServiceTimes, workers: int, metrics: Metrics) -> Batcher:
    return Batcher(
        never,
        limits=limits(workers),
        workers=workers,
        metrics=metrics,
        clock=asyncio.get_running_loop().time,
        cost=times.cost(),
    )
