"""Engines beside each other: real sessions on a small student, and figures of known differences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from postern.contract.artifact import Artifact
from postern.contract.probability import Floats, log_odds
from postern.contract.windows import Window

from loadtests.engine_parity import bits_moved, compared, main, precisions, sampled
from model_training.data.rows import Row

ROWS = [
    Row(source="made", prompt=f"text {number}", response=response, label=number % 2)
    for number in range(8)
    for response in (None, "an answer")
]


@pytest.mark.slow
def test_every_precision_is_measured(
    tmp_path: Path, tiny_artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(row.model_dump_json() + "\n" for row in ROWS))
    asked = ["--rows", str(rows), "--artifact", str(tiny_artifact), "--count", "12"]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out)["engines"]
    assert [one["precision"] for one in found] == list(precisions())
    for one in found:
        assert (one["rows"], one["windows"], one["bits_moved"]) == (12, 12, 0)
        assert set(one["auprc_moved"]) == {"prompt", "pair"}
        assert one["margin_moved"]["mean"] <= one["margin_moved"]["largest"] < 0.5


def test_the_sample_is_of_the_rows_without_replacement() -> None:
    first = sampled(ROWS, 5, seed=0)
    assert first == sampled(ROWS, 5, seed=0)
    assert len({(row.prompt, row.response) for row in first}) == 5
    assert len(sampled(ROWS, 99, seed=0)) == len(ROWS)


def _near(artifact: Artifact, away: float) -> Floats:
    """Margins whose probability is so far from each row's threshold, by its label."""
    policy = artifact.manifest.policy
    margins = []
    for row in ROWS:
        threshold = policy.operating_points["balanced"][row.slice].threshold
        wanted = log_odds(np.array([threshold + (away if row.harmful else -away)]))
        calibration = policy.calibration[row.slice]
        margins.append(float(wanted[0] - calibration.bias) * calibration.temperature)
    return np.array(margins)


def test_only_clear_verdicts_count(artifact: Artifact) -> None:
    clear, unclear = _near(artifact, 0.06), _near(artifact, 0.04)
    same = compared(artifact, ROWS, clear, clear)
    assert (same["clear"], same["clear_equal"]) == (len(ROWS), 1.0)
    assert same["auprc_moved"] == {"prompt": 0.0, "pair": 0.0}
    assert same["margin_moved"] == {"mean": 0.0, "largest": 0.0}

    one_turned = clear.copy()
    one_turned[0] = -one_turned[0] + 2 * _near(artifact, 0.0)[0]
    assert compared(artifact, ROWS, clear, one_turned)["clear_equal"] == 1 - 1 / len(ROWS)
    none = compared(artifact, ROWS, unclear, clear)
    assert (none["clear"], none["clear_equal"]) == (0, None)


def test_company_that_moves_a_bit_is_counted() -> None:
    windows = [Window(np.arange(n), np.zeros(n, dtype=np.int64)) for n in (3, 4, 5, 6)] * 20

    def alone(batch: Sequence[Window]) -> npt.NDArray[Any]:
        return np.array([[0.0, window.length] for window in batch])

    def padded(batch: Sequence[Window]) -> npt.NDArray[Any]:
        longest = max(window.length for window in batch)
        return np.array([[0.0, window.length + (longest > 5) * 1e-7] for window in batch])

    assert bits_moved(alone, windows, seed=0) == 0
    assert bits_moved(padded, windows, seed=0) > 50
