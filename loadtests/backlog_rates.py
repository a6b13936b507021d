"""Rows per second of `postern classify --jsonl` beside `deploy/ray/score.py`, with 1 and 2 workers.

    python -m loadtests.backlog_rates --ray-python .cache/ray/bin/python --rows 20000

Each is a whole run, start and end included, in turn; `--rounds` repeats them. `steady` leaves the
start out: it is the rate between a run of all rows and one of a tenth of them. The texts have
16 tokens. Rates belong to one machine; compare the ratios within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from loadtests import results
from loadtests.peers.model import ROOT
from loadtests.texts import MadeTexts

_TOKENS = 16
# A worker judges whole shards, so each run must have many times more of them than workers.
_SHARD_ROWS = 500
_WORKERS = (1, 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ray-python", type=Path, required=True, help="a Python that has Ray")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--artifact", type=Path, help="default: the one that ships")
    parser.add_argument("--output", type=Path, help="JSON; standard output if not given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = _measure(asked, Path(made))
    document = {"machine": results.machine(), "rows": asked.rows, "runs": found}
    results.tell(document, asked.output)
    return 0


def _measure(asked: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    texts = MadeTexts(0)
    sources = {}
    for rows in (asked.rows // 10, asked.rows):
        sources[rows] = folder / f"{rows}.jsonl"
        lines = (json.dumps({"prompt": texts.of_length(_TOKENS)}) + "\n" for _ in range(rows))
        sources[rows].write_text("".join(lines))
    given = [] if asked.artifact is None else ["--artifact", str(asked.artifact.absolute())]
    found = []
    for number in range(asked.rounds):
        for program in ("classify", "ray"):
            for workers in _WORKERS:
                runs = {}
                for rows, source in sources.items():
                    target = folder / f"{program}-{workers}-{rows}-{number}"
                    command = _command(program, source, target, workers, asked.ray_python)
                    runs[rows] = _timed([*command, *given])
                (few, short), (many, whole) = sorted(runs.items())
                one = {
                    "program": program,
                    "workers": workers,
                    "rows_per_s": round(many / whole, 1),
                    "steady_rows_per_s": round((many - few) / (whole - short), 1),
                }
                print(one, file=sys.stderr, flush=True)
                found.append(one)
    return found


def _command(program: str, source: Path, target: Path, workers: int, ray: Path) -> list[str]:
    if program == "ray":
        script = str(ROOT / "deploy" / "ray" / "score.py")
        given = ["--output", str(target), "--shard-rows", str(_SHARD_ROWS)]
        return [str(ray), script, str(source), *given, "--workers", str(workers)]
    given = ["--jsonl", str(source), "--output", str(target), "--workers", str(workers)]
    return [sys.executable, "-m", "postern", "classify", *given]


def _timed(command: list[str]) -> float:
    # Ray lets its workers give way to everything else.
    environment = os.environ | {"PYTHONPATH": str(ROOT / "app"), "RAY_worker_niceness": "0"}
    began = time.monotonic()
    subprocess.run(command, env=environment, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
