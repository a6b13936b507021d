"""Load tests against a running server.

    python -m loadtests run --url http://127.0.0.1:8000 --rates 5 10 20
    python -m loadtests search --url http://127.0.0.1:8000 --scenario prompts
    python -m loadtests closed --url http://127.0.0.1:8000 --clients 1 8 64
    python -m loadtests fuzz --url http://127.0.0.1:8000
    python -m loadtests plot result.json result.png

`run` measures a ladder of fixed rates. `search` finds the highest rate at which 99 % of all
requests get their verdict within the limit, then measures throughput at multiples of that rate.
Both send Poisson arrivals and count latency from the scheduled time. `closed` measures throughput.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests import results
from loadtests.bench import DEADLINE_HEADER, Bench, server_info, shuffled_seeds
from loadtests.client import Target
from loadtests.driver import Load
from loadtests.scenarios import SCENARIOS, requests
from loadtests.texts import texts
from loadtests.watch import Watch, listener_pid


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 if the server's counters disagree with the client's or nothing was answered."""
    asked = _parser().parse_args(arguments)
    if asked.command == "fuzz":
        from loadtests.fuzz import fuzz

        return fuzz(asked.url, seconds=asked.seconds, examples=asked.examples)
    if asked.command == "plot":
        from loadtests.plot import latency_plot

        latency_plot(json.loads(asked.result.read_text()), asked.picture)
        return 0
    bench = _bench(asked)
    result = results.document(
        asked.command, settings=_settings(asked), server=server_info(bench.target)
    )
    result["points"] = bench.points
    try:
        _measure(bench, result, asked)
    except KeyboardInterrupt:
        _say("stopped; the results so far are written")
        _write(result, asked)
        return 130
    _write(result, asked)
    answered = any(point["latency_ms"] for point in bench.points)
    agreed = not any(point["counts"]["differences"] for point in bench.points)
    return 0 if answered and agreed else 1


def _measure(bench: Bench, result: dict[str, Any], asked: argparse.Namespace) -> None:
    if asked.command == "run":
        for rate in asked.rates:
            bench.at_rate(rate)
    elif asked.command == "closed":
        for clients in asked.clients:
            bench.with_clients(clients)
    else:
        result["capacity"] = bench.capacity(
            start=_first_rate(asked), overload=asked.overload, precision=asked.precision
        )
        _say(json.dumps(result["capacity"]))


def _first_rate(asked: argparse.Namespace) -> float:
    """Half of a closed loop's throughput if its result is given."""
    if asked.start_from is None:
        return float(asked.start)
    points = json.loads(asked.start_from.read_text())["points"]
    return max([0.5, *(0.5 * float(point["requests_per_s"]) for point in points)])


def _write(result: dict[str, Any], asked: argparse.Namespace) -> None:
    if asked.output is None:
        print(json.dumps(result, indent=2))
    else:
        results.save(result, asked.output)
    if asked.plot is not None:
        from loadtests.plot import latency_plot  # loads for a second

        latency_plot(result, asked.plot)


def _bench(asked: argparse.Namespace) -> Bench:
    headers = dict(one.split(": ", 1) for one in asked.header)
    headers[DEADLINE_HEADER] = str(asked.deadline_ms)
    pid = listener_pid(asked.url) if asked.pid is None else asked.pid
    load = Load(
        rate=1.0,
        measured_s=asked.seconds,
        warm_up_s=asked.warm_up,
        deadline_s=asked.deadline_ms / 1000.0,
        patience_s=asked.deadline_ms / 1000.0 + asked.patience,
        max_connections=asked.connections,
    )
    return Bench(
        target=Target(asked.url, headers),
        requests=requests(asked.scenario, texts(asked.data, seed=asked.seed), seed=asked.seed),
        load=load,
        limit_s=asked.limit_ms / 1000.0,
        seeds=shuffled_seeds(asked.seed, asked.seeds),
        watch=Watch(pid),
        say=_say,
    )


def _settings(asked: argparse.Namespace) -> dict[str, Any]:
    """The settings that repeat a run, without paths and without headers, which may hold keys."""
    return {
        "scenario": asked.scenario,
        "texts": "made" if asked.data is None else "real",
        "seed": asked.seed,
        "seeds": asked.seeds,
        "measured_s": asked.seconds,
        "warm_up_s": asked.warm_up,
        "deadline_ms": asked.deadline_ms,
        "limit_ms": asked.limit_ms,
        "max_connections": asked.connections,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure a ladder of fixed rates")
    run.add_argument("--rates", type=float, nargs="+", default=[5.0, 10.0, 20.0])
    search = commands.add_parser("search", help="find the highest rate within the limit")
    search.add_argument("--start", type=float, default=20.0, help="first rate to try")
    search.add_argument(
        "--start-from", type=Path, help="begin with half the throughput of this closed loop"
    )
    search.add_argument(
        "--precision", type=float, default=0.05, help="relative precision of the rate found"
    )
    search.add_argument("--overload", type=float, nargs="*", default=[2.0, 5.0])
    closed = commands.add_parser(
        "closed", help="measure this many clients, each with one request at a time"
    )
    closed.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    for command in (run, search, closed):
        _add_common(command)
    fuzz = commands.add_parser(
        "fuzz", help="send valid and invalid requests generated from the OpenAPI document"
    )
    fuzz.add_argument("--url", required=True)
    fuzz.add_argument("--seconds", type=int, default=1800, help="time limit; default 1800")
    fuzz.add_argument("--examples", type=int, default=5000, help="most requests for each operation")
    plot = commands.add_parser("plot", help="plot a result again")
    plot.add_argument("result", type=Path)
    plot.add_argument("picture", type=Path)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--url", default="http://127.0.0.1:8000")
    add("--scenario", choices=sorted(SCENARIOS), default="prompts")
    add("--data", type=Path, help="folder of rows; texts are generated if not given")
    add("--seconds", type=float, default=120.0, help="measured seconds for each rate and seed")
    add("--warm-up", type=float, default=60.0, help="warm-up seconds for each rate and seed")
    add("--seed", type=int, default=0, help="seed of texts and arrivals")
    add("--seeds", type=int, default=3, help="number of measurements of each rate")
    add("--limit-ms", type=float, default=50.0, help="limit for the 99th percentile")
    add("--deadline-ms", type=int, default=1000, help="deadline sent with each request")
    add("--patience", type=float, default=30.0, help="seconds to wait after the deadline")
    add("--connections", type=int, default=1024, help="largest number of open connections")
    add("--pid", type=int, help="process id of the server; found automatically on the same machine")
    add("--header", action="append", default=[], help="such as 'X-API-Key: …'; may be repeated")
    add("--output", type=Path, help="JSON; standard output if not given")
    add("--plot", type=Path, help="PNG or SVG")


if __name__ == "__main__":
    sys.exit(main())
