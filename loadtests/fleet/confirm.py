"""Real servers behind a real HAProxy, beside the simulation of the same fleet.

The servers' model sleeps for the measured times, because eight workers do not fit on two cores.
Everything else is real: HTTP, tokenizing, admission, the proxy. `--scale` lengthens the times, so
that a busy machine delays less than it is compared with; deadlines are lengthened alike.

With `--model real` nothing sleeps. Each server has one worker, and the simulation gets the times
that as many sessions take side by side on this machine. Servers, proxy and generator share the
cores, so only loads that leave room for them can be confirmed.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from postern.server.first_look import RESERVE

from loadtests import results
from loadtests.bench import DEADLINE_HEADER
from loadtests.client import Target
from loadtests.driver import Load, arrivals, run_step
from loadtests.fleet.balancers import BALANCERS
from loadtests.fleet.handover import mean_handover_s, read_notes
from loadtests.fleet.haproxy import ALGORITHMS, haproxy
from loadtests.fleet.service import ServiceTimes, encoding, load, measure_side_by_side
from loadtests.fleet.simulation import Fleet, capacity, run
from loadtests.own_server import started
from loadtests.scenarios import requests
from loadtests.texts import MadeTexts
from loadtests.watch import Watch

_WORKERS: Final = 2
_WARM_UP_SHARE: Final = 0.2
_SATURATES: Final = 1.5


def confirm(asked: argparse.Namespace) -> dict[str, Any]:
    """Points of real and of simulated fleets, side by side. Raises ValueError if `--model real` is
    to have another scale than 1.

    Before the points of a size, its servers get more than they can do. What they then take between
    two batches is what the simulation gets as `handover_s`.
    """
    if asked.model == "real" and asked.scale != 1.0:
        raise ValueError("a real model takes as long as it takes: its scale is 1")
    awake = asked.model == "real"
    workers = 1 if awake else _WORKERS
    points: list[dict[str, Any]] = []
    handovers: dict[int, float] = {}
    capacities: dict[int, float] = {}
    for replicas in asked.replicas:
        batches = measure_side_by_side(replicas) if awake else load()
        times = ServiceTimes(batches, scale=asked.scale)
        capacities[replicas] = each = round(capacity(times, workers=workers), 3)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            notes = [folder / f"{number}.txt" for number in range(replicas)]
            named = "real" if awake else "measured"
            command = ("-m", "loadtests.sleeping_server", named, str(asked.scale))
            settings = {"workers": workers, "intra_op_threads": 1, "engine": "onnxruntime"}
            servers = [
                stack.enter_context(started(*command, str(one), **settings)) for one in notes
            ]
            urls = [one.url for one in servers]
            plain = Fleet(
                replicas,
                "least connections",
                _SATURATES,
                each,
                asked.seconds,
                _WARM_UP_SHARE * asked.seconds,
                deadline_s=asked.scale,
                workers=workers,
                reserve_share=RESERVE,
            )
            handover_s = _handover_s(plain, urls, notes)
            handovers[replicas] = round(handover_s, 5)
            print(f"{replicas} replicas: {handover_s:.4f} s between two batches", flush=True)
            for share, balancer in itertools.product(asked.shares, BALANCERS):
                fleet = dataclasses.replace(
                    plain, share=share, balancer=balancer, handover_s=handover_s
                )
                with haproxy(urls, algorithm=ALGORITHMS[balancer]) as url:
                    real = asyncio.run(_real(url, fleet))
                bare = dataclasses.replace(fleet, reserve_share=0.0, handover_s=0.0)
                point = {
                    "simulated": simulated(fleet, times),
                    "simulated_bare": simulated(bare, times),
                    "real": real,
                }
                print(point, flush=True)
                points.append(point)
    return {
        "machine": results.machine(),
        "model": asked.model,
        "scale": asked.scale,
        "capacity": capacities,
        "handover_s": handovers,
        "points": points,
    }


def _handover_s(fleet: Fleet, urls: Sequence[str], notes: Sequence[Path]) -> float:
    """Mean over all servers, after the warm-up, while the queue of each holds work."""
    with haproxy(urls, algorithm=ALGORITHMS[fleet.balancer]) as url:
        since = time.monotonic() + fleet.warm_up_s
        until = since + fleet.seconds - fleet.warm_up_s
        asyncio.run(_real(url, fleet))
    return statistics.fmean(
        mean_handover_s(
            batch for batch in read_notes(one.read_text()) if since < batch.started < until
        )
        for one in notes
    )


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
