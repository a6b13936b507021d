"""How many replicas behind which load balancer: simulated with the server's own admission.

    python -m loadtests.fleet simulate --output runs/fleet.json
    python -m loadtests.fleet plot runs/fleet.json docs/images/fleet.png
    python -m loadtests.fleet confirm --replicas 2 4 --output runs/fleet-real.json
    python -m loadtests.fleet.service        # measures the service times again

`simulate` writes after every point, and skips the points that the file has already. `confirm` runs
real servers behind a real HAProxy; their model sleeps for the measured times, or is the real one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from loadtests.fleet.balancers import BALANCERS
from loadtests.fleet.service import ServiceTimes, load
from loadtests.fleet.simulation import Fleet, capacity, run

SIZES: Final = (2, 4, 10, 30, 100, 300, 1000)
SHARES: Final = (0.5, 0.9, 1.2)
# Enough requests for a 99th percentile, and enough time for queues to find their length.
_REQUESTS: Final = 4000
# By share of the capacity. An overloaded queue needs seconds to become as long as admission allows.
_SHORTEST_S: Final = {0.5: 3.0, 0.9: 5.0, 1.2: 8.0}
_WARM_UP_SHARE: Final = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    if asked.command == "plot":
        from loadtests.fleet.plot import fleet_plot

        fleet_plot(json.loads(asked.result.read_text()), asked.picture)
    elif asked.command == "confirm":
        from loadtests.fleet.confirm import confirm

        asked.output.write_text(json.dumps(confirm(asked), indent=2) + "\n")
    else:
        _simulate(asked)
    return 0


def _simulate(asked: argparse.Namespace) -> None:
    times = ServiceTimes(load())
    if asked.output.exists():
        result: dict[str, Any] = json.loads(asked.output.read_text())
    else:
        result = {"capacity": round(capacity(times), 3), "deadline_ms": 1000, "points": []}
    done = {(one["replicas"], one["balancer"], one["share"]) for one in result["points"]}
    for replicas in asked.replicas:
        for share in SHARES:
            for balancer in BALANCERS:
                if (replicas, balancer, share) in done:
                    continue
                wanted = _REQUESTS / (share * result["capacity"] * replicas)
                seconds = max(asked.time * _SHORTEST_S[share], wanted / (1.0 - _WARM_UP_SHARE))
                warm_up_s = _WARM_UP_SHARE * seconds
                fleet = Fleet(replicas, balancer, share, result["capacity"], seconds, warm_up_s)
                point = run(fleet, times).document(fleet)
                print(point, file=sys.stderr, flush=True)
                result["points"].append(point)
                asked.output.parent.mkdir(parents=True, exist_ok=True)
                asked.output.write_text(json.dumps(result, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.fleet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    simulated = commands.add_parser("simulate", help="simulate fleets of all sizes")
    simulated.add_argument("--replicas", type=int, nargs="+", default=list(SIZES))
    simulated.add_argument(
        "--time", type=float, default=1.0, help="multiplies the simulated seconds of large fleets"
    )
    simulated.add_argument("--output", type=Path, required=True, help="JSON")
    plot = commands.add_parser("plot", help="plot a result of `simulate`")
    plot.add_argument("result", type=Path)
    plot.add_argument("picture", type=Path, help="PNG or SVG")
    real = commands.add_parser("confirm", help="real servers behind HAProxy, and the simulation")
    real.add_argument("--replicas", type=int, nargs="+", default=[2, 4])
    real.add_argument("--shares", type=float, nargs="+", default=list(SHARES))
    real.add_argument("--model", choices=("sleeping", "real"), default="sleeping")
    real.add_argument("--scale", type=float, default=1.0, help="multiplies the service times")
    real.add_argument("--seconds", type=float, default=60.0, help="of each point")
    real.add_argument("--output", type=Path, required=True, help="JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
