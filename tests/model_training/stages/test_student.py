"""The split stage reads what the recipe allows."""

from __future__ import annotations

from pathlib import Path

from model_training.recipe.config import (
    DistilConfig,
    RunConfig,
)
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
