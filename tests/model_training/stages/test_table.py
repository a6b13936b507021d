"""The one table of stages: the command line and a whole run say the same."""

from __future__ import annotations

import pytest

from model_training.__main__ import main
from model_training.recipe.config import RunConfig, read_recipe
from model_training.stages.table import STAGES, stages_of
from tests.server_process import ROOT


def test_each_stage_stands_in_it_once_and_asks_for_a_section_that_exists() -> None:
    assert len({stage.name for stage in STAGES}) == len(STAGES)
    assert {stage.section for stage in STAGES} - {None} <= RunConfig.model_fields.keys()
    assert all(stage.about and "\n" not in stage.about for stage in STAGES)


def test_a_run_has_the_stages_that_its_recipe_asks_for() -> None:
    def names(recipe: str) -> list[str]:
        return [one.name for one in stages_of(read_recipe(ROOT / "recipes" / recipe))]

    plain = [stage.name for stage in STAGES if stage.section is None]
    assert names("embedded.toml") == plain
    written = ("generate", "filter", "twins", "respond", "translate", "write")
    assert names("embedded-distilled.toml") == [
        stage.name for stage in STAGES if stage.name not in (*written, "round", "categories")
    ]
    assert "round" in names("embedded-mpnet.toml")
    assert names("harmaug-twins.toml") == [
        one.name for one in STAGES if one.name not in ("translate", "write")
    ]
    assert "twins" not in names("harmaug-qwen.toml")
    assert {"translate", "write"} <= set(names("multilingual.toml"))


def test_the_help_says_what_each_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for stage in STAGES:
        assert f"{stage.name} {stage.about}" in text
