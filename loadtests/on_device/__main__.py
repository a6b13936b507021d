"""`python -m loadtests.on_device COMMAND`; `on_device/` must be built."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from postern.contract.artifact import read_artifact
from postern.shipped import DEFAULT_ARTIFACT

from loadtests.on_device import cost, cost_tables, parity, processor
from loadtests.on_device.engines import ENGINES, PACKAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loadtests.on_device", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    agreement = commands.add_parser(
        "parity", help="margins beside the server's, over the test sets; goes on where it was ended"
    )
    agreement.add_argument("--data", type=Path, required=True)
    agreement.add_argument("--engine", choices=ENGINES, required=True)
    agreement.add_argument("--limit", type=int, default=sys.maxsize, help="only so many exchanges")
    agreement.add_argument("--to", type=Path, default=Path("runs/on_device"), help="folder to keep")
    costs = commands.add_parser(
        "cost", help="bytes, cold start, latency and memory in Chromium, beside the server"
    )
    costs.add_argument("--rounds", type=int, default=5)
    costs.add_argument("--slowdown", type=float, nargs="+", default=[1.0, 4.0, 6.0])
    costs.add_argument(
        "--transformers", type=Path, help="node_modules that hold @huggingface/transformers"
    )
    costs.add_argument("--output", type=Path, help="JSON file of the figures, to add to")
    commands.add_parser("processor", help="processor time in Node beside the server's session")
    smaller = commands.add_parser(
        "four-bits", help="how far margins move with word embeddings in four bits"
    )
    smaller.add_argument("--data", type=Path, required=True)
    smaller.add_argument("--exchanges", type=int, default=400)
    smaller.add_argument("--block", type=int, default=128, help="columns that share a scale")
    for command in commands.choices.values():
        command.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT)
        command.add_argument("--package", type=Path, default=PACKAGE, help="the built on_device/")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    if asked.command == "parity":
        exchanges = parity.measured_exchanges(asked.data)
        figures = parity.measure(
            asked.engine, asked.package, asked.artifact, exchanges, limit=asked.limit, to=asked.to
        )
        print(json.dumps(figures, indent=2))
    elif asked.command == "cost":
        known = asked.output is not None and asked.output.exists()
        figures = cost.measure(
            asked.package,
            asked.artifact,
            asked.transformers,
            rounds=asked.rounds,
            slowdowns=asked.slowdown,
            known=json.loads(asked.output.read_text()) if known else None,
        )
        if asked.output is not None:
            asked.output.parent.mkdir(parents=True, exist_ok=True)
            asked.output.write_text(json.dumps(figures, indent=2) + "\n")
        print(cost_tables.tables(figures))
    elif asked.command == "four-bits":
        from loadtests.on_device import four_bits  # onnx, which the others do not need

        exchanges = four_bits.development_exchanges(asked.data, asked.exchanges)
        moved = four_bits.measure(read_artifact(asked.artifact), exchanges, asked.block)
        print(json.dumps(moved, indent=2))
    else:
        print(processor.table(asked.package, asked.artifact))
    return 0


if __name__ == "__main__":
    sys.exit(main())
