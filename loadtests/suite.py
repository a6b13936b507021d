"""Takes all measurements of docs/research/performance.md and engines.md, most important first.

    python -m loadtests.suite --output runs/suite --data ../shared/data

Needs a machine that is idle for an hour. Each part has a time limit; a part that exceeds it is
ended and keeps its finished results. You can stop the suite at any time (Ctrl-C): each figure is
written as soon as it exists, and the same command resumes with the missing ones.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from loadtests.own_server import OwnServer, started
from loadtests.peers.model import ROOT

LIMIT_MS = 50.0
_ENDING_S = 120.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Suite:
    """scale: factor for all times; 1 for figures, far less for a trial. limit_ms: limit for the
    99th percentile with texts of real lengths.
    """

    output: Path
    data: Path | None
    environments: Path
    scale: float = 1.0
    limit_ms: float = LIMIT_MS

    def seconds(self, usual: float) -> str:
        return f"{max(1.0, usual * self.scale):.2f}"

    @property
    def with_data(self) -> list[str]:
        return [] if self.data is None else ["--data", str(self.data)]


@dataclass(frozen=True)
class Part:
    """minutes: time limit. commands: built when the part's turn comes, run in order; if all
    succeed, a file `<name>.done` tells the next run.
    """

    name: str
    minutes: float
    commands: Callable[[Suite, OwnServer | None], list[list[str]]]
    needs_server: bool = False


def _peers(suite: Suite, _: OwnServer | None) -> list[list[str]]:
    """A/B/A trials of Postern and each peer at the lengths of real prompts, closest peers first."""
    options = [*("--rounds", "1"), *_peer_options(suite, suite.limit_ms, 6.0)]
    return [_peers_command("run", suite, ["prompts"], options)]


def _lengths(suite: Suite, _: OwnServer | None) -> list[list[str]]:
    """Checks whether any peer sustains Postern's rate, at fixed and at real lengths, with and
    without a longer tail. The limit for short texts is 50 ms on every machine.
    """
    short, long = ["tokens-16", "tokens-64", "tokens-128"], ["prompts", "tail", "tokens-512"]
    return [
        _peers_command("ahead", suite, scenarios, _peer_options(suite, limit_ms, 5.0))
        for scenarios, limit_ms in ((short, LIMIT_MS), (long, suite.limit_ms))
    ]


def _peers_command(
    command: str, suite: Suite, scenarios: Sequence[str], options: Sequence[str]
) -> list[str]:
    return [
        *("-m", "loadtests.peers", command, "--output", str(suite.output / "peers")),
        *("--environments", str(suite.environments), "--scenarios", *scenarios),
        *("--peers", *_installed(suite), *options, *suite.with_data),
    ]


def _peer_options(suite: Suite, limit_ms: float, seconds: float) -> list[str]:
    return [
        *("--seeds", "1", "--precision", "0.1", "--limit-ms", f"{limit_ms:g}"),
        *("--seconds", suite.seconds(seconds), "--warm-up", suite.seconds(seconds / 3.0)),
    ]


def _installed(suite: Suite) -> list[str]:
    from loadtests.peers.launch import installed
    from loadtests.peers.registry import PEERS

    nearest_first = ("mosec", "infinity", "fastapi", "bentoml", "ray", "litserve")
    return [name for name in nearest_first if installed(PEERS[name], suite.environments)]


def _capacity(suite: Suite, server: OwnServer | None) -> list[list[str]]:
    """Measures the highest rate within the limit, and twice and five times that rate."""
    assert server is not None
    first = suite.output / "first-rate.json"
    common = ["--url", server.url, "--scenario", "prompts", "--seeds", "1", *suite.with_data]
    return [
        [
            *("-m", "loadtests", "closed", "--clients", "32", "--output", str(first), *common),
            *("--deadline-ms", "60000"),
            *("--seconds", suite.seconds(5.0), "--warm-up", suite.seconds(3.0)),
        ],
        [
            *("-m", "loadtests", "search", *common, "--start-from", str(first)),
            *("--seconds", suite.seconds(10.0), "--warm-up", suite.seconds(3.0)),
            *("--limit-ms", f"{suite.limit_ms:g}", "--overload", "2", "5"),
            *("--output", str(suite.output / "capacity.json")),
            *("--plot", str(suite.output / "capacity.png")),
        ],
    ]


def _bare(suite: Suite, _: OwnServer | None) -> list[list[str]]:
    """Compares a closed loop and an idle single request with the model without a server."""
    return [
        [
            *("-m", "loadtests.peers", "bare", "--output", str(suite.output / "bare")),
            *("--scenarios", "prompts", "tokens-16", "tokens-128", "--peers"),
            *("--seconds", suite.seconds(10.0), "--warm-up", suite.seconds(3.0)),
            *suite.with_data,
        ]
    ]


def _overhead(suite: Suite, _: OwnServer | None) -> list[list[str]]:
    return [
        [
            *("-m", "loadtests.overhead", "--seconds", suite.seconds(6.0), *suite.with_data),
            *("--output", str(suite.output / "overhead.json")),
        ]
    ]


def _engines(suite: Suite, _: OwnServer | None) -> list[list[str]]:
    count = max(8, int(200 * min(1.0, suite.scale)))
    data = None if suite.data is None else suite.data / "test/openai_moderation.jsonl.gz"
    return [
        [
            *("loadtests/engines.py", "--output", str(suite.output / "engines.json")),
            *("--plot", str(suite.output / "engines.png"), "--windows", str(count)),
            *("--accuracy-windows", str(count), "--rounds", "5" if suite.scale >= 1 else "1"),
            *([] if data is None else ["--data", str(data)]),
        ]
    ]


def _growth(*what: str) -> Callable[[Suite, OwnServer | None], list[list[str]]]:
    return lambda suite, _: [
        [
            *("-m", "loadtests.growth", *what, "--output", str(suite.output / "growth")),
            *("--seconds", suite.seconds(6.0), "--warm-up", suite.seconds(2.0)),
        ]
    ]


PARTS = (
    Part("peers", 18.0, _peers),
    Part("capacity", 5.0, _capacity, needs_server=True),
    Part("bare", 7.0, _bare),
    Part("overhead", 3.0, _overhead),
    Part("engines", 4.0, _engines),
    Part("growth", 4.0, _growth("lengths", "batches", "clients")),
    Part("processes", 2.0, _growth("processes")),
    Part("lengths", 20.0, _lengths),
)


def run_part(part: Part, suite: Suite, *, minutes: float, say: Say) -> bool:
    """Runs a part; returns whether all of it finished in time."""
    done = suite.output / f"{part.name}.done"
    if done.exists():
        say(f"{part.name}: done before")
        return True
    say(f"{part.name}: at most {minutes:.1f} minutes")
    ends = time.monotonic() + minutes * 60.0
    with ExitStack() as stack:
        server = stack.enter_context(started()) if part.needs_server else None
        for command in part.commands(suite, server):
            if not _run(command, seconds=ends - time.monotonic()):
                say(f"{part.name}: not finished; partial results are in {suite.output}")
                return False
    done.touch()
    return True


def _heed_interrupts() -> None:
    """Restores interrupts: a shell's background job ignores them, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run(command: Sequence[str], *, seconds: float) -> bool:
    """Runs a command; returns whether it succeeded in time. A late command is interrupted, so that
    it can end its servers and keep its results.
    """
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=sys.stderr,
        start_new_session=True,  # so that Ctrl-C reaches the command once, from here
        preexec_fn=_heed_interrupts,
    )
    try:
        return process.wait(max(1.0, seconds)) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_ENDING_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if all parts finished."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = [part.name for part in PARTS]
    add("--output", type=Path, default=ROOT / "runs/suite", help="folder; created if missing")
    add("--data", type=Path, help="folder of rows; texts are generated if not given")
    add(
        *("--environments",),
        type=Path,
        default=ROOT / ".cache/peers",
        help="environments of the peers: a folder, or a path with {name} for the peer's name",
    )
    add("--parts", nargs="+", choices=names, default=names)
    add("--minutes", type=float, default=65.0, help="time limit for the whole suite")
    add(
        *("--limit-ms",),
        type=float,
        default=LIMIT_MS,
        help="limit for the 99th percentile at real lengths; must exceed the time of one long text",
    )
    add("--scale", type=float, default=1.0, help="factor for all times")
    asked = parser.parse_args(arguments)
    suite = Suite(
        asked.output.absolute(),
        None if asked.data is None else asked.data.absolute(),
        asked.environments,
        asked.scale,
        asked.limit_ms,
    )
    suite.output.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + asked.minutes * 60.0
    took: dict[str, float] = {}
    finished = True
    for part in (one for one in PARTS if one.name in asked.parts):
        left = (ends - time.monotonic()) / 60.0
        if left <= 0.0:
            _say(f"{part.name}: no time left")
            finished = False
            continue
        began = time.monotonic()
        finished &= run_part(part, suite, minutes=min(part.minutes, left), say=_say)
        took[part.name] = round((time.monotonic() - began) / 60.0, 2)
    _say(f"minutes: {json.dumps(took)}")
    return 0 if finished else 1


def _say(text: str) -> None:
    print(f"suite: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
