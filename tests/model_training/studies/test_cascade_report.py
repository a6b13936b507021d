"""The cascade's report: one command, from artifacts or from a file of scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from model_training.__main__ import main
from model_training.data.rows import write_rows
from model_training.measures.score_files import ScoreRow, write_scores
from tests.tiny_data import build_tiny_data
from tests.tiny_student import tiny_rows

FILES = ["cascade.json", "cascade.md", "cascade.png", "scores.jsonl"]


def run(artifact: Path, output: Path, *more: object) -> int:
    arguments = ["--student", artifact, "--output", output, "--resamples", 20, *more]
    return main(["cascade-report", *map(str, arguments)])


def test_artifacts_rows_and_test_sets_in_one_command(tiny_artifact: Path, tmp_path: Path) -> None:
    data, output = build_tiny_data(tmp_path / "data", rows_per_source=8), tmp_path / "out"
    write_rows(tmp_path / "validation.jsonl", tiny_rows(240, seed=8))
    given = ["--teacher", tiny_artifact, "--data", data, "--threads", 1]
    assert run(tiny_artifact, output, "--validation", tmp_path / "validation.jsonl", *given) == 0
    assert sorted(path.name for path in output.iterdir()) == FILES
    found = json.loads((output / "cascade.json").read_text())
    assert {"validation, prompt", "validation, pair"} < set(found["sets"])
    assert {"harmbench_eval, pair", "openai_moderation, prompt"} < set(found["sets"])
    text = (output / "cascade.md").read_text()
    assert "of the oracle's gain, where 60% is asked for" in text
    again = tmp_path / "again"
    assert run(tiny_artifact, again, "--scores", output / "scores.jsonl") == 0
    later = json.loads((again / "cascade.json").read_text())
    assert later["sets"] == found["sets"]


def test_the_half_that_is_fitted_is_not_the_half_that_is_judged(
    tiny_artifact: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    rows = [
        ScoreRow(
            set="validation",
            slice="prompt",
            label=number % 2,
            key=f"{int(rng.integers(1 << 62)):016x}",
            student_margin=float((number % 2 * 2 - 1) + rng.normal()),
            teacher=float(np.clip(number % 2 * 0.5 + rng.random() * 0.5, 0, 1)),
        )
        for number in range(600)
    ]
    write_scores(tmp_path / "scores.jsonl", rows)
    assert run(tiny_artifact, tmp_path / "out", "--scores", tmp_path / "scores.jsonl") == 0
    found = json.loads((tmp_path / "out/cascade.json").read_text())["sets"]["validation, prompt"]
    fits = sum(int(row.key, 16) // 5 % 2 == 0 for row in rows)
    assert found["rows"] == 600 - fits
    ten = found["at"]["0.1"]
    assert ten["f1"]["random"] <= ten["f1"]["oracle"]
    assert ten["deferred"]["benefit"] > ten["deferred"]["harm"]
    assert set(found["calibration"]) == {"student, before", "student", "teacher", "fused"}


def test_a_teacher_need_not_be_asked_twice(tiny_artifact: Path, tmp_path: Path) -> None:
    """Another student takes its opinions from the scores of the first, if they are of its rows."""
    validation, scores = tmp_path / "validation.jsonl", tmp_path / "a/scores.jsonl"
    write_rows(validation, tiny_rows(400, seed=35))
    shared = ("--validation", validation, "--threads", 1)
    assert run(tiny_artifact, tmp_path / "a", "--teacher", tiny_artifact, *shared) == 0
    lines = [json.loads(line) for line in scores.read_text().splitlines()]
    told = [{**one, "teacher": 0.96 if one["label"] else 0.03} for one in lines]
    scores.write_text("".join(json.dumps(one) + "\n" for one in told))
    assert run(tiny_artifact, tmp_path / "b", "--scores", scores, *shared) == 0
    again = [json.loads(line) for line in (tmp_path / "b/scores.jsonl").read_text().splitlines()]
    assert again == told
    write_rows(validation, tiny_rows(400, seed=36))
    assert run(tiny_artifact, tmp_path / "c", "--scores", scores, *shared) == 2


@pytest.mark.parametrize("content", ["", "{}\n", '{"set": "validation"}\n'])
def test_scores_that_are_none_are_refused(
    content: str, tiny_artifact: Path, tmp_path: Path
) -> None:
    (tmp_path / "scores.jsonl").write_text(content)
    assert run(tiny_artifact, tmp_path / "out", "--scores", tmp_path / "scores.jsonl") == 2
    assert not (tmp_path / "out").exists()
