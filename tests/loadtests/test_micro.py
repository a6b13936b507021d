"""The micro-benchmarks run, and each has a ratio to the reference. What it is, nobody asserts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server_process import HANG_S, ROOT

_QUICK = ["--benchmark-min-rounds=1", "--benchmark-max-time=0.01", "--benchmark-warmup=off"]


@pytest.mark.slow
def test_every_part_has_a_ratio(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "loadtests/micro"]
    done = subprocess.run(
        [*command, *_QUICK, f"--benchmark-json={output}"],
        cwd=ROOT,
        # Or it would take itself for a process of ours, in which nothing is timed.
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    ratios = {
        one["name"]: one["extra_info"]["ratio_to_reference"]
        for one in json.loads(output.read_text())["benchmarks"]
    }
    assert ratios.pop("test_reference") == 1.0
    parts = {name.partition("[")[0] for name in ratios}
    assert parts == {
        *("test_tokenizing", "test_session", "test_batching", "test_parsing"),
        *("test_http_path_without_the_model", "test_whole_request"),
    }
    assert all(ratio > 0.0 for ratio in ratios.values())
    assert "ratio of each median" in done.stdout
