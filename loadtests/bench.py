"""Measures points on one server: the results at a rate or with a number of clients."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import uvloop

from loadtests import closed_loop, results
from loadtests.client import Client, Target
from loadtests.driver import Load, Step, run_step
from loadtests.scenarios import Request
from loadtests.search import highest_rate
from loadtests.server_counts import ServerCounts, read_counts, settled_differences
from loadtests.watch import Watch, wait_until_idle

_IDLE_PATIENCE_S = 60.0
DEADLINE_HEADER = "X-Request-Timeout-Ms"

T = TypeVar("T")
Json = dict[str, Any]
Say = Callable[[str], None]


@dataclass
class Bench:
    """A server, the requests for it, and the measuring time. limit_s: for the 99th percentile."""

    target: Target
    requests: Iterator[Request]
    load: Load
    limit_s: float
    seeds: Sequence[int]
    watch: Watch
    say: Say = print
    points: list[Json] = field(default_factory=list)

    def at_rate(self, rate: float) -> Json:
        """One point, from one step for each seed."""
        load = replace(self.load, rate=rate)

        async def step(seed: int) -> Step:
            return await run_step(self.target, self.requests, load, seed=seed, watch=self.watch)

        return self._point(step)

    def with_clients(self, clients: int) -> Json:
        """A point of a closed loop: each client asks again as soon as it gets its answer."""

        async def step(_: int) -> Step:
            return await closed_loop.run_step(
                self.target, self.requests, self.load, clients=clients, watch=self.watch
            )

        return self._point(step, clients=clients)

    def capacity(
        self,
        *,
        start: float,
        overload: Sequence[float],
        precision: float,
        lowest_share: float = 1 / 16,
    ) -> Json:
        """The highest rate within the limit, and the throughput that remains at multiples of it.

        lowest_share: lowest rate to try, as a share of `start`; if that fails, the rate is None.
        """
        rate, _ = highest_rate(
            self.at_rate,
            results.passes,
            start=start,
            precision=precision,
            lowest=start * lowest_share,
        )
        peak = max((point["goodput_texts_per_s"] for point in self.points), default=0.0)
        found: Json = {
            "rate_rps": None if rate is None else round(rate, 3),
            "limit_ms": self.limit_s * 1000.0,
            "precision": precision,
            "overload": [],
        }
        if rate is None:
            return found
        overloaded = [(times, self.at_rate(rate * times)) for times in overload]
        peak = max([peak, *(point["goodput_texts_per_s"] for _, point in overloaded)])
        found["peak_goodput_texts_per_s"] = peak
        found["overload"] = [_overload(times, point, peak) for times, point in overloaded]
        return found

    def _point(self, step: Callable[[int], Awaitable[Step]], *, clients: int | None = None) -> Json:
        steps, found = [], []
        for seed in self.seeds:
            wait_until_idle(self.watch, patience_s=_IDLE_PATIENCE_S)
            one, differences = run(self._checked(step, seed))
            steps.append(one)
            found.append(differences)
        checked = [one for one in found if one is not None]
        measured = results.point(
            steps,
            limit_s=self.limit_s,
            differences=checked if len(checked) == len(found) else None,
            clients=clients,
        )
        self.points.append(measured)
        self.say(results.line(measured))
        return measured

    async def _checked(
        self, step: Callable[[int], Awaitable[Step]], seed: int
    ) -> tuple[Step, Json | None]:
        """A step, and how its counts differ from the server's own counters."""
        client = Client(self.target, max_connections=1)
        try:
            before: ServerCounts | None = await read_counts(client)
            done = await step(seed)
            if before is None:
                return done, None
            return done, await settled_differences(
                client, done.outcomes_in_all, done.texts_in_all, before
            )
        finally:
            await client.close()


def server_info(target: Target) -> Json | None:
    """Model and server version from `/info`; None if the server is not Postern."""

    async def ask() -> Json | None:
        client = Client(target, max_connections=1)
        try:
            answer = await client.ask(target.get("/info"))
        finally:
            await client.close()
        if answer.outcome != "200":
            return None
        info: Json = json.loads(answer.body)
        return {"model": info.get("model"), "version": info.get("server_version")}

    try:
        return run(ask())
    except ValueError:
        return None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def shuffled_seeds(first: int, count: int) -> list[int]:
    return random.Random(first).sample(range(1 << 30), count)


def _overload(times: float, point: Json, peak: float) -> Json:
    latency = point["latency_ms"]
    return {
        "times_capacity": times,
        "offered_rps": point["offered_rps"],
        "goodput_of_peak": round(point["goodput_texts_per_s"] / peak, 4) if peak else None,
        "p99_ms_of_accepted": latency["p99"] if latency else None,
        "deadline_ms": point["deadline_ms"],
    }
