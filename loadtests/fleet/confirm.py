"""Real servers behind a real HAProxy, beside the simulation of the same fleet.

The servers' model sleeps for the measured times, because eight workers do not fit on two cores.
Everything else is real: HTTP, tokenizing, admission, the proxy. `--scale` lengthens the times, so
that a busy machine delays less than it is compared with; deadlines are lengthened alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from contextlib import ExitStack
from typing import Any

from loadtests import results
from loadtests.bench import DEADLINE_HEADER
from loadtests.client import Target
from loadtests.driver import Load, arrivals, run_step
from loadtests.fleet.balancers import BALANCERS
from loadtests.fleet.haproxy import ALGORITHMS, haproxy
from loadtests.fleet.service import ServiceTimes, encoding, load
from loadtests.fleet.simulation import Fleet, capacity, run
from loadtests.own_server import started
from loadtests.scenarios import requests
from loadtests.texts import MadeTexts
from loadtests.watch import Watch

_WORKERS = 2
_WARM_UP_SHARE = 0.2


def confirm(asked: argparse.Namespace) -> dict[str, Any]:
    """Points of real and of simulated fleets, side by side."""
    times = ServiceTimes(load(), scale=asked.scale)
    each = capacity(times, workers=_WORKERS)
    points = []
    for replicas in asked.replicas:
        with ExitStack() as stack:
            command = ("-m", "loadtests.sleeping_server", "measured", str(asked.scale))
            servers = [
                stack.enter_context(started(*command, workers=_WORKERS)) for _ in range(replicas)
            ]
            urls = [one.url for one in servers]
            for share in asked.shares:
                for balancer in BALANCERS:
                    fleet = Fleet(
                        replicas,
                        balancer,
                        share,
                        each,
                        asked.seconds,
                        _WARM_UP_SHARE * asked.seconds,
                        deadline_s=asked.scale,
                        workers=_WORKERS,
                    )
                    with haproxy(urls, algorithm=ALGORITHMS[balancer]) as url:
                        real = asyncio.run(_real(url, fleet))
                    point = {"simulated": simulated(fleet, times), "real": real}
                    print(point, flush=True)
                    points.append(point)
    return {"machine": results.machine(), "scale": asked.scale, "points": points}


def simulated(fleet: Fleet, times: ServiceTimes) -> dict[str, Any]:
    """The same texts at the same times, in virtual time."""
    rate = fleet.share * fleet.capacity * fleet.replicas
    sent = requests("prompts", MadeTexts(fleet.seed), seed=fleet.seed)
    # Every word of a made text is one token.
    lengths = (len(json.loads(one.body)["prompt"].split()) for one in sent)
    due = arrivals(rate, fleet.seconds, random.Random(fleet.seed))
    plan = ((at, encoding(length)) for at, length in zip(due, lengths, strict=False))
    return run(fleet, times, plan).document(fleet)


async def _real(url: str, fleet: Fleet) -> dict[str, Any]:
    deadline = {DEADLINE_HEADER: str(round(1000 * fleet.deadline_s))}
    step = await run_step(
        Target(url, deadline),
        requests("prompts", MadeTexts(fleet.seed), seed=fleet.seed),
        Load(
            rate=fleet.share * fleet.capacity * fleet.replicas,
            measured_s=fleet.seconds - fleet.warm_up_s,
            warm_up_s=fleet.warm_up_s,
            deadline_s=fleet.deadline_s,
        ),
        seed=fleet.seed,
        watch=Watch(None),
    )
    total = sum(step.outcomes.values())
    return {
        "requests": total,
        "p50_ms": round(step.latency.at_ms(50.0), 1),
        "p99_ms": round(step.latency.at_ms(99.0), 1),
        "refused": round(step.outcomes["429"] / total, 5),
        "late": round(step.outcomes["504"] / total, 5),
        "other": {k: n for k, n in step.outcomes.items() if k not in ("200", "429", "504")},
        "generator_late_p99_ms": round(step.late.at_ms(99.0), 1),
    }
