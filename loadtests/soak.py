"""A soak: mixed, broken, slow and disconnecting clients together, for as long as you like.

    python -m loadtests.soak --url http://127.0.0.1:8000 --minutes 15 --output soak.json

With `--upstream-port 9000`, chats through the guarded proxy are mixed in: good ones, misbehaving
ones, and ones whose upstream misbehaves. The upstream is part of the soak, and the server must have
been started with `POSTERN_UPSTREAM_URL=http://127.0.0.1:9000/v1`.

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
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests import results
from loadtests.bench import DEADLINE_HEADER, run
from loadtests.chats import BUSY, ChatTally
from loadtests.client import BROKEN, UNANSWERED, Client, Target
from loadtests.driver import Load, Step, run_step
from loadtests.hostile_upstream import MODEL_LIST, HostileUpstream
from loadtests.misbehaving import Misbehaving, Tally
from loadtests.misbehaving_chats import MisbehavingChats
from loadtests.scenarios import SCENARIOS, requests
from loadtests.server_counts import read_counts, settled_differences
from loadtests.texts import texts
from loadtests.watch import Watch, listener_pid

Json = dict[str, Any]
_MIB = 1 << 20
# Sockets of clients that have just left are closed a moment later.
_SETTLE_S = 60.0
_SPARE_FILES = 8
_MODELS = "/v1/models"
_QUEUE = re.compile(r"^postern_queue_tokens (\S+)$", re.M)


@dataclass(frozen=True)
class Soak:
    """rate: of well-behaved requests per second; misbehaving: clients that go on side by side.
    max_growth_bytes: that memory may grow in the time that is looked at. upstream_port: where the
    server's upstream is expected, None for no chats; chats: well-behaved clients side by side."""

    url: str
    seconds: float
    scenario: str = "chatbot"
    rate: float = 10.0
    misbehaving: int = 4
    deadline_ms: int = 10_000
    max_growth_bytes: int = 32 * _MIB
    seed: int = 0
    pid: int | None = None
    upstream_port: int | None = None
    chats: int = 2


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
    tally, chats = Tally(), ChatTally()
    try:
        async with _upstream(asked, client) as upstream:
            before = await read_counts(client)
            if before is None:
                raise SystemExit("the server's /metrics cannot be read")
            files_before = watch.open_files()
            step, memory = await _traffic(asked, target, watch, tally, chats)
            outcomes = step.outcomes_in_all + tally.statuses + Counter({BROKEN: tally.left})
            found = await settled_differences(
                client,
                outcomes,
                step.texts_in_all + tally.texts,
                before,
                exact=True,
                chats=chats if upstream else None,
            )
            going_on = await _settled_upstream(upstream, client) if upstream else 0
            files_after = await _settled_files(watch, files_before)
            queue = await _queue_tokens(client)
    finally:
        await client.close()
    result = _result(asked, step, tally, memory)
    result["counts"]["differences"] = found
    result["open_files"] = {"before": files_before, "after": files_after}
    result["queue_tokens_after"] = queue
    result["chats"] = None if upstream is None else _chats(chats, upstream, going_on)
    result["problems"] = _problems(asked, result)
    return result


@asynccontextmanager
async def _upstream(asked: Soak, client: Client) -> AsyncIterator[HostileUpstream | None]:
    """The upstream that the server asks; None where no chats are wanted."""
    if asked.upstream_port is None:
        yield None
        return
    upstream = HostileUpstream(asked.upstream_port)
    await upstream.start()
    try:
        answer = await client.ask(client.target.get(_MODELS))
        if answer.outcome != "200" or json.loads(answer.body) != MODEL_LIST:
            raise SystemExit(f"the server must have POSTERN_UPSTREAM_URL={upstream.url}")
        yield upstream
    finally:
        await upstream.close()


async def _traffic(
    asked: Soak, target: Target, watch: Watch, tally: Tally, chats: ChatTally
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
    others = _other_clients(asked, tally, chats, over)
    step, *_ = await asyncio.gather(good, watch_memory(), *others)
    return step, memory


def _other_clients(
    asked: Soak, tally: Tally, chats: ChatTally, over: Callable[[], bool]
) -> list[Coroutine[Any, Any, None]]:
    chatting = MisbehavingChats(asked.url, chats)
    with_chats = asked.upstream_port is not None
    kinds = chatting.kinds if with_chats else {}
    bad = Misbehaving(asked.url, tally, seed=asked.seed + 1, more=kinds)
    clients = [bad.run(over) for _ in range(asked.misbehaving)]
    if with_chats:
        clients += [chatting.behave(over) for _ in range(asked.chats)]
    return clients


async def _settled_upstream(upstream: HostileUpstream, client: Client) -> int:
    """Requests that still go on after a while, though nobody waits for them."""
    deadline = time.monotonic() + _SETTLE_S
    while going_on := upstream.answering:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    # The server closes what it kept open for reuse when it asks again.
    upstream.hang_up()
    await client.ask(client.target.get(_MODELS))
    return going_on


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
    sent = step.outcomes_in_all.total() + tally.sent.total()
    return results.document(
        "soak",
        settings={
            "scenario": asked.scenario,
            "seconds": asked.seconds,
            "rate": asked.rate,
            "misbehaving": asked.misbehaving,
            "deadline_ms": asked.deadline_ms,
            "seed": asked.seed,
            "chats": asked.chats if asked.upstream_port is not None else 0,
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


def _chats(tally: ChatTally, upstream: HostileUpstream, going_on: int) -> Json:
    """well_behaved: what those clients saw; 200 stands for their whole answer. going_on: requests
    to the upstream that nobody broke off."""
    return {
        "well_behaved": dict(sorted(tally.good.items())),
        "statuses": dict(sorted(tally.statuses.items())),
        "seen": dict(sorted(tally.seen.items())),
        "outcomes": dict(sorted(tally.outcomes.items())),
        "left": tally.left,
        "unsure": tally.unsure,
        "unexpected": dict(tally.unexpected),
        "upstream": {
            "asked": dict(sorted(upstream.asked.items())),
            "faults": dict(upstream.faults),
            "going_on_after": going_on,
        },
    }


def _chat_problems(chats: Json) -> list[str]:
    found = []
    if not chats["well_behaved"].keys() <= {"200", BUSY}:
        found.append("well-behaved chats did not get their whole answer")
    if chats["unexpected"]:
        found.append("misbehaving chats got other answers than they should")
    if chats["upstream"]["faults"]:
        found.append("the upstream was sent what it should not see")
    if chats["upstream"]["going_on_after"]:
        found.append("the upstream was not broken off")
    return found


def _problems(asked: Soak, result: Json) -> list[str]:
    found = _chat_problems(result["chats"]) if result["chats"] else []
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


def _parser() -> argparse.ArgumentParser:
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
    add("--upstream-port", type=int, help="chats too: start the server's upstream on this port")
    add("--chats", type=int, default=2, help="well-behaved chat clients, side by side")
    add("--pid", type=int, help="of the server; found by itself on the same machine")
    add("--output", type=Path, help="JSON; standard output if not given")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
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
                upstream_port=asked.upstream_port,
                chats=asked.chats,
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
