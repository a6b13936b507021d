"""Which sources a recipe reads, and that two runs do not share a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_training.data.rows import Source
from model_training.data.sources import choose_sources
from model_training.errors import (
    DataInvalid,
    RecipeInvalid,
)
from model_training.recipe.config import (
    DataConfig,
    DistilConfig,
    RunConfig,
)
from model_training.run.folder import Run, is_split, locked
from model_training.stages.student import split
from tests.tiny_data import build_tiny_data


def _source(name: str, **changes: object) -> Source:
    fields = {
        "name": name,
        "file": f"train/{name}.jsonl.gz",
        "split": "train",
        "licence": "MIT",
        "permissive": True,
        "default": True,
    }
    return Source.model_validate({**fields, **changes})


_SOURCES = [
    _source("advised"),
    _source("permissive", default=False),
    _source("restricted", permissive=False),
    _source("restricted_but_advised", permissive=False, default=True),
    _source("public_test", split="test"),
]


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ("default", ["advised"]),
        ("permissive", ["advised", "permissive"]),
        ("all", ["advised", "permissive", "restricted", "restricted_but_advised"]),
        (("restricted", "advised"), ["advised", "restricted"]),
    ],
)
def test_the_rule_decides_and_test_sets_are_never_read(rule: object, chosen: list[str]) -> None:
    config = DataConfig.model_validate({"sources": rule})
    assert [source.name for source in choose_sources(_SOURCES, config)] == chosen


@pytest.mark.parametrize("names", [("public_test",), ("unknown",), ()])
def test_a_name_that_is_no_train_source_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(DataInvalid):
        choose_sources(_SOURCES, DataConfig(sources=names))


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
    with pytest.raises(DataInvalid, match="not what stage 'split' wrote"):
        run.rows("calibration")
    assert run.rows("train")
