"""The split stage reads what the recipe allows."""

from __future__ import annotations

from pathlib import Path

from model_training.data.rows import Row
from model_training.measures.validation import look_alike_rows, measured
from model_training.recipe.config import DistilConfig, RunConfig
from model_training.run.folder import Run
from model_training.stages.student import split
from tests.tiny_data import build_tiny_data


def _run(folder: Path, **changes: object) -> Run:
    config = RunConfig.model_validate(
        {"name": "tiny", "version": "0.1", "distil": DistilConfig(base="tiny"), **changes}
    )
    return Run(config, folder / "data", folder / "run", folder / "artifacts", threads=1)


def test_the_split_stage_reads_only_what_the_rule_allows(tmp_path: Path) -> None:
    build_tiny_data(tmp_path / "data")
    run = _run(tmp_path)
    split(run)
    rows = [row for name in ("train", "validation", "calibration") for row in run.rows(name)]
    assert {row.source for row in rows} <= {
        "chat",
        "contrast_constructed",
        "coconot",
        "benign_wrapped",
    }
    assert len(rows) > 400


def test_of_a_split_a_part_can_be_measured_and_look_alikes_apart() -> None:
    rows = [
        Row(source="a", prompt=f"{place}", response="x" if place % 5 == 0 else None, label=0)
        for place in range(100)
    ]
    rows += [Row(source="alike", prompt=f"look {n}", response=None, label=0) for n in range(150)]
    rows += [Row(source="alike", prompt="harm", response=None, label=1)]
    assert measured(rows, None) == rows
    found = measured(rows, 20)
    assert found == measured(rows, 20)
    assert sum(row.response is not None for row in found) == 10
    assert len({row.prompt for row in found}) == len(found) == 20
    alike = look_alike_rows(rows, ["alike", "absent"], 100)
    assert alike == look_alike_rows(rows, ["alike"], 100)
    assert len({row.prompt for row in alike}) == len(alike) == 100
    assert {(row.source, row.label) for row in alike} == {("alike", 0)}
