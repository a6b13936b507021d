"""Memory of `deploy/ray/score.py` with the real model, while it judges many rows.

    python -m loadtests.backlog_memory --ray-python .cache/ray/bin/python --rows 1000000

Every two seconds it notes the own memory (`RssAnon`) of each process below the job, and keeps the
highest of each tenth of the rows. Memory that grows with the rows would rise from line to line.
Ray's object store is left out: it holds names of shards, and no rows.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from loadtests import results
from loadtests.peers.model import ROOT
from loadtests.texts import MadeTexts

_EVERY_S: Final = 2.0
_TENTHS: Final = 10
_SHARD_ROWS: Final = 5000
_SESSION: Final = "ray::MapWorker"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ray-python", type=Path, required=True, help="a Python that has Ray")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tokens", type=int, default=8, help="of each text")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, help="JSON; standard output if not given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = _measure(asked, Path(made))
    document = {"machine": results.machine(), "rows": asked.rows, "tokens": asked.tokens} | found
    results.tell(document, asked.output)
    return 0


def _measure(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    texts = MadeTexts(0)
    source, target = folder / "in.jsonl", folder / "out"
    with source.open("w") as file:
        for _ in range(asked.rows):
            file.write(json.dumps({"prompt": texts.of_length(asked.tokens)}) + "\n")
    command = [str(asked.ray_python), str(ROOT / "deploy" / "ray" / "score.py"), str(source)]
    command += ["--output", str(target), "--workers", str(asked.workers)]
    command += ["--shard-rows", str(_SHARD_ROWS)]
    # Ray lets its workers give way to everything else.
    environment = os.environ | {"PYTHONPATH": str(ROOT / "app"), "RAY_worker_niceness": "0"}
    peaks: dict[int, dict[str, int]] = defaultdict(dict)
    began = time.monotonic()
    with subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL) as job:
        while job.poll() is None:
            tenth = min(_TENTHS, 1 + _judged(target) * _TENTHS // asked.rows)
            for name, mib in _memory(_below(job.pid)).items():
                peaks[tenth][name] = max(mib, peaks[tenth].get(name, 0))
            time.sleep(_EVERY_S)
    if job.returncode:
        raise RuntimeError(f"the job ended with {job.returncode}")
    took = time.monotonic() - began
    rows = json.loads((target / "manifest.json").read_text())["rows"]
    lines = [{"tenth": tenth, "mib": dict(sorted(peaks[tenth].items()))} for tenth in sorted(peaks)]
    return {"judged": rows, "seconds": round(took, 1), "peaks": lines}


def _judged(target: Path) -> int:
    """Rows of committed shards."""
    try:
        return max(0, (target / "progress.jsonl").read_bytes().count(b"\n") - 1) * _SHARD_ROWS
    except FileNotFoundError:
        return 0


def _below(pid: int) -> Iterator[int]:
    """The process and all that it started, directly or not."""
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _below(int(child))
    except OSError:  # it has ended meanwhile
        return


def _memory(pids: Iterable[int]) -> dict[str, int]:
    """MiB of each session, and of all other processes together."""
    found: dict[str, int] = defaultdict(int)
    sessions = 0
    for pid in sorted(pids):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        match = re.search(r"RssAnon:\s*(\d+) kB", status)
        own = int(match[1]) // 1024 if match else 0
        if line.startswith(_SESSION):
            sessions += 1
            found[f"session {sessions}"] = own
        else:
            found["other processes"] += own
    return found


if __name__ == "__main__":
    sys.exit(main())
