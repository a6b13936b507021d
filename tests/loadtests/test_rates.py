"""The highest rate of several servers: a search, then long points in turns."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtests.peers import rates
from loadtests.peers.compare import Plan
from loadtests.peers.registry import OURS, PEERS


class _Bench:
    """Carries rates up to `most`."""

    def __init__(self, most: float) -> None:
        self.most = most
        self.asked: list[float] = []

    def at_rate(self, rate: float) -> dict[str, Any]:
        self.asked.append(rate)
        within = 1.0 if rate <= self.most else 0.5
        return {
            "within_limit": within,
            "counts": {"checked": True, "differences": []},
            "offered_rps": rate,
        }


def test_a_rate_that_a_long_point_does_not_carry_is_lowered() -> None:
    bench = _Bench(90.0)
    found = rates._carried(bench, 100.0)  # type: ignore[arg-type]
    assert found == pytest.approx(100.0 * rates.STEP_DOWN**2)
    assert bench.asked == pytest.approx([100.0, 92.0, 84.64])


def test_a_server_that_carries_nothing_has_no_rate() -> None:
    assert rates._carried(_Bench(0.0), 100.0) is None  # type: ignore[arg-type]


def test_ratios_are_of_the_same_round() -> None:
    found = rates._ratios([100.0, 90.0, 120.0], [50.0, 60.0, 40.0])
    assert found == {"median": 2.0, "smallest": 1.5, "largest": 3.0}
    assert rates._ratios([100.0, 90.0], [50.0, None]) is None
    assert rates._ratios([], []) is None


@pytest.mark.slow
def test_real_servers_take_turns(tmp_path: Path) -> None:
    (tmp_path / "fastapi").symlink_to(sys.prefix)
    plan = Plan(
        *(tmp_path, None),
        measured_s=0.4,
        warm_up_s=0.1,
        seeds=1,
        clients=4,
        limit_s=60.0,  # everybody meets it
        precision=10.0,
    )
    asked: dict[str, Any] = {
        "plan": plan,
        "long_s": 0.4,
        "rounds": 2,
        "output": tmp_path / "found",
        "say": lambda _: None,
    }
    rates.write([PEERS["fastapi"]], ["tokens-16"], **asked)
    file = tmp_path / "found" / "rates-tokens-16.json"
    found = json.loads(file.read_text())
    for name in (OURS, "fastapi"):
        assert len(found[name]["rates"]) == 2
        assert found[name]["closed"]["texts_per_s"] > 0.0
    ratio = found["ratios"]["fastapi"]
    assert ratio["smallest"] <= ratio["median"] <= ratio["largest"]
    assert (file.parent / "rates.png").stat().st_size > 1000
    before = file.stat().st_mtime_ns
    rates.write([PEERS["fastapi"]], ["tokens-16"], **asked)  # resumes: nothing is left to do
    assert file.stat().st_mtime_ns == before
