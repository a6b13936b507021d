"""N replicas behind a load balancer, in virtual time. Each is the server's own `Batcher`.

So admission, order and batches are the server's. What is left out: HTTP, tokenizing, the proxy's
own time, and the second session that a text alone on a machine gets.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from postern.contract.errors import DeadlineExceeded, Overloaded
from postern.contract.windows import Encoding, Window
from postern.inference.batcher import Batcher, BatchLimits
from postern.inference.entries import Logits
from postern.metrics import Metrics

from loadtests.driver import arrivals
from loadtests.fleet.balancers import BALANCERS
from loadtests.fleet.service import BATCH_TOKENS, ServiceTimes, prompt
from loadtests.fleet.virtual import simulate
from loadtests.latencies import Latencies

_QUEUE_TOKENS: Final = 131_072  # the default of POSTERN_MAX_QUEUE_TOKENS
_CLOSED_CLIENTS: Final = 64
_CLOSED_TEXTS: Final = 3000


@dataclass(frozen=True)
class Fleet:
    """share: offered load as a share of `capacity`, in texts per second of one replica."""

    replicas: int
    balancer: str
    share: float
    capacity: float
    seconds: float
    warm_up_s: float
    deadline_s: float = 1.0
    workers: int = 2
    seed: int = 0


@dataclass
class Outcome:
    """What became of the requests that were due after the warm-up."""

    latency: Latencies = field(default_factory=Latencies)
    """Of answers."""
    counts: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)

    def document(self, fleet: Fleet) -> dict[str, Any]:
        total = sum(self.counts.values())
        return {
            "replicas": fleet.replicas,
            "balancer": fleet.balancer,
            "share": fleet.share,
            "simulated_s": round(fleet.seconds, 2),
            "requests": total,
            "p50_ms": round(self.latency.at_ms(50.0), 1),
            "p99_ms": round(self.latency.at_ms(99.0), 1),
            "refused": round(self.counts["refused"] / total, 5),
            "refused_tokens": round(self.tokens["refused"] / sum(self.tokens.values()), 5),
            "late": round(self.counts["late"] / total, 5),
        }


Plan = Iterable[tuple[float, Encoding]]
"""When which text comes."""


def run(fleet: Fleet, times: ServiceTimes, plan: Plan | None = None) -> Outcome:
    """One simulation. plan: without it, prompts of a Poisson process."""
    rng = random.Random(fleet.seed)
    given = _drawn(fleet, rng) if plan is None else plan
    return simulate(
        lambda: _open_loop(fleet, times, rng, given), lambda windows: times.draw(windows, rng)
    )


def _drawn(fleet: Fleet, rng: random.Random) -> Iterator[tuple[float, Encoding]]:
    texts = [prompt(rng) for _ in range(4096)]
    rate = fleet.share * fleet.capacity * fleet.replicas
    for at in arrivals(rate, fleet.seconds, rng):
        yield at, rng.choice(texts)


def capacity(times: ServiceTimes, *, workers: int = 2, seed: int = 0) -> float:
    """Texts per second of one replica whose queue is never empty and refuses nothing."""
    rng = random.Random(seed)
    return simulate(
        lambda: _closed_loop(times, workers, rng), lambda windows: times.draw(windows, rng)
    )


def _never(windows: Sequence[Window]) -> Logits:
    raise AssertionError("the loop answers in its place")


def _batcher(times: ServiceTimes, workers: int, metrics: Metrics) -> Batcher:
    clock = asyncio.get_running_loop().time
    return Batcher(
        _never,
        limits=BatchLimits(BATCH_TOKENS, _QUEUE_TOKENS, 4 * workers),
        workers=workers,
        metrics=metrics,
        clock=clock,
        cost=times.cost(),
    )


async def _open_loop(fleet: Fleet, times: ServiceTimes, rng: random.Random, plan: Plan) -> Outcome:
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
            outcome.counts[became] += 1
            outcome.tokens[became] += text.tokens
            if became == "answered":
                outcome.latency.record(loop.time() - due)

    for at, text in plan:
        await asyncio.sleep(at - loop.time())
        task = loop.create_task(ask(text))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    for one in replicas:
        await one.close()
    return outcome


async def _closed_loop(times: ServiceTimes, workers: int, rng: random.Random) -> float:
    loop = asyncio.get_running_loop()
    batcher = _batcher(times, workers, Metrics())
    batcher.start()
    left = _CLOSED_TEXTS

    async def client() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await batcher.submit([prompt(rng)], deadline=loop.time() + 1e6)

    await asyncio.gather(*(client() for _ in range(_CLOSED_CLIENTS)))
    taken = loop.time()
    await batcher.close()
    return _CLOSED_TEXTS / taken
