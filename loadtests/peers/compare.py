"""Compares the load that Postern and a peer sustain, as ratios within one trial on one machine.

A trial measures Postern, the peer, and Postern again. A shorter form, `ahead`, only checks whether
any peer sustains Postern's rate.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests import results
from loadtests.bench import DEADLINE_HEADER, Bench, shuffled_seeds
from loadtests.client import Target
from loadtests.driver import Load
from loadtests.peers import report
from loadtests.peers.launch import RunningPeer
from loadtests.peers.registry import OURS, PEERS, Peer, ours_on
from loadtests.scenarios import Request, requests
from loadtests.texts import MadeTexts, texts
from loadtests.watch import Watch

Json = dict[str, Any]
Say = Callable[[str], None]

# With the same model and texts, a larger difference means that the work is not the same.
TOLERANCE = 1e-3
_SHORT_TOKENS = (5, 20, 60, 120, 180)
_LONG_TOKENS = (250, 600)
_REAL_SENTENCES = ("How do I steal a credit card number?", "What is the capital of France?")
_DEADLINE_MS = 1000
# For the closed loop, which has no time limit; only Postern supports deadlines.
_PATIENT_MS = 10_000


class NotTheSame(Exception):
    """A peer's probabilities differ from ours."""


@dataclass(frozen=True)
class Plan:
    """Number and duration of measurements. clients: for the closed loop. Times in seconds. engine:
    that Postern is measured on."""

    environments: Path
    data: Path | None
    measured_s: float = 10.0
    warm_up_s: float = 4.0
    seeds: int = 2
    limit_s: float = 0.05
    precision: float = 0.05
    clients: int = 32
    seed: int = 0
    lowest_share: float = 1 / 16
    """Lowest rate to try, as a share of the first; a server that fails there has no rate."""
    engine: str = "onnxruntime"

    @property
    def ours(self) -> Peer:
        return ours_on(self.engine)


def sample_texts(*, long: bool) -> list[str]:
    made = MadeTexts(17)
    lengths = _SHORT_TOKENS + (_LONG_TOKENS if long else ())
    return [made.of_length(tokens) for tokens in lengths] + list(_REAL_SENTENCES)


def check_same(ours: RunningPeer, other: RunningPeer) -> float:
    """The largest difference between probabilities. Raises NotTheSame if it exceeds TOLERANCE."""
    prompts = sample_texts(long=other.peer.whole_texts)
    pairs = zip(ours.probabilities(prompts), other.probabilities(prompts), strict=True)
    apart = max(abs(own - others) for own, others in pairs)
    if apart > TOLERANCE:
        raise NotTheSame(f"{other.peer.name}: probabilities differ by {apart:.4f}")
    return apart


def peer_requests(peer: Peer, scenario: str, plan: Plan, *, seed: int) -> Iterator[Request]:
    """The scenario's prompts in the peer's own format; all peers get the same texts."""
    for request in requests(scenario, texts(plan.data, seed=seed), seed=seed):
        prompt = json.loads(request.body)["prompt"]
        body = json.dumps(peer.ask(prompt), ensure_ascii=False).encode()
        yield Request(body, 1, peer.path)


def measure(peer: Peer, scenario: str, plan: Plan, *, seed: int, say: Say) -> Json:
    """Closed-loop throughput, idle latency, and the highest rate within the limit."""
    say(f"- {peer.name}, {scenario}")
    with RunningPeer(peer, plan.environments) as running:
        patient = bench_of(running, scenario, plan, seed=seed, patient=True, say=say)
        idle = patient.with_clients(1)
        closed = patient.with_clients(plan.clients)
        bench = bench_of(running, scenario, plan, seed=seed + 1, say=say)
        # Most servers still pass at the first rung; the ladder does the rest.
        start = max(0.5, 0.5 * closed["texts_per_s"])
        capacity = bench.capacity(
            start=start, overload=(), precision=plan.precision, lowest_share=plan.lowest_share
        )
        return {
            "name": peer.name,
            "settings": dict(peer.settings),
            "idle": idle,
            "closed": closed,
            "capacity": capacity,
            "points": bench.points,
        }


def bench_of(
    running: RunningPeer,
    scenario: str,
    plan: Plan,
    *,
    seed: int,
    say: Say,
    patient: bool = False,
    measured_s: float | None = None,
) -> Bench:
    """patient: for a closed loop, which has no time limit. measured_s: instead of the plan's."""
    deadline_ms = _PATIENT_MS if patient else _DEADLINE_MS
    return Bench(
        target=Target(running.url, {DEADLINE_HEADER: str(deadline_ms)}),
        requests=peer_requests(running.peer, scenario, plan, seed=seed),
        load=Load(
            rate=1.0,
            measured_s=measured_s or plan.measured_s,
            warm_up_s=plan.warm_up_s,
            deadline_s=deadline_ms / 1000.0,
            patience_s=10.0,
        ),
        limit_s=plan.limit_s,
        seeds=shuffled_seeds(seed, plan.seeds),
        watch=Watch(running.pid),
        say=say,
    )


def trial(
    peer: Peer, scenario: str, plan: Plan, *, number: int, before: Json | None, say: Say
) -> Json:
    """One A/B/A trial. before: Postern's last measurement in the previous trial."""
    seed = plan.seed + number
    # The same work is one engine's; another one rounds differently.
    with (
        RunningPeer(PEERS[OURS], plan.environments) as ours,
        RunningPeer(peer, plan.environments) as other,
    ):
        apart = check_same(ours, other)
    result = results.document(
        "trial",
        settings={
            "scenario": scenario,
            "texts": "made" if plan.data is None else "real",
            "peer": peer.name,
            "number": number,
            "measured_s": plan.measured_s,
            "warm_up_s": plan.warm_up_s,
            "seeds": plan.seeds,
            "limit_ms": plan.limit_s * 1000.0,
            "clients": plan.clients,
            "engine": plan.engine,
        },
        server=None,
    )
    ours_before = before or measure(plan.ours, scenario, plan, seed=seed, say=say)
    theirs = measure(peer, scenario, plan, seed=seed, say=say)
    ours_after = measure(plan.ours, scenario, plan, seed=seed, say=say)
    return result | {
        "probabilities_apart": apart,
        "ours": [ours_before, ours_after],
        "theirs": theirs,
        "ratios": ratios([ours_before, ours_after], theirs),
    }


def ratios(ours: Sequence[Json], theirs: Json) -> Json:
    """Postern's figures over the peer's; Postern's are the mean of before and after. Higher is
    better for rates, lower for the others. None if the peer has no such number. drift: Postern
    after over Postern before.
    """

    def ratio(read: Callable[[Json], float | None]) -> float | None:
        own, other = [read(one) for one in ours], read(theirs)
        values = [one for one in own if one is not None]
        return statistics.fmean(values) / other if other and len(values) == len(ours) else None

    before, after = (one["capacity"]["rate_rps"] for one in ours)
    found = {
        "rate": ratio(lambda one: one["capacity"]["rate_rps"]),
        "throughput": ratio(lambda one: one["closed"]["texts_per_s"]),
        "idle_p50": ratio(lambda one: (one["idle"]["latency_ms"] or {}).get("p50")),
        "cpu": ratio(lambda one: one["closed"]["server"]["cpu_s_per_1000_texts"]),
        "memory": ratio(lambda one: one["closed"]["server"]["memory_peak_bytes"]),
        "drift": after / before if before and after else None,
    }
    return {name: None if one is None else round(one, 4) for name, one in found.items()}


def ahead(
    peers: Sequence[Peer], scenarios: Sequence[str], *, plan: Plan, output: Path, say: Say = print
) -> None:
    """Finds Postern's highest rate, then measures each peer and Postern again at that rate; writes
    `ahead-<scenario>.json`. A peer that passes sustains Postern's rate or more; `run` says how
    much. A peer that fails gets a second try, as in `highest_rate`.
    """
    for scenario in scenarios:
        file = output / f"ahead-{scenario}.json"
        if file.exists():
            continue
        say(f"{scenario}: ours")
        found = measure(plan.ours, scenario, plan, seed=plan.seed, say=say)
        rate = found["capacity"]["rate_rps"]
        settings = {
            "scenario": scenario,
            "limit_ms": plan.limit_s * 1000.0,
            "rate_rps": rate,
            "engine": plan.engine,
        }
        result = results.document("ahead", settings=settings, server=None) | {"ours": found}
        if rate is not None:
            rows = {}
            for peer in (*peers, plan.ours):  # Postern last: has the machine changed?
                say(f"- {peer.name}, {scenario}, at {rate:g} per second")
                try:
                    rows[peer.name] = _at_rate(peer, scenario, plan, rate, say=say)
                except Exception as exc:  # try the next peer anyway
                    say(f"{scenario}, {peer.name}: FAILED: {exc}")
            result["at_that_rate"] = rows
        results.save(result, file)


def _at_rate(peer: Peer, scenario: str, plan: Plan, rate: float, *, say: Say) -> Json:
    """carries: whether one of two points is within the limit; also the shares of all points."""
    with RunningPeer(peer, plan.environments) as running:
        bench = bench_of(running, scenario, plan, seed=plan.seed + 2, say=say)
        # Half the rate first, so that a server's first seconds do not count.
        bench.at_rate(rate / 2.0)
        for _ in range(2):
            if results.passes(bench.at_rate(rate)):
                break
        points = bench.points[1:]
    return {"carries": results.passes(points[-1]), "points": points}


def compare(
    peers: Sequence[Peer],
    scenarios: Sequence[str],
    *,
    rounds: int,
    plan: Plan,
    output: Path,
    say: Say = print,
) -> None:
    """Run all trials that have no file below `output` yet; resumes a stopped comparison."""
    for number in range(rounds):
        for scenario in scenarios:
            before = None
            for peer in peers:
                file = output / f"{scenario}-{number}-{peer.name}.json"
                if file.exists():
                    before = None  # measured in an earlier run
                    continue
                say(f"{file.stem}:")
                try:
                    done = trial(peer, scenario, plan, number=number, before=before, say=say)
                except Exception as exc:  # try the next peer anyway
                    say(f"{file.stem}: FAILED: {exc}")
                    before = None
                    continue
                results.save(done, file)
                report.write(output)  # so that it can be stopped at any time
                say(f"{file.stem}: {done['ratios']}")
                before = done["ours"][1]
