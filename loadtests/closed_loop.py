"""Measures throughput with a fixed number of clients, each asking again when it gets its answer.

A closed loop slows down with the server, so its latencies hide stalls; `driver.py` measures them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from loadtests.client import Client, Target
from loadtests.driver import OK, Load, Step
from loadtests.scenarios import Request
from loadtests.watch import Usage, Watch


async def run_step(
    target: Target, requests: Iterator[Request], load: Load, *, clients: int, watch: Watch
) -> Step:
    """Runs for the warm-up and the measured time; counts requests whose reply arrives within it."""
    step = Step(load)
    # A hung request keeps its connection; its client continues on another.
    client = Client(target, max_connections=max(clients, load.max_connections))
    starts = time.perf_counter() + load.warm_up_s
    ends = starts + load.measured_s

    async def ask_again() -> None:
        while time.perf_counter() < ends:
            request = next(requests)
            wire = target.post(request.path, request.body)
            answer = await client.ask_patiently(wire, patience_s=load.deadline_s + load.patience_s)
            step.outcomes_in_all[answer.outcome] += 1
            if answer.outcome == OK:
                step.texts_in_all += request.texts
            else:
                await asyncio.sleep(0.01)  # avoids a storm of requests that are refused at once
            if answer.came >= starts and answer.outcome == OK:
                step.texts_metered += request.texts
            if not starts <= answer.came < ends:
                continue
            step.scheduled += 1
            step.outcomes[answer.outcome] += 1
            if answer.outcome == OK:
                _record(step, answer.came - answer.sent, request.texts)

    async def meter() -> tuple[Usage, float]:
        await asyncio.sleep(load.warm_up_s)
        return watch.usage(), time.process_time()

    try:
        _, (before, own_before) = await asyncio.gather(
            asyncio.gather(*(ask_again() for _ in range(clients))), meter()
        )
    finally:
        await client.close()
    after = watch.usage()
    step.usage = Usage(
        cpu_s=after.cpu_s - before.cpu_s,
        memory_bytes=after.memory_bytes,
        memory_before_bytes=before.memory_bytes,
        memory_peak_bytes=after.memory_bytes,
    )
    step.generator_cpu_s = time.process_time() - own_before
    step.elapsed_s = time.perf_counter() - starts
    step.peak_connections = client.peak_connections
    return step


def _record(step: Step, took_s: float, texts: int) -> None:
    step.latency.record(took_s)
    step.service.record(took_s)
    step.replies += 1
    step.texts_judged += texts
    if took_s <= step.load.deadline_s:
        step.texts_in_time += texts
