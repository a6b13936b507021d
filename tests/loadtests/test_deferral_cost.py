"""What deferring costs: the real server with a teacher in its process."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from loadtests import deferral_cost
from loadtests.own_server import started
from tests.server_process import ROOT


def test_without_a_share_there_is_no_teacher() -> None:
    assert deferral_cost.settings_for(0.0, Path("teacher")) == {}
    asked = deferral_cost.settings_for(0.1, Path("teacher"))
    assert asked["teacher_budget_share"] == 0.1
    assert asked["teacher_artifacts"] == Path("teacher")


@pytest.mark.slow
def test_questions_are_counted_by_what_became_of_them() -> None:
    teacher = ROOT / "artifacts/teacher-text-1/1.0.0"  # the size of the student, so quick
    with started(**deferral_cost.settings_for(0.5, teacher)) as server:
        assert deferral_cost.opinions(server) == {}
        body = json.dumps({"prompt": "What is the capital of France?", "fallback": "always"})
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{server.url}/classify", body.encode(), headers)
        with urllib.request.urlopen(asked, timeout=60.0) as reply:
            (result,) = json.load(reply)["results"]
        assert result["deferred"] is True
        assert deferral_cost.opinions(server) == {"answered": 1}


@pytest.mark.slow
def test_each_share_has_a_server_of_its_own(tmp_path: Path) -> None:
    output = tmp_path / "deferral.json"
    teacher = ROOT / "artifacts/teacher-text-1/1.0.0"
    arguments = ["--shares", "0", "0.5", "--rate", "20", "--clients", "2", "--rounds", "1"]
    arguments += ["--seconds", "0.6", "--warm-up", "0.1", "--teacher", str(teacher)]
    assert deferral_cost.main([*arguments, "--output", str(output)]) == 0
    ((without, half),) = json.loads(output.read_text())["rounds"]
    assert [without["share"], half["share"]] == [0.0, 0.5]
    assert without["closed_opinions"] == without["at_rate_opinions"] == {}
    for one in (without, half):
        assert one["closed"]["texts_per_s"] > 0.0
        assert one["at_rate"]["offered_rps"] == pytest.approx(20.0)
