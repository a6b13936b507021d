"""N replicas behind a load balancer, in virtual time. Each is the server's own `Batcher`.

So admission, order and batches are the server's. What is left out: HTTP, tokenizing, the proxy's
own time, and the second session that a text alone on a machine gets.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from postern.contract.errors import Overloaded
from postern.contract.windows import Encoding
from postern.metrics import Metrics

from loadtests.driver import arrivals
from loadtests.fleet.balancers import BALANCERS
from loadtests.fleet.events import Events
from loadtests.fleet.replica import Became, Replica
from loadtests.fleet.service import ServiceTimes, prompt
from loadtests.latencies import Latencies

_CLOSED_CLIENTS: Final = 64
_CLOSED_TEXTS: Final = 3000
_NO_DEADLINE_S: Final = 1e6


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
    reserve_share: float = 0.0
    """Of a deadline: what a server's first look keeps when it refuses by the headers alone."""
    handover_s: float = 0.0
    """Between two batches of a worker, beside the model's own time."""


@dataclass
class Outcome:
    """What became of the requests that were due after the warm-up."""

    latency: Latencies = field(default_factory=Latencies)
    """Of answers."""
    counts: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)

    def count(self, became: str, text: Encoding, latency_s: float) -> None:
        self.counts[became] += 1
        self.tokens[became] += text.tokens
        if became == "answered":
            self.latency.record(latency_s)

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
    given = iter(_drawn(fleet, rng) if plan is None else plan)
    events, metrics = Events(), Metrics()
    replicas = [
        Replica(
            times,
            events,
            rng,
            workers=fleet.workers,
            metrics=metrics,
            reserve_share=fleet.reserve_share,
            handover_s=fleet.handover_s,
        )
        for _ in range(fleet.replicas)
    ]
    balancer = BALANCERS[fleet.balancer](fleet.replicas, rng)
    outcome = Outcome()

    def ask(text: Encoding) -> None:
        due = events.now
        replica = balancer.pick()

        def told(became: str) -> None:
            balancer.give_back(replica)
            if due >= fleet.warm_up_s:
                outcome.count(became, text, events.now - due)

        try:
            replicas[replica].offer(text, due + fleet.deadline_s, told)
        except Overloaded:
            told("refused")

    def expect() -> None:
        """The next request, drawn before the one that is due."""
        found = next(given, None)
        if found is not None:
            at, text = found

            def arrive() -> None:
                expect()
                ask(text)

            events.at(at, arrive)

    expect()
    events.run()
    return outcome


def _drawn(fleet: Fleet, rng: random.Random) -> Iterator[tuple[float, Encoding]]:
    texts = [prompt(rng) for _ in range(4096)]
    rate = fleet.share * fleet.capacity * fleet.replicas
    for at in arrivals(rate, fleet.seconds, rng):
        yield at, rng.choice(texts)


def capacity(times: ServiceTimes, *, workers: int = 2, seed: int = 0) -> float:
    """Texts per second of one replica whose queue is never empty and refuses nothing."""
    rng, events = random.Random(seed), Events()
    replica = Replica(times, events, rng, workers=workers, metrics=Metrics())
    left, ended = _CLOSED_TEXTS, 0.0

    def ask(_: Became) -> None:
        nonlocal left, ended
        ended = events.now
        if left > 0:
            left -= 1
            replica.offer(prompt(rng), events.now + _NO_DEADLINE_S, ask)

    for _ in range(_CLOSED_CLIENTS):
        ask("answered")
    events.run()
    return _CLOSED_TEXTS / ended
