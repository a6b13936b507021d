"""Certificates hold as often as they say over many splits, and a broken one is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from postern.calibration.parts import Wanted

from model_training.__main__ import main
from model_training.measures.score_files import ScoreRow, write_scores
from model_training.studies.coverage import STATEMENTS, coverage, population

WANTED = Wanted(alpha_miss=0.08, alpha_false_alarm=0.08, delta=0.2)


def scores(size: int, *, teacher: bool) -> list[ScoreRow]:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(size):
        label = int(rng.random() < 0.4)
        sign = 2 * label - 1
        says = 1 / (1 + np.exp(-(2.5 * sign + 2 * rng.normal()))) if teacher else None
        rows.append(
            ScoreRow(
                set="validation",
                slice="prompt",
                label=label,
                key=f"{number:016x}",
                student_margin=float(sign + 1.2 * rng.normal()),
                teacher=says,
            )
        )
    return rows


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, object]]:
    """200 splits, with a teacher."""
    truth = population(scores(1500, teacher=True), "prompt")
    return coverage(truth, "prompt", WANTED, size=600, n_splits=200)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_stated_bounds_hold_at_the_stated_confidence(
    statement: str, found: dict[str, dict[str, object]]
) -> None:
    one = found[statement]
    assert one["splits"] == 200
    assert one["failed_share_at_least"] <= WANTED.delta  # type: ignore[operator]


def test_the_bounds_are_not_empty(found: dict[str, dict[str, object]]) -> None:
    """They fail now and then: a bound that never does is wider than it need be."""
    failed = [one["failed"] for one in found.values()]
    assert sum(failed) > 200 * WANTED.delta / 4  # type: ignore[arg-type]
    for one in found.values():
        assert 0.0 < one["mean_rate"] < one["mean_bound"] < 1.0  # type: ignore[operator]


def test_a_certificate_that_claims_too_much_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same splits with edges at the observed rate, as one would set them by eye."""
    from postern.calibration import guarantee

    monkeypatch.setattr(
        guarantee, "binomial_cdf", lambda events, n, rate: 0.0 if events <= rate * n else 1.0
    )
    truth = population(scores(1500, teacher=False), "prompt")
    broken = coverage(truth, "prompt", WANTED, size=600, n_splits=60)
    assert broken["low"]["failed_share_at_least"] > WANTED.delta / 2
    assert broken["low"]["failed_share"] > 1.5 * WANTED.delta


def test_the_stage_writes_figures_and_a_plot(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.jsonl", scores(900, teacher=False))
    asked = ["--splits", "5", "--size", "600", "--alpha-miss", "0.1", "--alpha-false-alarm", "0.1"]
    files = ["--scores", str(tmp_path / "scores.jsonl"), "--output", str(tmp_path / "out")]
    assert main(["coverage", *files, *asked]) == 0
    content = json.loads((tmp_path / "out/coverage.json").read_text())
    assert set(content["prompt"]) == set(STATEMENTS)
    assert (tmp_path / "out/coverage.png").read_bytes().startswith(b"\x89PNG")
    assert main(["coverage", *files, "--set", "none"]) == 2
