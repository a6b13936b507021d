"""Measures the model without a server: the best that Postern could reach on the same texts.

Two comparisons: closed-loop throughput with the bare engine's, and the idle server's median with
tokenizing plus one forward pass. Each measures Postern, the bare model, and Postern again.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from loadtests import results
from loadtests.bench import Bench
from loadtests.client import Target
from loadtests.driver import Load
from loadtests.peers import compare as trials
from loadtests.peers.launch import RunningPeer
from loadtests.peers.model import ROOT, Engine, PeerModel
from loadtests.watch import Watch

Json = dict[str, Any]
# (parallel workers, threads in each): both ways to use two cores.
SHAPES = ((1, 2), (2, 1))
# Enough texts to sort by length and fill the batches.
_BATCH_SIZE = 32


def compare(scenario: str, plan: trials.Plan, folder: Path, *, say: Callable[[str], None]) -> None:
    """Writes `bare-<scenario>.json`."""
    before = _ours(scenario, plan)
    found = _in_own_process(scenario, plan)
    after = _ours(scenario, plan)
    throughput = max(one["texts_per_s"] for one in found["shapes"])
    result = results.document(
        "bare", settings={"scenario": scenario, "engine": plan.engine}, server=None
    ) | {
        "ours": [before, after],
        "bare": found,
        "ratios": {
            "throughput": _mean(before["closed"], after["closed"], "texts_per_s") / throughput,
            "idle_p50": statistics.fmean(
                one["idle"]["latency_ms"]["p50"] for one in (before, after)
            )
            / found["single_p50_ms"],
        },
    }
    results.save(result, folder / f"bare-{scenario}.json")
    say(f"{scenario}: ours over bare {result['ratios']}")


def _ours(scenario: str, plan: trials.Plan) -> Json:
    with RunningPeer(plan.ours, plan.environments) as running:
        bench = Bench(
            target=Target(running.url),
            requests=trials.peer_requests(plan.ours, scenario, plan, seed=plan.seed),
            load=Load(1.0, measured_s=plan.measured_s, warm_up_s=plan.warm_up_s),
            limit_s=plan.limit_s,
            seeds=[plan.seed],
            watch=Watch(running.pid),
            say=lambda _: None,
        )
        return {"idle": bench.with_clients(1), "closed": bench.with_clients(plan.clients)}


def _in_own_process(scenario: str, plan: trials.Plan) -> Json:
    """Runs the measurement in an interpreter of its own."""
    asked = {
        "scenario": scenario,
        "data": str(plan.data) if plan.data else None,
        "seconds": plan.measured_s,
        "seed": plan.seed,
        "engine": plan.engine,
    }
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.peers.bare", json.dumps(asked)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    found: Json = json.loads(done.stdout)
    return found


def measure(prompts: Iterator[str], *, seconds: float, engine: Engine) -> Json:
    """Single texts one after another, and batches as fast as possible."""
    model = PeerModel(threads=2, engine=engine)
    taken: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or not taken:
        prompt = next(prompts)
        started = time.perf_counter()
        model.probabilities([prompt])
        taken.append(time.perf_counter() - started)
    return {
        "single_p50_ms": round(statistics.median(taken) * 1000.0, 4),
        "singles": len(taken),
        "shapes": [_throughput(prompts, shape, seconds, engine) for shape in SHAPES],
    }


def _throughput(
    prompts: Iterator[str], shape: tuple[int, int], seconds: float, engine: Engine
) -> Json:
    workers, threads = shape
    model = PeerModel(threads=threads, concurrent=workers, engine=engine)
    started = time.perf_counter()

    def work(_: int) -> int:
        done = 0
        while time.perf_counter() - started < seconds or not done:
            batch = [next(prompts) for _ in range(_BATCH_SIZE)]
            done += len(model.probabilities(batch))
        return done

    prompts = _Locked(prompts)
    with ThreadPoolExecutor(workers) as pool:
        texts = sum(pool.map(work, range(workers)))
    elapsed = time.perf_counter() - started
    return {"workers": workers, "threads": threads, "texts_per_s": round(texts / elapsed, 3)}


class _Locked:
    """An iterator that several threads may share."""

    def __init__(self, inner: Iterator[str]) -> None:
        self._inner = inner
        self._lock = threading.Lock()

    def __iter__(self) -> _Locked:
        return self

    def __next__(self) -> str:
        with self._lock:
            return next(self._inner)


def _mean(first: Json, second: Json, name: str) -> float:
    return statistics.fmean((first[name], second[name]))


def main() -> None:
    asked = json.loads(sys.argv[1])
    plan = trials.Plan(Path(), Path(asked["data"]) if asked["data"] else None)
    asked_for = trials.peer_requests(plan.ours, asked["scenario"], plan, seed=asked["seed"])
    prompts = (json.loads(request.body)["prompt"] for request in asked_for)
    print(json.dumps(measure(prompts, seconds=asked["seconds"], engine=asked["engine"])))


if __name__ == "__main__":
    main()
