"""A soak: mixed, broken, slow and disconnecting clients together, for as long as you like.

    python -m loadtests.soak --url http://127.0.0.1:8000 --minutes 15 --output soak.json

Afterwards nothing may have leaked (memory, open files), no request may hang, the queue must be
empty, and the counts in `/metrics` must be those at the clients. The server should have nobody else
to serve. Exit code 1 and the reasons where something is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests import results
from loadtests.bench import DEADLINE_HEADER, run
from loadtests.client import BROKEN, UNANSWERED, Client, Target
from loadtests.driver import Load, Step, run_step
from loadtests.misbehaving import Misbehaving, Tally
from loadtests.scenarios import SCENARIOS, requests
from loadtests.server_counts import read_counts, settled_differences
from loadtests.texts import texts
from loadtests.watch import Watch, listener_pid

Json = dict[str, Any]
_MIB = 1 << 20
# Sockets of clients that have just left are closed a moment later.
_SETTLE_S = 60.0
_SPARE_FILES = 8
_QUEUE = re.compile(r"^postern_queue_tokens (\S+)$", re.M)


@dataclass(frozen=True)
class Soak:
    """rate: of well-behaved requests per second; misbehaving: clients that go on side by side.
    max_growth_bytes: that memory may grow in the time that is looked at."""

    url: str
    seconds: float
    scenario: str = "chatbot"
    rate: float = 10.0
    misbehaving: int = 4
    deadline_ms: int = 10_000
    max_growth_bytes: int = 32 * _MIB
    seed: int = 0
    pid: int | None = None


def theil_sen(samples: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes of all pairs: a few jumps do not move it. Sen (1968)."""
    slopes = [
        (later - earlier) / (then - at)
        for (at, earlier), (then, later) in itertools.combinations(samples, 2)
        if then > at
    ]
    return statistics.median(slopes) if slopes else 0.0


async def soak(asked: Soak) -> Json:
    """Runs it and judges it; `problems` is empty where all is well."""
    watch = Watch(asked.pid or listener_pid(asked.url))
    if watch.pid is None:
        raise SystemExit("the server must run on this machine, or --pid must name it")
    target = Target(asked.url, {DEADLINE_HEADER: str(asked.deadline_ms)})
    client = Client(target, max_connections=1)
    tally = Tally()
    try:
        before = await read_counts(client)
        if before is None:
            raise SystemExit("the server's /metrics cannot be read")
        files_before = watch.open_files()
        step, memory = await _traffic(asked, target, watch, tally)
        outcomes = step.outcomes_in_all + tally.statuses + Counter({BROKEN: tally.left})
        found = await settled_differences(
            client, outcomes, step.texts_in_all + tally.texts, before, exact=True
        )
        files_after = await _settled_files(watch, files_before)
        queue = await _queue_tokens(client)
    finally:
        await client.close()
    result = _result(asked, step, tally, memory)
    result["counts"]["differences"] = found
    result["open_files"] = {"before": files_before, "after": files_after}
    result["queue_tokens_after"] = queue
    result["problems"] = _problems(asked, result)
    return result


async def _traffic(
    asked: Soak, target: Target, watch: Watch, tally: Tally
) -> tuple[Step, list[tuple[float, float]]]:
    """All clients at once. The memory: (seconds, bytes) once a second, while they go on."""
    ends = time.monotonic() + asked.seconds
    memory: list[tuple[float, float]] = []

    def over() -> bool:
        return time.monotonic() >= ends

    async def watch_memory() -> None:
        while not over():
            memory.append((time.monotonic(), watch.usage().memory_bytes))
            await asyncio.sleep(min(1.0, asked.seconds / 30.0))

    load = Load(
        asked.rate,
        measured_s=asked.seconds,
        deadline_s=asked.deadline_ms / 1000.0,
        patience_s=asked.deadline_ms / 1000.0 + 60.0,
    )
    good = run_step(
        target,
        requests(asked.scenario, texts(None, seed=asked.seed), seed=asked.seed),
        load,
        seed=asked.seed,
        watch=watch,
    )
    bad = (
        Misbehaving(asked.url, tally, seed=asked.seed + 1 + number).run(over)
        for number in range(asked.misbehaving)
    )
    step, *_ = await asyncio.gather(good, watch_memory(), asyncio.gather(*bad))
    return step, memory


async def _settled_files(watch: Watch, before: int) -> int:
    deadline = time.monotonic() + _SETTLE_S
    while (after := watch.open_files()) > before + _SPARE_FILES:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    return after


async def _queue_tokens(client: Client) -> float:
    answer = await client.ask(client.target.get("/metrics"))
    found = _QUEUE.search(answer.body.decode())
    return float(found[1]) if found else -1.0


def _result(asked: Soak, step: Step, tally: Tally, memory: Sequence[tuple[float, float]]) -> Json:
    # What grows at first are caches and arenas that find their size.
    looked_at = memory[len(memory) // 3 :]
    seconds = looked_at[-1][0] - looked_at[0][0]
    slope = theil_sen(looked_at)
    sent = sum(step.outcomes_in_all.values()) + sum(tally.sent.values())
    return results.document(
        "soak",
        settings={
            "scenario": asked.scenario,
            "seconds": asked.seconds,
            "rate": asked.rate,
            "misbehaving": asked.misbehaving,
            "deadline_ms": asked.deadline_ms,
            "seed": asked.seed,
        },
        server=None,
    ) | {
        "requests": sent,
        "well_behaved": dict(sorted(step.outcomes_in_all.items())),
        "misbehaving": dict(sorted(tally.sent.items())),
        "misbehaving_statuses": dict(sorted(tally.statuses.items())),
        "left": tally.left,
        "unexpected": dict(tally.unexpected),
        "hung": dict(tally.hung),
        "latency_ms": step.latency.summary_ms(),
        "memory": {
            "first_bytes": memory[0][1],
            "last_bytes": memory[-1][1],
            "looked_at_s": round(seconds, 1),
            "slope_bytes_per_minute": round(slope * 60.0),
            "growth_bytes": round(slope * seconds),
            "allowed_growth_bytes": asked.max_growth_bytes,
            "samples": len(looked_at),
        },
        "counts": {"checked": True, "differences": {}},
    }


def _problems(asked: Soak, result: Json) -> list[str]:
    found = []
    if result["memory"]["growth_bytes"] > asked.max_growth_bytes:
        found.append("memory grows")
    if result["open_files"]["after"] > result["open_files"]["before"] + _SPARE_FILES:
        found.append("files or sockets stay open")
    if result["hung"] or result["well_behaved"].get(UNANSWERED):
        found.append("requests hang")
    if result["well_behaved"].get(BROKEN):
        found.append("connections of well-behaved clients broke")
    if result["unexpected"]:
        found.append("misbehaving clients got other answers than they should")
    if any(status.startswith("5") and status != "504" for status in result["well_behaved"]):
        found.append("the server failed")
    if result["counts"]["differences"]:
        found.append("counts differ between clients and /metrics")
    if result["queue_tokens_after"] != 0.0:
        found.append("the queue is not empty")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--url", default="http://127.0.0.1:8000")
    add("--minutes", type=float, default=15.0)
    add("--scenario", choices=sorted(SCENARIOS), default="chatbot")
    add("--rate", type=float, default=10.0, help="well-behaved requests per second")
    add("--misbehaving", type=int, default=4, help="clients that misbehave, side by side")
    add("--max-growth-mib", type=float, default=32.0, help="of memory, after the first third")
    add("--deadline-ms", type=int, default=10_000, help="of the well-behaved requests")
    add("--seed", type=int, default=0)
    add("--pid", type=int, help="of the server; found by itself on the same machine")
    add("--output", type=Path, help="JSON; standard output if not given")
    asked = parser.parse_args(arguments)
    result = run(
        soak(
            Soak(
                asked.url,
                asked.minutes * 60.0,
                scenario=asked.scenario,
                rate=asked.rate,
                misbehaving=asked.misbehaving,
                deadline_ms=asked.deadline_ms,
                max_growth_bytes=round(asked.max_growth_mib * _MIB),
                seed=asked.seed,
                pid=asked.pid,
            )
        )
    )
    if asked.output is None:
        print(json.dumps(result, indent=2))
    else:
        results.save(result, asked.output)
    for problem in result["problems"]:
        print(f"soak: {problem}", file=sys.stderr)
    return 1 if result["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
