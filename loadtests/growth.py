"""Measures how cost grows: texts per second and memory as one quantity varies.

    python -m loadtests.growth lengths batches clients processes --output runs/growth

Each point runs closed loops on a fresh server, so the measured memory belongs to that point. Writes
`<what>.json` and `<what>.png` after each point and resumes a stopped run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests import closed_loop, results
from loadtests.bench import DEADLINE_HEADER, run, server_info
from loadtests.client import Target
from loadtests.driver import Load, Step
from loadtests.own_server import OwnServer, started
from loadtests.scenarios import requests
from loadtests.texts import texts
from loadtests.watch import Watch

Json = dict[str, Any]
_CLIENTS = 32
_PATIENT_MS = 60_000


def point(
    value: int,
    scenario: str,
    *,
    clients: int,
    load: Load,
    seed: int = 1,
    processes: int = 1,
    **settings: object,
) -> Json:
    """One closed loop, split over several server processes that share the clients."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(started(request_timeout_ms=_PATIENT_MS, **settings))
            for _ in range(processes)
        ]
        steps = run(_side_by_side(servers, scenario, clients=clients, load=load, seed=seed))
        info = server_info(Target(servers[0].url))
    measured = [results.point([step], limit_s=0.05, differences=None) for step in steps]
    latencies = [one["latency_ms"] for one in measured if one["latency_ms"]]
    return {
        "value": value,
        "scenario": scenario,
        "clients": clients,
        "texts_per_s": round(sum(one["texts_per_s"] for one in measured), 3),
        "p50_ms": max((one["p50"] for one in latencies), default=None),
        "p99_ms": max((one["p99"] for one in latencies), default=None),
        "cpu_s_per_1000_texts": _mean_cost(steps),
        "memory_peak_bytes": sum(one["server"]["memory_peak_bytes"] for one in measured),
        "outcomes": [one["outcomes"] for one in measured],
        "server": info,
    }


async def _side_by_side(
    servers: Sequence[OwnServer], scenario: str, *, clients: int, load: Load, seed: int
) -> list[Step]:
    def step(index: int, server: OwnServer) -> Any:
        return closed_loop.run_step(
            Target(server.url, {DEADLINE_HEADER: str(_PATIENT_MS)}),
            requests(scenario, texts(None, seed=seed + index), seed=seed + index),
            load,
            clients=max(1, clients // len(servers)),
            watch=Watch(server.pid),
        )

    return list(await asyncio.gather(*(step(i, server) for i, server in enumerate(servers))))


def _mean_cost(steps: Sequence[Step]) -> float | None:
    judged = sum(step.texts_metered for step in steps)
    return round(sum(step.usage.cpu_s for step in steps) * 1000.0 / judged, 4) if judged else None


def of_length(tokens: int, load: Load) -> Json:
    return point(tokens, f"tokens-{tokens}", clients=_CLIENTS, load=load)


def in_batches(size: int, load: Load) -> Json:
    """Requests of `size` texts, with the same total number of texts in flight for every size."""
    return point(size, f"batch-{size}", clients=max(1, _CLIENTS // size), load=load)


def for_clients(count: int, load: Load) -> Json:
    return point(count, "tokens-16", clients=count, load=load)


def by_processes(count: int, load: Load) -> Json:
    """The cores shared between `count` servers, as if behind a perfect load balancer."""
    workers = max(1, len(os.sched_getaffinity(0)) // count)
    return point(
        *(count, "prompts"),
        clients=_CLIENTS,
        load=load,
        processes=count,
        workers=workers,
        intra_op_threads=1,
    )


@dataclass(frozen=True)
class Kind:
    """What grows, how to measure it, and its label on the plot."""

    measure: Callable[[int, Load], Json]
    values: Sequence[int]
    label: str


KINDS = {
    "lengths": Kind(of_length, (16, 64, 128, 512), "tokens in a text"),
    "batches": Kind(in_batches, (1, 8, 32, 128), "texts in a request"),
    "clients": Kind(for_clients, (1, 10, 100, 1000, 2000), "concurrent clients"),
    "processes": Kind(by_processes, (1, 2, 4), "server processes"),
}


def measured(kind: Kind, load: Load, values: Sequence[int], file: Path, settings: Json) -> None:
    """Writes file and plot after every point; points already in the file are not measured again."""
    from loadtests.plot import growth_plot  # loads for a second

    result = results.document("growth", settings=settings, server=None)
    if file.exists():
        result = json.loads(file.read_text())
    points: list[Json] = result["points"]
    for value in values:
        if value in {one["value"] for one in points}:
            continue
        points.append(kind.measure(value, load))
        results.save(result, file)
        growth_plot(points, file.with_suffix(".png"), label=kind.label)
        print(f"{kind.label} {value}: {points[-1]['texts_per_s']} texts/s", flush=True)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("what", nargs="+", choices=list(KINDS))
    add("--seconds", type=float, default=8.0, help="measured seconds for each point")
    add("--warm-up", type=float, default=3.0)
    add("--most", type=int, help="leave out larger values")
    add("--output", type=Path, default=Path("runs/growth"), help="folder")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    load = Load(1.0, measured_s=asked.seconds, warm_up_s=asked.warm_up, deadline_s=60.0)
    for name in asked.what:
        kind, file = KINDS[name], asked.output / f"{name}.json"
        settings = {"what": name, "measured_s": asked.seconds, "warm_up_s": asked.warm_up}
        values = [one for one in kind.values if asked.most is None or one <= asked.most]
        measured(kind, load, values, file, settings)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
