"""Measures processor time of one request: answered, refused, and with the bare model alone.

    python -m loadtests.overhead --output runs/overhead.json

Processor time instead of clock time allows measuring on a machine that is busy with other work.
Refusals are measured on the real server around a sleeping model. Its queue stays longer than the
deadline of the counted requests, so only refusing them takes processor time.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests import results
from loadtests.bench import DEADLINE_HEADER, run
from loadtests.client import Client, Target
from loadtests.own_server import OwnServer, started
from loadtests.peers.model import MAX_BATCH_SIZE, PeerModel
from loadtests.scenarios import Request, requests
from loadtests.texts import texts
from loadtests.watch import Watch

Json = dict[str, Any]
SCENARIOS = ("tokens-16", "tokens-128", "prompts")
# Duration of the sleeping model's batch, and 500-token requests waiting for it: 4 in each batch.
_SLEEP_S = 0.25
_FILLERS = 48
_PATIENT_MS = 60_000
_HURRIED_MS = 500
_START_S = 300.0


@dataclass(frozen=True)
class Traffic:
    """What to send, and for how long."""

    scenario: str
    seconds: float
    data: Path | None = None

    def requests(self, *, seed: int) -> Iterator[Request]:
        return requests(self.scenario, texts(self.data, seed=seed), seed=seed)


def answered(traffic: Traffic, *, clients: int) -> Json:
    """Server CPU time for one answered request, in milliseconds."""
    with started() as server:
        return run(closed_loop(server, traffic, clients=clients))


async def closed_loop(server: OwnServer, traffic: Traffic, *, clients: int) -> Json:
    target = Target(server.url, {DEADLINE_HEADER: str(_PATIENT_MS)})
    wires = (target.post(one.path, one.body) for one in traffic.requests(seed=1))
    client, watch = Client(target, max_connections=clients), Watch(server.pid)
    try:
        await _ask_for(client, wires, clients=clients, seconds=min(1.0, traffic.seconds))
        before = watch.usage().cpu_s
        outcomes = await _ask_for(client, wires, clients=clients, seconds=traffic.seconds)
        spent = watch.usage().cpu_s - before
    finally:
        await client.close()
    return _cost(outcomes, spent)


async def _ask_for(
    client: Client, wires: Iterator[bytes], *, clients: int, seconds: float
) -> Counter[str]:
    """Outcomes for `clients` clients, each asking again when it gets its answer."""
    outcomes: Counter[str] = Counter()
    ends = time.perf_counter() + seconds

    async def ask_again() -> None:
        while time.perf_counter() < ends:
            outcomes[(await client.ask(next(wires))).outcome] += 1

    await asyncio.gather(*(ask_again() for _ in range(clients)))
    return outcomes


def refused(traffic: Traffic, *, clients: int) -> Json:
    """Server CPU time for one request that the server refuses with 429, in milliseconds."""
    with started("-m", "loadtests.sleeping_server", str(_SLEEP_S)) as server:
        return run(_refused(server, traffic, clients=clients))


async def _refused(server: OwnServer, traffic: Traffic, *, clients: int) -> Json:
    patient = Target(server.url, {DEADLINE_HEADER: str(_PATIENT_MS)})
    long = Traffic("tokens-512", traffic.seconds).requests(seed=2)
    fillers = (patient.post(one.path, one.body) for one in long)
    background = Client(patient, max_connections=_FILLERS)
    filling = [asyncio.ensure_future(_fill(background, fillers)) for _ in range(_FILLERS)]
    try:
        return await _hurry(server, traffic, clients=clients)
    finally:
        for one in filling:
            one.cancel()
        await asyncio.gather(*filling, return_exceptions=True)
        await background.close()


async def _fill(client: Client, wires: Iterator[bytes]) -> None:
    while True:
        await client.ask(next(wires))


async def _hurry(server: OwnServer, traffic: Traffic, *, clients: int) -> Json:
    """Sends requests with a short deadline; counts from the first second that refuses all."""
    hurried = Target(server.url, {DEADLINE_HEADER: str(_HURRIED_MS)})
    some = itertools.islice(traffic.requests(seed=3), 512)
    wires = itertools.cycle([hurried.post(one.path, one.body) for one in some])
    client, watch = Client(hurried, max_connections=clients), Watch(server.pid)
    seconds = traffic.seconds
    try:
        deadline = time.monotonic() + _START_S
        while set(await _ask_for(client, wires, clients=clients, seconds=1.0)) != {"429"}:
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not refuse")
        start, began = watch.usage().cpu_s, time.perf_counter()
        await asyncio.sleep(min(2.0, seconds))  # the cost of the filler requests alone
        alone = (watch.usage().cpu_s - start) / (time.perf_counter() - began)
        before, began = watch.usage().cpu_s, time.perf_counter()
        outcomes = await _ask_for(client, wires, clients=clients, seconds=seconds)
        elapsed = time.perf_counter() - began
        return _cost(outcomes, watch.usage().cpu_s - before - alone * elapsed)
    finally:
        await client.close()


def _cost(outcomes: Counter[str], spent_s: float) -> Json:
    count = sum(outcomes.values())
    return {
        "requests": count,
        "outcomes": dict(sorted(outcomes.items())),
        "cpu_ms": round(spent_s * 1000.0 / count, 4) if count else None,
    }


def bare(traffic: Traffic) -> Json:
    """CPU time of tokenizing and the model for one text, alone and in batches, in milliseconds."""
    prompts = (json.loads(one.body)["prompt"] for one in traffic.requests(seed=1))
    model = PeerModel(threads=2)
    found = {}
    for name, size in (("alone", 1), ("batched", MAX_BATCH_SIZE)):
        done, before, ends = 0, time.process_time(), time.perf_counter() + traffic.seconds
        while time.perf_counter() < ends or not done:
            done += len(model.probabilities(list(itertools.islice(prompts, size))))
        found[name] = round((time.process_time() - before) * 1000.0 / done, 4)
    return found


def measure(traffic: Traffic, *, clients: Sequence[int]) -> Json:
    """clients: numbers of concurrent clients."""
    model = bare(traffic)
    served = {str(one): answered(traffic, clients=one) for one in clients}
    turned_away = refused(traffic, clients=8)
    cheapest = min(one["cpu_ms"] for one in served.values())
    return {
        "scenario": traffic.scenario,
        "bare_cpu_ms": model,
        "answered": served,
        "refused": turned_away,
        "ratios": {
            "alone_to_bare": round(served[str(clients[0])]["cpu_ms"] / model["alone"], 4),
            "batched_to_bare": round(served[str(clients[-1])]["cpu_ms"] / model["batched"], 4),
            "refused_to_answered": round(turned_away["cpu_ms"] / cheapest, 4),
        },
    }


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--scenarios", nargs="+", default=list(SCENARIOS))
    add("--clients", type=int, nargs=2, default=[1, 32], help="numbers of concurrent clients")
    add("--seconds", type=float, default=10.0, help="seconds for each figure")
    add("--data", type=Path, help="folder of rows; texts are generated if not given")
    add("--output", type=Path, help="JSON; standard output if not given")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    result = results.document("overhead", settings={"seconds": asked.seconds}, server=None)
    result["rows"] = []
    for scenario in asked.scenarios:
        traffic = Traffic(scenario, asked.seconds, asked.data)
        row = measure(traffic, clients=asked.clients)
        result["rows"].append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
        if asked.output is not None:
            results.save(result, asked.output)  # a stopped run keeps its figures
    if asked.output is None:
        print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
