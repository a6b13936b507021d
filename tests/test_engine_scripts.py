"""The measuring scripts for engines and cards run; what they measure here means nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server_process import ROOT


def run_script(name: str, *arguments: object, output: Path) -> dict[str, object]:
    command = [sys.executable, f"loadtests/{name}", *map(str, arguments), "--output", str(output)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return dict(json.loads(output.read_text()))


@pytest.mark.slow
def test_engines_are_compared_with_their_accuracy(tiny_artifact: Path, tmp_path: Path) -> None:
    data = tmp_path / "prompts.jsonl"
    prompts = ["read a book " * n for n in range(1, 25)] + ["a bomb"]
    data.write_text("".join(json.dumps({"prompt": one}) + "\n" for one in prompts))
    found = run_script(
        "engines.py",
        *("--data", data, "--artifact", tiny_artifact, "--rounds", 2, "--cores", 2),
        output=tmp_path / "engines.json",
    )
    rows = {row["candidate"]: row for row in found["rows"]}  # type: ignore[attr-defined]
    assert rows["ort-int8, 1x2, 2048"]["speed_ratio"] == [1.0, 1.0, 1.0]
    assert {"ort-int8, 2x1, 512", "ort-int8, 2x1, 2048"} <= rows.keys()
    # The tiny student is not quantized, so its float graph is itself.
    assert rows["ort-float, 2x1, 512"]["to_float"] <= 1e-5
    assert "ov-int8-bf16, 2x1, 512" in rows
    assert all(row["may_serve"] for row in rows.values())


@pytest.mark.slow
def test_the_card_script_compares_like_with_like(tmp_path: Path) -> None:
    found = run_script(
        "gpu.py",
        *("--device", "cpu", "--layers", 2, "--hidden", 32, "--heads", 2, "--vocabulary", 200),
        *("--tokens", 16, "--repeats", 2, "--bound-ms", 600_000),
        output=tmp_path / "gpu.json",
    )
    assert found["largest_difference"] <= 1e-4  # type: ignore[operator]
    assert found["postern, first round"]["texts_per_s"] > 0.0  # type: ignore[index]
