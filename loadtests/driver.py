"""One step of a load test: Poisson arrivals at a fixed rate, whatever the server does.

Send times are drawn beforehand. Latency runs from the scheduled time to the last byte of the reply,
so a stall shows in every request due during it, whether that request is unsent, in flight or
waiting for a connection. A closed loop would send fewer requests and see one slow reply:
coordinated omission, after Tene.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from loadtests.client import UNANSWERED, Answer, Client, Target
from loadtests.latencies import Latencies
from loadtests.scenarios import Request
from loadtests.watch import Usage, Watch

OK = "200"


@dataclass(frozen=True)
class Load:
    """What a step sends. rate: requests per second. deadline_s: sent with each request; goodput
    counts replies within it. patience_s: how long to wait for replies after the last request.
    """

    rate: float
    measured_s: float
    warm_up_s: float = 0.0
    deadline_s: float = 10.0
    patience_s: float = 30.0
    max_connections: int = 1024


@dataclass
class Step:
    """Results of one step. Everything but `…_in_all` covers the measured time only."""

    load: Load
    scheduled: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    outcomes_in_all: Counter[str] = field(default_factory=Counter)
    """Outcomes including the warm-up; the server's own counters must show the same."""
    texts_in_all: int = 0
    replies: int = 0
    """200s that arrived within the measured time, whenever they were due: for throughput."""
    texts_judged: int = 0
    """Texts in `replies`."""
    texts_in_time: int = 0
    """Texts in the `replies` that arrived within their deadline."""
    texts_metered: int = 0
    """Texts in 200s that arrived after the warm-up while processor time was measured."""
    latency: Latencies = field(default_factory=Latencies)
    """Latency of 200s, from the scheduled time."""
    service: Latencies = field(default_factory=Latencies)
    """Latency of 200s from the actual send time, which a careless tool would report."""
    delay: Latencies = field(default_factory=Latencies)
    """Delay of every sent request behind its schedule, for any reason."""
    late: Latencies = field(default_factory=Latencies)
    """The part of `delay` that the generator caused; the rest is waiting for a connection. A large
    value here is not the server's fault, and its latency then cannot be measured.
    """
    usage: Usage = field(default_factory=Usage)
    generator_cpu_s: float = 0.0
    elapsed_s: float = 0.0
    peak_connections: int = 0
    peak_waiting: int = 0


@dataclass(slots=True)
class _Shot:
    at: float
    request: Request
    wire: bytes
    measured: bool
    late_s: float = 0.0
    answer: Answer | None = None


def arrivals(rate: float, until_s: float, rng: random.Random) -> Iterator[float]:
    """Times of a Poisson process of `rate` per second in [0, until_s)."""
    at = rng.expovariate(rate)
    while at < until_s:
        yield at
        at += rng.expovariate(rate)


async def run_step(
    target: Target, requests: Iterator[Request], load: Load, *, seed: int, watch: Watch
) -> Step:
    """Send the requests of one step and wait for its replies."""
    shots = _plan(target, requests, load, seed)
    client = Client(target, max_connections=load.max_connections)
    everything_came = asyncio.Event()
    missing = len(shots)

    def finish(shot: _Shot, answer: Answer) -> None:
        nonlocal missing
        shot.answer = answer
        missing -= 1
        if not missing:
            everything_came.set()

    began = time.perf_counter() + 0.05
    meter = _Meter(watch, began + load.warm_up_s)
    metering = asyncio.create_task(meter.run())
    try:
        for shot in shots:
            await _until(began + shot.at)
            shot.late_s = max(0.0, time.perf_counter() - (began + shot.at))
            client.send(shot.wire, lambda answer, shot=shot: finish(shot, answer))  # type: ignore[misc]
        rest = began + load.warm_up_s + load.measured_s - time.perf_counter()
        await asyncio.sleep(max(0.0, rest))
        if shots:
            await _patiently(everything_came, load.patience_s)
    finally:
        metering.cancel()
        await asyncio.gather(metering, return_exceptions=True)
        await client.close()
    step = _evaluate(shots, load, began)
    meter.finish(step)
    step.peak_connections, step.peak_waiting = client.peak_connections, client.peak_waiting
    return step


async def _until(due: float) -> None:
    """Returns never early and about a millisecond late at most: timers are no finer, and spinning
    would take time from the server. Even when late, the loop reads replies between two requests.
    """
    wait = due - time.perf_counter()
    await asyncio.sleep(0)
    while wait > 0.0:
        await asyncio.sleep(math.ceil(wait * 1000.0) / 1000.0)
        wait = due - time.perf_counter()


async def _patiently(event: asyncio.Event, patience_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), patience_s)
    except TimeoutError:
        return


def _plan(target: Target, requests: Iterator[Request], load: Load, seed: int) -> list[_Shot]:
    times = arrivals(load.rate, load.warm_up_s + load.measured_s, random.Random(seed))
    shots = []
    for at, request in zip(times, requests, strict=False):
        wire = target.post(request.path, request.body)
        shots.append(_Shot(at, request, wire, measured=at >= load.warm_up_s))
    return shots


def _evaluate(shots: list[_Shot], load: Load, began: float) -> Step:
    step = Step(load)
    for shot in shots:
        outcome = shot.answer.outcome if shot.answer else UNANSWERED
        step.outcomes_in_all[outcome] += 1
        if shot.answer is not None and outcome == OK:
            _count_reply(step, shot, shot.answer, began)
        if not shot.measured:
            continue
        step.scheduled += 1
        step.outcomes[outcome] += 1
        step.late.record(shot.late_s)
        if shot.answer is None:
            continue
        step.delay.record(max(0.0, shot.answer.sent - (began + shot.at)))
        if outcome == OK:
            step.latency.record(shot.answer.came - (began + shot.at))
            step.service.record(shot.answer.came - shot.answer.sent)
    return step


def _count_reply(step: Step, shot: _Shot, answer: Answer, began: float) -> None:
    load, texts = step.load, shot.request.texts
    came = answer.came - began
    step.texts_in_all += texts
    if came < load.warm_up_s:
        return
    step.texts_metered += texts
    if came < load.warm_up_s + load.measured_s:
        step.replies += 1
        step.texts_judged += texts
        if came - shot.at <= load.deadline_s:
            step.texts_in_time += texts


class _Meter:
    """Measures processor time and memory from the end of the warm-up."""

    def __init__(self, watch: Watch, starts_at: float) -> None:
        self._watch = watch
        self._starts_at = starts_at
        self._before: Usage | None = None
        self._own_before = 0.0
        self._started = 0.0
        self._peak_bytes = 0

    async def run(self) -> None:
        await asyncio.sleep(max(0.0, self._starts_at - time.perf_counter()))
        self._start()
        while True:
            await asyncio.sleep(1.0)
            self._peak_bytes = max(self._peak_bytes, self._watch.usage().memory_bytes)

    def _start(self) -> None:
        self._before = self._watch.usage()
        self._own_before = time.process_time()
        self._started = time.perf_counter()

    def finish(self, step: Step) -> None:
        if self._before is None:
            return
        step.elapsed_s = time.perf_counter() - self._started
        step.generator_cpu_s = time.process_time() - self._own_before
        now = self._watch.usage()
        step.usage = Usage(
            cpu_s=now.cpu_s - self._before.cpu_s,
            memory_bytes=now.memory_bytes,
            memory_before_bytes=self._before.memory_bytes,
            memory_peak_bytes=max(self._peak_bytes, now.memory_bytes),
        )
