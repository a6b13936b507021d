"""Measures what deferring a share of the traffic to a teacher in the same process costs.

    python -m loadtests.deferral_cost --data ../shared/data --output runs/deferral.json

One server for each share, one after the other, in each of some rounds: prompts of real lengths in a
closed loop, and at a rate. The teacher has no limit beside the student here
(`POSTERN_TEACHER_BESIDE_SHARE=1`), because with one it is not asked under load. Compare only the
shares of one run. Use an idle machine.
"""

from __future__ import annotations

import argparse
import re
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from loadtests import results
from loadtests.bench import DEADLINE_HEADER, Bench
from loadtests.client import Target
from loadtests.driver import Load
from loadtests.own_server import OwnServer, started
from loadtests.peers.model import ROOT
from loadtests.scenarios import requests
from loadtests.texts import texts
from loadtests.watch import Watch

Json = dict[str, Any]
TEACHER: Final = ROOT / "artifacts/postern-mpnet/1.0.0"
_DEADLINE_MS: Final = 10_000


def settings_for(share: float, teacher: Path) -> Json:
    """Settings of a server that defers this share of its traffic. A share of 0 needs no teacher."""
    if not share:
        return {}
    return {
        "teacher_artifacts": teacher,
        "teacher_mode": "budget",
        "teacher_budget_share": share,
        "teacher_max_share": 1.0,
        "teacher_beside_share": 1.0,
        "teacher_audit_share": 0.0,
        "teacher_timeout_ms": _DEADLINE_MS,
    }


def measure(share: float, asked: argparse.Namespace, *, seed: int) -> Json:
    with started(**settings_for(share, asked.teacher)) as server:
        bench = Bench(
            target=Target(server.url, {DEADLINE_HEADER: str(_DEADLINE_MS)}),
            requests=requests("prompts", texts(asked.data, seed=seed), seed=seed),
            load=Load(
                rate=1.0,
                measured_s=asked.seconds,
                warm_up_s=asked.warm_up,
                deadline_s=_DEADLINE_MS / 1000.0,
                patience_s=10.0,
            ),
            limit_s=asked.limit_ms / 1000.0,
            seeds=[seed],
            watch=Watch(server.pid),
            say=lambda line: print(f"{share:g}: {line}", file=sys.stderr, flush=True),
        )
        # First, because the server defers nothing before it knows 200 texts.
        closed = bench.with_clients(asked.clients)
        before = opinions(server)
        at_rate = bench.at_rate(asked.rate)
        after = opinions(server)
        return {
            "share": share,
            "closed": closed,
            "closed_opinions": before,
            "at_rate": at_rate,
            "at_rate_opinions": {name: after[name] - before.get(name, 0) for name in after},
        }


def opinions(server: OwnServer) -> dict[str, int]:
    """Questions to the teacher so far, by what became of them."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30.0) as reply:
        text = reply.read().decode()
    found: dict[str, int] = {}
    for outcome, count in re.findall(
        r'^postern_deferrals_total{outcome="(\w+)",reason="\w+"} (\S+)$', text, re.M
    ):
        found[outcome] = found.get(outcome, 0) + int(float(count))
    return found


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--shares", type=float, nargs="+", default=[0.0, 0.05, 0.1, 0.2])
    add("--teacher", type=Path, default=TEACHER, help="artifact of the teacher")
    add("--data", type=Path, help="folder of rows; texts are generated if not given")
    add("--rate", type=float, default=30.0, help="requests per second of the open loop")
    add("--clients", type=int, default=32, help="of the closed loop")
    add("--seconds", type=float, default=20.0)
    add("--warm-up", type=float, default=4.0)
    add("--limit-ms", type=float, default=250.0)
    add("--rounds", type=int, default=3)
    add("--output", type=Path, required=True)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    found: Json = results.document(
        "deferral",
        settings={"rate": asked.rate, "seconds": asked.seconds, "clients": asked.clients},
        server=None,
    ) | {"rounds": []}
    for number in range(asked.rounds):
        found["rounds"].append([measure(one, asked, seed=number) for one in asked.shares])
        results.save(found, asked.output)  # a stopped run keeps its rounds
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
