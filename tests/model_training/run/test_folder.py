"""Two runs do not share a folder; a folder keeps its recipe and knows its split."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_training.errors import DataInvalid, RecipeInvalid
from model_training.recipe.config import DistilConfig, RunConfig
from model_training.run.folder import Run, is_split, locked
from model_training.stages.student import split
from tests.tiny_data import build_tiny_data


def _run(folder: Path, **changes: object) -> Run:
    config = RunConfig.model_validate(
        {"name": "tiny", "version": "0.1", "distil": DistilConfig(base="tiny"), **changes}
    )
    return Run(config, folder / "data", folder / "run", folder / "artifacts", threads=1)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with locked(run), pytest.raises(RecipeInvalid, match="another run"), locked(run):
        pass


def test_a_folder_keeps_its_recipe(tmp_path: Path) -> None:
    with locked(_run(tmp_path)):
        pass
    other = _run(tmp_path, distil={"base": "tiny", "seed": 7})
    with pytest.raises(RecipeInvalid, match="another recipe"), locked(other):
        pass


def test_a_split_that_was_changed_is_no_split(tmp_path: Path) -> None:
    build_tiny_data(tmp_path / "data")
    config = RunConfig.model_validate({"name": "t", "version": "1", "distil": {"base": "tiny"}})
    run = Run(config, tmp_path / "data", tmp_path / "run", tmp_path, None)
    assert not is_split(run.folder)
    split(run)
    assert is_split(run.folder)
    path = run.rows_file("calibration")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert not is_split(run.folder)
    with pytest.raises(DataInvalid, match="differs from what stage 'split' wrote"):
        run.rows("calibration")
    assert run.rows("train")
