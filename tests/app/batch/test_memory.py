"""A worker's memory does not grow with the rows. The model's own is bounded by its batches; what is
around it is run here. `python tests/app/batch/test_memory.py 1000000` judges more rows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from postern.batch.part import judge_shard
from postern.batch.plan import Reading, planned

ROWS = 60_000
_VERDICT = {
    "harmful": False,
    "probability": 0.25,
    "threshold": 0.5,
    "operating_point": "balanced",
    "decided_by": "student",
    "deferred": False,
    "degraded": False,
    "language": "en",
    "language_supported": True,
    "tokens": 5,
    "windows": 1,
    "categories": [],
}


class _AtOnce:
    """A judge without a model."""

    identity = {"name": "none", "version": "0", "sha256": ""}  # noqa: RUF012

    def verdicts(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        return [_VERDICT if row.exchange else {"error": row.error} for row in rows]


def measure(rows: int, folder: Path) -> list[int]:
    """Highest memory in KiB after each tenth of the rows."""
    source = folder / "in.jsonl"
    with source.open("w") as file:
        for number in range(rows):
            file.write(json.dumps({"prompt": f"how to bake cake number {number}"}) + "\n")
    reading = Reading(limit_bytes=1 << 20)
    plan = planned([source], reading, shard_records=5000)
    peaks: list[int] = []
    judged = 0
    for shard in plan.shards:
        done = judge_shard(_AtOnce(), shard, reading, folder)  # type: ignore[arg-type]
        judged += done.rows
        (folder / done.attempt).unlink()
        if judged >= (len(peaks) + 1) * rows // 10:
            peaks.append(_peak_kib())
    assert judged == rows
    return peaks


def _peak_kib() -> int:
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def test_memory_does_not_grow_with_the_rows() -> None:
    command = [sys.executable, __file__, str(ROWS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    peaks = json.loads(done.stdout)
    assert len(peaks) == 10
    assert peaks[-1] - peaks[1] < 8 * 1024  # KiB


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(measure(int(sys.argv[1]), Path(made))))
