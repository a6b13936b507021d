"""The command line: what several processes must not start together, and recipes of studies."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_training.cli import run_command
from tests.server_process import ROOT


@pytest.mark.parametrize("stage", ["split", "run", "ablate", "case-study", "fit-policy"])
def test_several_processes_share_the_stage_distil_alone(
    stage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    of = ["--of", str(tmp_path)] if stage in ("ablate", "case-study") else []
    assert run_command([stage, "--run", str(tmp_path / "run"), *of]) == 2
    assert capsys.readouterr().err == (
        "model_training: several processes can share only the stages distil and round\n"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("recipe", "study"), [("ablation.toml", "ablate"), ("case-study.toml", "case-study")]
)
@pytest.mark.parametrize("stage", ["run", "split", "train-teacher"])
def test_a_stage_refuses_the_recipe_of_a_study_in_one_line(
    recipe: str, study: str, stage: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    places = ["--recipe", str(ROOT / "recipes" / recipe), "--run", str(tmp_path / "run")]
    assert run_command([stage, *places]) == 2
    errors = capsys.readouterr().err
    assert len(errors.splitlines()) == 1
    assert f"belongs to the study `{study}`" in errors
    assert not (tmp_path / "run").exists()


def test_the_stage_that_was_called_calibrate_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(["calibrate"])
    assert ended.value.code == 2
    assert "fit-policy" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--ray-address=head:6379", "--ray-sessions=2"])
def test_options_of_ray_need_its_engine(
    option: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_command(["label", option, "--run", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err == (
        "model_training: --ray-address and --ray-sessions need --engine ray\n"
    )
    assert not (tmp_path / "run").exists()


def test_a_version_that_is_published_stops_the_run_before_its_first_stage(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    recipe = str(ROOT / "recipes/teacher-mpnet.toml")
    assert run_command(["run", "--recipe", recipe, "--run", str(run)]) == 2
    errors = capsys.readouterr().err
    assert len(errors.splitlines()) == 1
    assert "postern-mpnet/1.0.0 exists; give the recipe another version" in errors
    assert not run.exists()
