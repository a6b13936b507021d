"""The highest rate that each server carries: a search of short points, then long ones in turns.

A short point passes by luck more easily, so its search only says where the long ones begin. All
servers run during one scenario, and take turns: a machine that changes, changes for all of them.
"""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from loadtests import results
from loadtests.bench import Bench
from loadtests.peers import compare
from loadtests.peers.launch import RunningPeer
from loadtests.peers.registry import Peer
from loadtests.plot import rates_plot
from loadtests.search import highest_rate

Json = dict[str, Any]
Say = Callable[[str], None]

# A server that does not carry its rate for the whole of a long point is asked for less.
STEP_DOWN: Final = 0.92
_STEPS_AT_MOST: Final = 8
_FIRST_SHARE: Final = 0.6  # of the throughput of a closed loop; most servers carry that
# Nor does any server carry much more than that. A short point may pass while its queue still fills.
_LAST_SHARE: Final = 1.5


def measure(
    peers: Sequence[Peer],
    scenario: str,
    *,
    plan: compare.Plan,
    long_s: float,
    rounds: int,
    say: Say,
) -> Json:
    """plan: for the search. long_s: measured seconds of the points that count. rounds: of those."""
    servers = (plan.ours, *peers)
    found: Json = {
        one.name: {"settings": dict(one.settings), "rates": [], "points": []} for one in servers
    }
    with contextlib.ExitStack() as stack:
        running = {
            one.name: stack.enter_context(RunningPeer(one, plan.environments)) for one in servers
        }
        starts: dict[str, float | None] = {}
        for name, one in running.items():
            starts[name], closed = _searched(one, scenario, plan, say=say)
            found[name] |= {"searched_rps": starts[name], "closed": closed}
        for number in range(rounds):
            for name, one in running.items():
                start = starts[name]
                if start is None:
                    continue
                bench = compare.bench_of(
                    one, scenario, plan, seed=plan.seed + number, measured_s=long_s, say=say
                )
                say(f"- {name}, {scenario}, round {number + 1}")
                rate = _carried(bench, start)
                found[name]["rates"].append(None if rate is None else round(rate, 2))
                found[name]["points"] += bench.points
    ours = found[plan.ours.name]["rates"]
    found["ratios"] = {one.name: _ratios(ours, found[one.name]["rates"]) for one in peers}
    return found


def _searched(
    one: RunningPeer, scenario: str, plan: compare.Plan, *, say: Say
) -> tuple[float | None, Json]:
    """Where to begin, and the throughput of a closed loop."""
    say(f"- {one.peer.name}, {scenario}")
    patient = compare.bench_of(one, scenario, plan, seed=plan.seed, patient=True, say=say)
    closed = patient.with_clients(plan.clients)
    bench = compare.bench_of(one, scenario, plan, seed=plan.seed + 1, say=say)
    most = _LAST_SHARE * closed["texts_per_s"]
    rate, _ = highest_rate(
        bench.at_rate,
        lambda point: point["offered_rps"] <= most and results.passes(point),
        start=max(0.5, _FIRST_SHARE * closed["texts_per_s"]),
        factor=1.3,
        precision=plan.precision,
        lowest=plan.lowest_share * closed["texts_per_s"],
    )
    return rate, closed


def _carried(bench: Bench, start: float) -> float | None:
    """The first rate from `start` downwards that a long point carries."""
    rate = start
    for _ in range(_STEPS_AT_MOST):
        if results.passes(bench.at_rate(rate)):
            return rate
        rate *= STEP_DOWN
    return None


def _ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> Json | None:
    """Ours over theirs, round by round; None if a server carried nothing in some round."""
    pairs = [(own, other) for own, other in zip(ours, theirs, strict=True) if own and other]
    if len(pairs) < len(ours) or not pairs:
        return None
    each = [own / other for own, other in pairs]
    return {
        "median": round(statistics.median(each), 3),
        "smallest": round(min(each), 3),
        "largest": round(max(each), 3),
    }


def write(
    peers: Sequence[Peer],
    scenarios: Sequence[str],
    *,
    plan: compare.Plan,
    long_s: float,
    rounds: int,
    output: Path,
    say: Say,
) -> None:
    """`rates-<scenario>.json` for each scenario that has no file yet."""
    for scenario in scenarios:
        file = output / f"rates-{scenario}.json"
        if file.exists():
            continue
        settings = {
            "scenario": scenario,
            "limit_ms": plan.limit_s * 1000.0,
            "long_s": long_s,
            "rounds": rounds,
            "engine": plan.engine,
        }
        found = measure(peers, scenario, plan=plan, long_s=long_s, rounds=rounds, say=say)
        results.save(results.document("rates", settings=settings, server=None) | found, file)
        say(f"{scenario}: {found['ratios']}")
    plot(output, [plan.ours.name, *(one.name for one in peers)])


def plot(folder: Path, servers: Sequence[str]) -> None:
    """`rates.png`: the scenarios in which all these servers carried something in every round."""
    found: dict[str, dict[str, list[float]]] = {}
    for file in sorted(folder.glob("rates-*.json")):
        one = json.loads(file.read_text())
        rates = {name: one[name]["rates"] for name in servers if name in one}
        if len(rates) == len(servers) and all(map(all, rates.values())):
            limit = one["settings"]["limit_ms"]
            found[f"{one['settings']['scenario']}\n{limit:g} ms"] = rates
    if found:
        rates_plot(found, folder / "rates.png", title="requests per second, 99 % in time")
