"""Compares Postern with other servers.

    python -m loadtests.peers install            # an environment for each, below .cache/peers
    python -m loadtests.peers smoke              # checks answers and probabilities
    python -m loadtests.peers run --output runs/peers
    python -m loadtests.peers rates --output runs/peers   # the highest rate of each, long points
    python -m loadtests.peers ahead --output runs/peers   # offers peers Postern's rate
    python -m loadtests.peers report runs/peers

`run` resumes a stopped comparison and does not repeat a trial whose file exists. One trial measures
Postern, the peer, and Postern again; only ratios within a trial are compared.
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests.peers import bare, rates, report
from loadtests.peers.compare import Plan, ahead, check_same, compare
from loadtests.peers.launch import RunningPeer, environment_of, installed, kill_descendants
from loadtests.peers.model import ENGINES, ROOT
from loadtests.peers.registry import OURS, PEERS, Peer

_OTHERS = [name for name in PEERS if name != OURS]
_SCENARIOS = ["prompts", "tokens-16", "tokens-64", "tokens-128", "tokens-512", "tail"]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    if asked.command == "report":
        print(report.write(asked.folder), end="")
        return 0
    peers = [PEERS[name] for name in asked.peers]
    if asked.command == "install":
        for peer in peers:
            install(peer, asked.environments)
        return 0
    missing = [peer.name for peer in peers if not installed(peer, asked.environments)]
    if missing:
        _say(f"not installed: {' '.join(missing)}; run `python -m loadtests.peers install` first")
        return 2
    if asked.command == "smoke":
        return smoke(peers, asked.environments)
    plan = _plan(asked)
    if asked.command == "bare":
        for scenario in asked.scenarios:
            bare.compare(scenario, plan, asked.output, say=_say)
        return 0
    if asked.command == "rates":
        rates.write(
            peers,
            asked.scenarios,
            plan=plan,
            long_s=asked.long_seconds,
            rounds=asked.rounds,
            output=asked.output,
            say=_say,
        )
        return 0
    if asked.command == "ahead":
        ahead(peers, asked.scenarios, plan=plan, output=asked.output, say=_say)
        return 0
    try:
        compare(
            peers, asked.scenarios, rounds=asked.rounds, plan=plan, output=asked.output, say=_say
        )
    except KeyboardInterrupt:
        _say("stopped; results are kept, and the same command resumes the comparison")
    try:
        print(report.write(asked.output), end="")
    except FileNotFoundError:
        _say("no trial was finished")
        return 1
    return 0


def install(peer: Peer, environments: Path) -> None:
    """Creates the peer's environment unless its pinned requirements are already installed."""
    folder = environment_of(peer, environments)
    made_from = folder / "made-from"
    digest = hashlib.sha256(peer.requirements.read_bytes()).hexdigest()
    if made_from.exists() and made_from.read_text() == digest:
        return
    _say(f"{peer.name}: installing")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "-r", str(peer.requirements)], check=True)
    made_from.write_text(digest)  # last, so that a partial environment does not count as complete


def smoke(peers: Sequence[Peer], environments: Path) -> int:
    """Returns 0 if each peer starts and gives our probabilities, else 1."""
    failed = 0
    with RunningPeer(PEERS[OURS], environments) as ours:
        for peer in peers:
            try:
                with RunningPeer(peer, environments) as other:
                    print(f"{peer.name}: probabilities within {check_same(ours, other):.1e}")
            except Exception as exc:  # try the next peer anyway
                print(f"{peer.name}: FAILED: {exc}")
                failed += 1
    return 1 if failed else 0


def _plan(asked: argparse.Namespace) -> Plan:
    return Plan(
        environments=asked.environments,
        data=asked.data,
        measured_s=asked.seconds,
        warm_up_s=asked.warm_up,
        seeds=asked.seeds,
        limit_s=asked.limit_ms / 1000.0,
        precision=asked.precision,
        clients=asked.clients,
        seed=asked.seed,
        engine=asked.engine,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("install", "create environments with pinned requirements"),
        ("smoke", "check that peers answer, and with the same probabilities"),
        ("run", "run the whole comparison"),
        ("rates", "find the highest rate of each server, by long points in turns"),
        ("ahead", "check whether any peer sustains Postern's rate"),
        ("bare", "compare Postern with the model without a server"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--peers", nargs="*", choices=_OTHERS, default=_OTHERS)
        command.add_argument(
            *("--environments",),
            type=Path,
            default=ROOT / ".cache/peers",
            help="folder of environments, or a path in which {name} stands for the peer's name",
        )
        if name in ("run", "rates", "ahead", "bare"):
            _add_measuring(command)
        if name == "rates":
            command.add_argument(
                "--long-seconds", type=float, default=60.0, help="of the points that count"
            )
    one = commands.add_parser("report", help="write table and plots of the measurements")
    one.add_argument("folder", type=Path)
    return parser


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--output", type=Path, default=ROOT / "runs/peers", help="folder of the trials")
    add("--scenarios", nargs="+", choices=_SCENARIOS, default=_SCENARIOS)
    add("--rounds", type=int, default=3, help="number of repetitions")
    add("--data", type=Path, help="folder of rows; texts are generated if not given")
    add("--seconds", type=float, default=10.0, help="measured seconds for each rate and seed")
    add("--warm-up", type=float, default=4.0)
    add("--seeds", type=int, default=2, help="seeds of each rate within one trial")
    add("--limit-ms", type=float, default=50.0)
    add("--precision", type=float, default=0.05)
    add("--clients", type=int, default=32, help="clients of the closed loop")
    add("--seed", type=int, default=0)
    add("--engine", choices=ENGINES, default=ENGINES[0], help="of Postern, and of the bare model")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # this also stops the servers
    try:
        sys.exit(main())
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not end the killing
        kill_descendants()
