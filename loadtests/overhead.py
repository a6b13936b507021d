"""What one request costs the server's processors: answered, refused, and the bare model beside it.

    python -m loadtests.overhead --output runs/overhead.json

Processor time and not the clock, so that it can be measured on a machine that is busy with other
work. A refusal is measured on the real server around a model that sleeps: its queue is kept longer
than the deadline of the requests that are counted, and nothing but refusing them takes time.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loadtests import results
from loadtests.bench import DEADLINE_HEADER, run
from loadtests.client import Client, Target
from loadtests.peers.model import MAX_BATCH_SIZE, ROOT, PeerModel
from loadtests.scenarios import requests
from loadtests.texts import texts
from loadtests.watch import Watch

Json = dict[str, Any]
SCENARIOS = ("tokens-16", "tokens-128", "prompts")
# A batch of the sleeping model, and requests of 500 tokens that wait for it: 4 in each batch.
_SLEEP_S = 0.25
_FILLERS = 48
_PATIENT_MS = 60_000
_HURRIED_MS = 500
_START_S = 300.0


@contextmanager
def started(*command: str) -> Iterator[tuple[str, int]]:
    """(URL, process id) of a server of this interpreter on a free port; ended afterwards."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN_")}
    settings = {"POSTERN_PORT": "0", "POSTERN_LOG_LEVEL": "warning", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=kept | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        found = re.search(rb"http://\S+:\d+", process.stdout.readline())
        if found is None:
            raise RuntimeError("the server did not start")
        yield found[0].decode(), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30.0)
        except subprocess.TimeoutExpired:
            process.kill()


def answered(scenario: str, *, clients: int, seconds: float, data: Path | None) -> Json:
    """Processor milliseconds of the server for one answered request."""
    with started("-m", "app", "serve") as (url, pid):
        return run(_closed(url, pid, scenario, clients=clients, seconds=seconds, data=data))


async def _closed(
    url: str, pid: int, scenario: str, *, clients: int, seconds: float, data: Path | None
) -> Json:
    target = Target(url, {DEADLINE_HEADER: str(_PATIENT_MS)})
    wires = (
        target.post(one.path, one.body) for one in requests(scenario, texts(data, seed=1), seed=1)
    )
    client = Client(target, max_connections=clients)
    try:
        await _ask_for(client, wires, clients=clients, seconds=min(1.0, seconds))
        before = Watch(pid).usage().cpu_s
        outcomes = await _ask_for(client, wires, clients=clients, seconds=seconds)
        spent = Watch(pid).usage().cpu_s - before
    finally:
        await client.close()
    return _cost(outcomes, spent)


async def _ask_for(
    client: Client, wires: Iterator[bytes], *, clients: int, seconds: float
) -> Counter[str]:
    """What came of the requests of so many clients, each asking again when it has its answer."""
    outcomes: Counter[str] = Counter()
    ends = time.perf_counter() + seconds

    async def ask_again() -> None:
        while time.perf_counter() < ends:
            outcomes[(await client.ask(next(wires))).outcome] += 1

    await asyncio.gather(*(ask_again() for _ in range(clients)))
    return outcomes


def refused(scenario: str, *, clients: int, seconds: float, data: Path | None) -> Json:
    """Processor milliseconds of the server for one request that it refuses with 429."""
    with started("-m", "loadtests.sleeping_server", str(_SLEEP_S)) as (url, pid):
        return run(_refused(url, pid, scenario, clients=clients, seconds=seconds, data=data))


async def _refused(
    url: str, pid: int, scenario: str, *, clients: int, seconds: float, data: Path | None
) -> Json:
    source = texts(data, seed=2)
    patient = Target(url, {DEADLINE_HEADER: str(_PATIENT_MS)})
    fillers = (patient.post(one.path, one.body) for one in requests("tokens-512", source, seed=2))
    background = Client(patient, max_connections=_FILLERS)
    filling = [asyncio.ensure_future(_fill(background, fillers)) for _ in range(_FILLERS)]
    try:
        return await _hurry(url, pid, scenario, clients=clients, seconds=seconds, data=data)
    finally:
        for one in filling:
            one.cancel()
        await asyncio.gather(*filling, return_exceptions=True)
        await background.close()


async def _fill(client: Client, wires: Iterator[bytes]) -> None:
    while True:
        await client.ask(next(wires))


async def _hurry(
    url: str, pid: int, scenario: str, *, clients: int, seconds: float, data: Path | None
) -> Json:
    """Requests with a short deadline; counted from the first second in which all are refused."""
    hurried = Target(url, {DEADLINE_HEADER: str(_HURRIED_MS)})
    some = list(itertools.islice(requests(scenario, texts(data, seed=3), seed=3), 512))
    wires = itertools.cycle([hurried.post(one.path, one.body) for one in some])
    client = Client(hurried, max_connections=clients)
    watch = Watch(pid)
    try:
        deadline = time.monotonic() + _START_S
        while set(await _ask_for(client, wires, clients=clients, seconds=1.0)) != {"429"}:
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not refuse")
        start, began = watch.usage().cpu_s, time.perf_counter()
        await asyncio.sleep(min(2.0, seconds))  # what the fillers alone cost
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


def bare(scenario: str, *, seconds: float, data: Path | None) -> Json:
    """Processor milliseconds of tokenizing and the model for one text, alone and in batches."""
    asked = requests(scenario, texts(data, seed=1), seed=1)
    prompts = (json.loads(one.body)["prompt"] for one in asked)
    model = PeerModel(threads=2)
    found = {}
    for name, size in (("alone", 1), ("batched", MAX_BATCH_SIZE)):
        done, before, ends = 0, time.process_time(), time.perf_counter() + seconds
        while time.perf_counter() < ends or not done:
            done += len(model.probabilities(list(itertools.islice(prompts, size))))
        found[name] = round((time.process_time() - before) * 1000.0 / done, 4)
    return found


def measure(scenario: str, *, clients: Sequence[int], seconds: float, data: Path | None) -> Json:
    model = bare(scenario, seconds=seconds, data=data)
    served = {
        str(one): answered(scenario, clients=one, seconds=seconds, data=data) for one in clients
    }
    turned_away = refused(scenario, clients=8, seconds=seconds, data=data)
    cheapest = min(one["cpu_ms"] for one in served.values())
    return {
        "scenario": scenario,
        "bare_cpu_ms": model,
        "answered": served,
        "refused": turned_away,
        "ratios": {
            "alone_to_bare": round(served[str(clients[0])]["cpu_ms"] / model["alone"], 4),
            "batched_to_bare": round(served[str(clients[-1])]["cpu_ms"] / model["batched"], 4),
            "refused_to_answered": round(turned_away["cpu_ms"] / cheapest, 4),
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--scenarios", nargs="+", default=list(SCENARIOS))
    add("--clients", type=int, nargs=2, default=[1, 32], help="alone, and so many side by side")
    add("--seconds", type=float, default=10.0, help="for each figure")
    add("--data", type=Path, help="folder of rows; without it texts are made")
    add("--output", type=Path, help="JSON; standard output if not given")
    asked = parser.parse_args(arguments)
    result = results.document("overhead", settings={"seconds": asked.seconds}, server=None)
    result["rows"] = []
    for scenario in asked.scenarios:
        row = measure(scenario, clients=asked.clients, seconds=asked.seconds, data=asked.data)
        result["rows"].append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
    if asked.output is None:
        print(json.dumps(result, indent=2))
    else:
        results.save(result, asked.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
