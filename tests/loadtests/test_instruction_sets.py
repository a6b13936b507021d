"""Speed under a limit of instructions: real engines, each in a process that knows its limit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.instruction_sets import SHAPES, candidates, main, measure

pytestmark = pytest.mark.slow


def test_every_candidate_runs(capsys: pytest.CaptureFixture[str], tiny_artifact: Path) -> None:
    pytest.importorskip("openvino")
    assert main(["--rounds", "1", "--artifact", str(tiny_artifact)]) == 0
    found = json.loads(capsys.readouterr().out)["candidates"]
    assert [one["candidate"] for one in found] == [one.name for one in candidates()]
    for one in found:
        assert set(one["tokens_per_s"]) == {f"{count}x{length}" for count, length in SHAPES}
        assert min(one["tokens_per_s"].values()) > 0
        assert one["mib"] > 0


def test_a_candidate_that_cannot_start_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        measure(tmp_path, rounds=1)
